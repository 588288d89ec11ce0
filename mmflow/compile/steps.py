"""Steps of a plan, with those that `with` makes of their targets."""

from collections.abc import Iterator, Sequence

from mmflow import plan
from mmflow.check.kinds import PromoteFields, Target
from mmflow.check.program import Arm, Declaration
from mmflow.check.uses import asked_by
from mmflow.compile.plain import options_of, real, text, whole
from mmflow.options import ScorerName, construct_named
from mmflow.plan import Step
from mmflow.plugin import StrategyWord


def steps_of(declaration: Declaration) -> Iterator[Step]:
    """The step of a declaration that is a target or a flow, after those of the targets under `with` in it."""
    name, own = declaration.name, declaration.fields
    match declaration.kind.name:
        case "model":
            yield plan.Ask(name, name)
        case "tier":
            models, bar = tuple(map(str, own.models)), real(own.min_quality)
            yield plan.Tier(name, models, own.pick.word, min_quality=bar, scorecard=text(own.scorecard))
        case "route" | "flow":
            yield from _route(declaration)
        case "cascade":
            steps, extra = targets_of(name, "step", own.steps)
            yield from extra
            yield plan.Cascade(name, steps, own.accept.test, own.accept.text)
        case "fallback":
            steps, extra = targets_of(name, "try", own.try_)
            yield from extra
            on = tuple(each.name for each in own.on)
            retry = own.retry
            yield plan.Fallback(name, steps, on, int(retry.times) if retry else 0, float(retry.backoff) if retry else 0.2)
        case "split":
            steps, extra = targets_of(name, "arm", [arm.target for arm in declaration.arms])
            yield from extra
            yield plan.Split(name, _slices(declaration.arms, steps), own.sticky.name)
        case "experiment":
            steps, extra = targets_of(name, "arm", [arm.target for arm in declaration.arms])
            yield from extra
            rule = own.promote or PromoteFields()
            yield plan.Experiment(
                name=name,
                slices=_slices(declaration.arms, steps),
                sticky=own.sticky.name,
                metric=str(own.metric),
                sample=float(own.sample),
                min_samples=int(rule.min_samples),
                confidence=float(rule.confidence),
                not_worse_than=float(rule.not_worse_than),
            )
        case "strategy":
            steps, extra = targets_of(name, "of", own.of)
            yield from extra
            yield plan.Strategy(
                name=name,
                word=declaration.word_path or "",
                steps=steps,
                options=options_of(declaration.word, declaration.options),
                calls=_calls(declaration),
                scorers=tuple(dict.fromkeys(str(each) for each in asked_by(declaration) if isinstance(each, ScorerName))),
                first_wins=isinstance(declaration.word, StrategyWord) and declaration.word.first_wins,
            )


def _calls(declaration: Declaration) -> plan.CallSummary | None:
    """The call summary of a strategy; None where its word has none, or cannot tell it from these options."""
    word = declaration.word
    if not isinstance(word, StrategyWord) or word.calls is None:
        return None
    try:
        options: object = construct_named(word.options, declaration.options)
        calls = word.calls(options, len(declaration.fields.of))
    except Exception:  # noqa: BLE001 - anybody's code: what it cannot tell is not known
        return None
    return plan.CallSummary(int(calls.most), bool(calls.parallel), bool(calls.staggered))


def targets_of(owner: str, position: str, targets: Sequence[Target]) -> tuple[tuple[str, ...], list[Step]]:
    """The names of the steps of some targets, and the steps that `with` makes, named by their place: `answer/step 2`."""
    names: list[str] = []
    extra: list[Step] = []
    for index, target in enumerate(targets, 1):
        if target.settings is None:
            names.append(target.name)
            continue
        settings, name = target.settings, f"{owner}/{position} {index}"
        limits = (real(settings.deadline), whole(settings.max_output), real(settings.temperature))
        extra.append(plan.With(name, target.name, *limits))
        names.append(name)
    return tuple(names), extra


def _route(declaration: Declaration) -> Iterator[Step]:
    names, extra = targets_of(declaration.name, "arm", [arm.target for arm in declaration.arms])
    yield from extra
    arms: list[plan.Arm] = []
    otherwise: str | None = None
    for arm, step in zip(declaration.arms, names, strict=True):
        if arm.condition is None:
            otherwise = step
            break  # what stands below an `else` is never taken
        arms.append(plan.Arm(arm.condition.test, step, arm.condition.text))
    yield plan.Route(declaration.name, tuple(arms), otherwise)


_BUCKETS = 10_000


def _slices(arms: tuple[Arm, ...], steps: tuple[str, ...]) -> tuple[plan.Slice, ...]:
    given = [round(arm.share * _BUCKETS) if arm.share is not None else None for arm in arms]
    rest = _BUCKETS - sum(each or 0 for each in given)
    return tuple(plan.Slice(rest if each is None else each, step) for each, step in zip(given, steps, strict=True))
