"""What changed in the declarations that two versions share by name: a price, a pattern, a threshold."""

from collections.abc import Iterator, Mapping
from itertools import takewhile
from typing import Any

import msgspec

from mmflow.bounds.names import step_text
from mmflow.diff.harms import Harms, of_budget, of_cache, of_guards, of_limits
from mmflow.diff.records import steps_of, used
from mmflow.diff.shapes import Shapes
from mmflow.plan import Cascade, Experiment, Fallback, Flow, Limits, Plan, Slice, Split, Strategy, Tier
from mmflow.units import Duration, Money, Price, Share, Tokens, text_of

LONGEST_TEXT = 60
_SHOWN_BEFORE = 15
"""Of what two long texts begin with alike, so much is shown."""

_COMPOSED = Tier | Cascade | Fallback | Split | Experiment | Strategy


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field that changed, with its values as text: `prices.input`, `$0.15/1M`, `$0.2/1M`."""

    field: str
    before: str
    after: str
    harms: Harms = ()


class DefinitionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A declaration that both versions have and use, and what changed in it."""

    kind: str
    name: str
    fields: tuple[FieldChange, ...]


def definition_changes(old: Plan, new: Plan, flows: list[tuple[Flow, Flow]]) -> list[DefinitionChange]:
    """The changes to what these flows use in both plans."""
    before = used(old, [each for each, _ in flows])
    after = used(new, [each for _, each in flows])
    changes = []
    for (kind, name), declared in before.items():
        if (kind, name) in after:
            harms = _harms(kind, name, old, new)
            if fields := tuple(field_changes(declared, after[kind, name], harms=harms)):
                changes.append(DefinitionChange(kind=kind, name=name, fields=fields))
    return changes + list(_step_changes(old, new, flows))


def field_changes(
    before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "", harms: Mapping[str, Harms] | None = None
) -> Iterator[FieldChange]:
    """The fields that differ between two records, those of records within them by a dotted path."""
    for name in dict.fromkeys((*before, *after)):
        path, old, new = f"{prefix}{name}", before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) or isinstance(new, dict):
            yield from field_changes(old or {}, new or {}, f"{path}.", harms)
        else:
            was, is_ = _shown(_text(path, old), _text(path, new))
            yield FieldChange(field=path, before=was, after=is_, harms=(harms or {}).get(path, ()))


def _harms(kind: str, name: str, old: Plan, new: Plan) -> Mapping[str, Harms]:
    """What may be wrong with how a declaration changed, by field."""
    match kind:
        case "budget":
            return of_budget(old.budgets[name], new.budgets[name])
        case "cache":
            return of_cache(old, new, old.caches[name], new.caches[name])
        case "guard":
            return {"rules": of_guards(old, new, [name], [name])}
        case "model":
            limits = of_limits(old.model_limits.get(name, Limits()), new.model_limits.get(name, Limits()))
        case "provider":
            limits = of_limits(old.providers[name].limits, new.providers[name].limits)
        case _:
            return {}
    return {f"limits.{field}": harms for field, harms in limits.items()}


def _step_changes(old: Plan, new: Plan, flows: list[tuple[Flow, Flow]]) -> Iterator[DefinitionChange]:
    """The composed targets of one name that behave otherwise, by what they say themselves."""
    shapes = Shapes()
    before, after = steps_of(old, [each for each, _ in flows]), steps_of(new, [each for _, each in flows])
    for name, step in before.items():
        other = after.get(name)
        if not isinstance(step, _COMPOSED) or not isinstance(other, _COMPOSED):
            continue
        said, says = _rule(step), _rule(other)
        if shapes.of(old, name, {}) != shapes.of(new, name, {}):
            said, says = _said(step, old) | said, _said(other, new) | says
        if fields := tuple(field_changes(said, says)):
            yield DefinitionChange(kind=type(other).__name__.lower(), name=name, fields=fields)


def _said(step: _COMPOSED, plan: Plan) -> dict[str, Any]:
    """A step in the words of the file."""
    match step:
        case Tier(models=models, pick=pick, min_quality=least, scorecard=scorecard):
            measured = {"min_quality": least if scorecard is not None else None, "scorecard": scorecard}
            return {"models": list(dict.fromkeys(models)), "pick": pick, **measured}
        case Cascade(steps=steps, text=text):
            return {"steps": [step_text(plan, each) for each in steps], "accept": text}
        case Fallback(steps=steps, on=on, retry_times=times, backoff_s=backoff_s):
            retry = {"retry.times": times} | ({"retry.backoff_s": backoff_s} if times else {})
            return {"try": [step_text(plan, each) for each in steps], "on": sorted(on), **retry}
        case Split(slices=slices, sticky=sticky):
            return {"arms": _arms(slices, plan), "sticky": sticky}
        case Experiment(slices=slices, sticky=sticky, metric=metric, sample=sample):
            return {"arms": _arms(slices, plan), "sticky": sticky, "metric": metric, "sample": text_of(Share(sample))}
        case Strategy(word=word, steps=steps, options=options, scorers=scorers):
            return {"using": word, "of": [step_text(plan, each) for each in steps], "scorers": list(scorers), "options": options}


def _rule(step: _COMPOSED) -> dict[str, Any]:
    """By what an experiment promotes an arm: it moves no request, and is told all the same."""
    if not isinstance(step, Experiment):
        return {}
    bound = {"min_samples": step.min_samples, "confidence": text_of(Share(step.confidence))}
    return {"promote": {**bound, "not_worse_than": step.not_worse_than}}


def _arms(slices: tuple[Slice, ...], plan: Plan) -> list[str]:
    return [f"{text_of(Share(each.buckets / 10_000))} {step_text(plan, each.step)}" for each in slices]


def _text(path: str, value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, int | float) and not isinstance(value, bool):
        if path.startswith("prices."):
            return text_of(Price(value))
        for suffix, unit in (("_s", Duration), ("_microusd", Money), ("_tokens", Tokens)):
            if path.endswith(suffix):
                return text_of(unit(value))
        return text_of(value)
    if isinstance(value, bool):
        return text_of(value)
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return " ".join(text.split()) or "none"


def _shown(before: str, after: str) -> tuple[str, str]:
    """Two texts, cut where they are long; what is shown begins shortly before they differ."""
    alike = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(before, after, strict=False)))
    is_cut = max(len(before), len(after)) > LONGEST_TEXT and alike > LONGEST_TEXT // 2
    start = alike - _SHOWN_BEFORE if is_cut else 0
    return _cut(before, start), _cut(after, start)


def _cut(text: str, start: int) -> str:
    text = f"…{text[start:]}" if start else text
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
