"""What is known of a request: what is given, what its text and fields say, and what its classifiers say of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random

from mmflow.explanation.decision import Known, drawn_by, next_open, read_by
from mmflow.explanation.narrowing import Order, base_of
from mmflow.patterns import compile_pattern
from mmflow.plan import Flow, Plan, Slice, TextMatches, Tier
from mmflow.plugin import Candidate, Model, Request, Usage
from mmflow.runtime.conditions import field_of, last_user_text
from mmflow.runtime.cost import cost_microusd, input_tokens
from mmflow.runtime.executor import TYPICAL_OUTPUT_TOKENS, bucket_of
from mmflow.runtime.given import Given
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.reading import read_signal
from mmflow.runtime.signals import Signal
from mmflow.situations import Value
from mmflow.vocabulary import Vocabulary

NEEDS_A_MODEL = "needs a model call"
_TYPICAL_TOKENS = 1_000
_SEEDS = 8


async def known(
    plan: Plan,
    flow: Flow,
    vocabulary: Vocabulary,
    folder: Path,
    given: Given,
    fields: Mapping[str, str | int | bool],
    request: Request | None,
) -> Known:
    """What is known of a request; given values win over those of the request."""
    values: dict[str, Value] = {}
    facts: dict[str, str] = {}
    for name in plan.classifiers:
        if (signal := given.signal(plan.classifiers[name])) is not None:
            values[name], facts[name] = signal.label, _given_fact(name, signal)
    if request is not None:
        for name, atom in read_by(plan, flow).items():
            if name not in plan.classifiers and name not in fields:
                values[name], said = _of_request(name, atom, request)
                facts |= {name: said} if said is not None else {}
    for name, value in fields.items():
        values[name], facts[name] = value, f"{name} = {_shown(value)} (given)"
    opaque: list[str] = []
    tried: set[str] = set()
    while request is not None and (open_ := next_open(plan, flow, values, tried)) is not None:
        tried.add(open_)
        signal = await read_signal(plan, vocabulary, folder, open_, request, given)
        if signal.unsure == NEEDS_A_MODEL:
            opaque.append(open_)
        else:
            values[open_], facts[open_] = signal.label, signal.fact(open_)
    draws = dict(given.draws)
    facts |= {name: f"{name} = {arm} (given)" for name, arm in draws.items()}
    for step in drawn_by(plan, flow):
        key = values.get(f"request.{step.sticky}")
        if step.name not in draws and key is not None:
            bucket = bucket_of(flow.name, step.name, str(key))
            draws[step.name] = base_of(plan, _slice(step.slices, bucket))
            facts[step.name] = f"{step.name} = {draws[step.name]} (bucket {bucket} of request.{step.sticky} {_shown(key)})"
    return Known(values, facts, draws, tuple(opaque))


def by_declared_numbers(plan: Plan, flow: Flow, vocabulary: Vocabulary, folder: Path, tokens: int | None) -> Order:
    """The order in which tiers ask their members before anything is measured, for a request of so many tokens."""
    plugins = Plugins(plan, vocabulary, folder=folder, random=Random(1))
    usage = Usage(_TYPICAL_TOKENS if tokens is None else tokens, output_tokens=flow.max_output_tokens or TYPICAL_OUTPUT_TOKENS)

    def order(step: Tier, models: Sequence[Model]) -> tuple[str, ...] | None:
        candidates = [Candidate(model, model.p95_s, cost_microusd(usage, model.prices)) for model in models]
        try:
            pick = plugins.pick(step.pick)
            found = {tuple(each.model.name for each in pick(candidates, Random(seed))) for seed in range(_SEEDS)}
        except Exception:  # noqa: BLE001  # a plugin may raise anything; the request is told, when it runs
            return None
        return found.pop() if len(found) == 1 else None

    return order


def _slice(slices: Sequence[Slice], bucket: int) -> str:
    end = 0
    for each in slices:
        end += each.buckets
        if bucket < end:
            return each.step
    raise AssertionError("the shares of a split make 100%")


def _given_fact(name: str, signal: Signal) -> str:
    return f"{name} = {signal.label} (given)" if signal.confidence in (None, 1.0) else signal.fact(name)


def _of_request(name: str, atom: object, request: Request) -> tuple[Value, str | None]:
    """What a request says for a variable; no fact where it does not say it."""
    if isinstance(atom, TextMatches):
        matches = compile_pattern(atom.pattern).matches(last_user_text(request))
        return matches, f'request.text {"matches" if matches else "does not match"} "{atom.pattern}"'
    field = name.removeprefix("request.")
    value = input_tokens(request.messages, request) if field == "tokens" else field_of(request, field)
    return value, None if value is None else f"{name} = {_shown(value)}"


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f'"{value}"' if isinstance(value, str) else str(value)
