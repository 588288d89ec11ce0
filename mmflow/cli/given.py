"""`--given NAME=VALUE`: what a situation says of a request, in the words of the workflow."""

from collections.abc import Mapping, Sequence

import attrs

from mmflow.cli.failure import WrongUse
from mmflow.cli.suggest import FIELDS
from mmflow.diagnostics import did_you_mean
from mmflow.explanation.narrowing import base_of
from mmflow.plan import Classifier, Experiment, Plan, Split
from mmflow.plugin import Guess
from mmflow.runtime.given import Given
from mmflow.runtime.signals import UNSURE
from mmflow.units import Score, Tokens, UnitError, coerce, parse_quantity

_META = "request.meta."
_TRUTH = {"true": True, "false": False}


@attrs.frozen
class Situation:
    """What is given of a request: signals and draws, and by name the fields of the request."""

    given: Given = attrs.field(factory=Given)
    fields: dict[str, str | int | bool] = attrs.field(factory=dict)


def situation(plan: Plan, given: Sequence[str]) -> Situation:
    """The situation that the flags describe; the last one of a name counts. Raises `WrongUse`."""
    signals: dict[str, str | Guess] = {}
    draws: dict[str, str] = {}
    fields: dict[str, str | int | bool] = {}
    for each in given:
        name, equals, value = (part.strip() for part in each.partition("="))
        if not equals or not name or not value:
            raise WrongUse(f"expected `NAME=VALUE`, got `{each}`", "write `--given task=code`")
        step = plan.steps.get(name)
        if name.startswith("request."):
            fields[name] = _field(name, value)
        elif name in plan.classifiers:
            signals[name] = _said(plan.classifiers[name], value)
        elif isinstance(step, Split | Experiment):
            draws[name] = _draw(plan, step, value)
        else:
            raise _unknown(plan, name)
    return Situation(Given(signals, draws), fields)


def givable(plan: Plan) -> list[str]:
    """The names that can be given, short of those of `request.meta`."""
    drawn = [step.name for step in plan.steps.values() if isinstance(step, Split | Experiment)]
    return [*plan.classifiers, *drawn, *FIELDS]


def _unknown(plan: Plan, name: str) -> WrongUse:
    known = givable(plan)
    others: dict[str, Mapping[str, object]] = {
        "budget": plan.budgets,
        "cache": plan.caches,
        "scorer": plan.scorers,
        "model": plan.models,
        "flow": plan.flows,
    }
    kind = next((kind for kind, names in others.items() if name in names), None)
    near = did_you_mean(name, known)
    if kind is not None:
        return WrongUse(f"`{name}` is a {kind}, which is not given", _listed(known))
    return WrongUse(
        f"no classifier, split or experiment is called `{name}`", f"did you mean `{near}`?" if near else _listed(known)
    )


def _listed(known: list[str]) -> str:
    return f"what can be given: {', '.join(f'`{each}`' for each in known)}, `request.meta.NAME`"


def _field(name: str, value: str) -> str | int | bool:
    if name.startswith(_META) and len(name) > len(_META):
        return value
    match name:
        case "request.tokens":
            try:
                return int(coerce(parse_quantity(value), Tokens))  # type: ignore[arg-type]  # tokens, by what was asked for
            except UnitError as problem:
                raise WrongUse(f"`{name}`: {problem.message}", problem.help) from problem
        case "request.user" | "request.language":
            return value
        case "request.has_images" | "request.has_tools":
            if value not in _TRUTH:
                raise WrongUse(f"`{name}` is `true` or `false`, not `{value}`")
            return _TRUTH[value]
    near = did_you_mean(name, FIELDS)
    fields = ", ".join(f"`{each}`" for each in FIELDS)
    raise WrongUse(f"a request has no `{name}`", f"did you mean `{near}`?" if near else f"fields are {fields}, `{_META}NAME`")


def _said(classifier: Classifier, value: str) -> str | Guess:
    label, colon, confidence = value.partition(":")
    if label == UNSURE and UNSURE not in classifier.labels and not colon:
        return UNSURE
    if label not in classifier.labels:
        near = did_you_mean(label, classifier.labels)
        known = ", ".join(f"`{each}`" for each in (*classifier.labels, UNSURE))
        help = f"did you mean `{near}`?" if near else f"its labels are {known}"
        raise WrongUse(f"`{classifier.name}` has no label `{label}`", help)
    if not colon:
        return label
    try:
        return Guess(label, float(coerce(parse_quantity(confidence), Score)))  # type: ignore[arg-type]  # a score is a number
    except UnitError as problem:
        raise WrongUse(f"the confidence of `{classifier.name}`: {problem.message}", problem.help or "write `0.55`") from problem


def _draw(plan: Plan, step: Split | Experiment, value: str) -> str:
    arms = [base_of(plan, each.step) for each in step.slices]
    if value in arms:
        return value
    near = did_you_mean(value, arms)
    help = f"did you mean `{near}`?" if near else f"its arms are {', '.join(f'`{each}`' for each in arms)}"
    raise WrongUse(f"`{value}` is no arm of `{step.name}`", help)
