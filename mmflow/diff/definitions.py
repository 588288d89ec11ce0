"""What changed in the declarations that two versions share by name: a price, a pattern, a threshold."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from mmflow.bounds.names import step_text
from mmflow.bounds.walk import reached
from mmflow.bounds.worst import asked_by, guarding, scorers_of
from mmflow.diff.shapes import Shapes
from mmflow.plan import Ask, Cascade, Fallback, Flow, Plan, Route, Split, Step, Tier, signals_of
from mmflow.units import Duration, Money, Price, Share, Tokens, text_of

LONGEST_TEXT = 60

_COMPOSED = Tier | Cascade | Fallback | Split


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field that changed, with its values as text: `prices.input`, `$0.15/1M`, `$0.2/1M`."""

    field: str
    before: str
    after: str


class DefinitionChange(msgspec.Struct, frozen=True, kw_only=True):
    """A declaration that both versions have and use, and what changed in it."""

    kind: str
    name: str
    fields: tuple[FieldChange, ...]


def definition_changes(old: Plan, new: Plan, flows: list[tuple[Flow, Flow]]) -> list[DefinitionChange]:
    """The changes to what these flows use in both plans."""
    before = _used(old, [each for each, _ in flows])
    after = _used(new, [each for _, each in flows])
    changes = [
        DefinitionChange(kind=kind, name=name, fields=fields)
        for (kind, name), declared in before.items()
        if (kind, name) in after and (fields := tuple(field_changes(declared, after[kind, name])))
    ]
    return changes + list(_step_changes(old, new, flows))


def field_changes(before: Mapping[str, Any], after: Mapping[str, Any], prefix: str = "") -> Iterator[FieldChange]:
    """The fields that differ between two records, those of records within them by a dotted path."""
    for name in dict.fromkeys((*before, *after)):
        path, old, new = f"{prefix}{name}", before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) or isinstance(new, dict):
            yield from field_changes(old or {}, new or {}, f"{path}.")
        else:
            yield FieldChange(field=path, before=_text(path, old), after=_text(path, new))


_Records = dict[tuple[str, str], dict[str, Any]]


def _used(plan: Plan, flows: list[Flow]) -> _Records:
    """The models, providers, classifiers, scorers and guards that flows may come to, as records by kind and name."""
    found: _Records = {}
    models, steps = [], [step for flow in flows for step in reached(plan, flow.step)]
    for step in steps:
        match step:
            case Ask(model=model):
                models.append(plan.models[model])
            case Cascade():
                for scorer in scorers_of(step, plan):
                    found["scorer", scorer.name] = _record(scorer)
                    models += asked_by(scorer, plan)
    signals = [name for step in steps for name in _signals(step)]
    for flow in flows:
        signals += guarding(plan, flow)
        for guard in flow.guards:
            found["guard", guard] = {"rules": sorted(rule.text for rule in plan.guards[guard].rules)}
    for name in signals:
        found["classify", name] = _record(plan.classifiers[name])
        models += asked_by(plan.classifiers[name], plan)
    for each in models:
        # A model's zone and region are those of its provider.
        found["model", each.name] = {name: value for name, value in _record(each).items() if name not in ("zone", "region")}
        found["provider", each.provider] = _record(plan.providers[each.provider])
    return found


def _signals(step: Step) -> list[str]:
    match step:
        case Route(arms=arms):
            return [name for arm in arms for name in signals_of(arm.test)]
        case Cascade(accept=accept):
            return list(signals_of(accept))
        case _:
            return []


def _record(declared: msgspec.Struct) -> dict[str, Any]:
    record: dict[str, Any] = {name: msgspec.to_builtins(getattr(declared, name)) for name in declared.__struct_fields__}
    return record


def _step_changes(old: Plan, new: Plan, flows: list[tuple[Flow, Flow]]) -> Iterator[DefinitionChange]:
    """The tiers, cascades, fallbacks and splits of one name that behave otherwise, by what they say themselves."""
    shapes = Shapes()
    after = {step.name: step for _, flow in flows for step in reached(new, flow.step)}
    before = {step.name: step for flow, _ in flows for step in reached(old, flow.step)}
    for name, step in before.items():
        other = after.get(name)
        if not isinstance(step, _COMPOSED) or not isinstance(other, _COMPOSED):
            continue
        if shapes.of(old, name, {}) == shapes.of(new, name, {}):
            continue
        if fields := tuple(field_changes(_said(step, old), _said(other, new))):
            yield DefinitionChange(kind=type(other).__name__.lower(), name=name, fields=fields)


def _said(step: _COMPOSED, plan: Plan) -> dict[str, Any]:
    """A step in the words of the file."""
    match step:
        case Tier(models=models, pick=pick):
            return {"models": list(dict.fromkeys(models)), "pick": pick}
        case Cascade(steps=steps, text=text):
            return {"steps": [step_text(plan, each) for each in steps], "accept": text}
        case Fallback(steps=steps, on=on, retry_times=times, backoff_s=backoff_s):
            retry = {"retry.times": times} | ({"retry.backoff_s": backoff_s} if times else {})
            return {"try": [step_text(plan, each) for each in steps], "on": sorted(on), **retry}
        case Split(slices=slices, sticky=sticky):
            arms = [f"{text_of(Share(each.buckets / 10_000))} {step_text(plan, each.step)}" for each in slices]
            return {"arms": arms, "sticky": sticky}


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
    text = " ".join(text.split()) or "none"
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
