"""What flows use, as records in the words of the file: fields by name, to be compared with those of another version."""

from collections.abc import Iterator
from typing import Any

import msgspec

from mmflow.bounds.names import step_text
from mmflow.bounds.walk import reached
from mmflow.bounds.worst import asked_by, degraded_to, guarding, scorers_of
from mmflow.plan import (
    Ask,
    Budget,
    Cache,
    Cascade,
    Experiment,
    Flow,
    Limits,
    Model,
    Output,
    Plan,
    Prompt,
    PromptArm,
    Provider,
    Route,
    Slot,
    Step,
    Strategy,
    Tier,
    signals_of,
)
from mmflow.situations import test_text
from mmflow.units import Budget as Limit
from mmflow.units import Duration, Rate, Share, text_of

Record = dict[str, Any]
Records = dict[tuple[str, str], Record]
"""By kind and name."""


def used(plan: Plan, flows: list[Flow]) -> Records:
    """Everything but steps that these flows may come to."""
    found: Records = {}
    models: list[Model] = []
    scorers, signals = [], []
    for step in steps_of(plan, flows).values():
        signals += _signals(step, plan)
        match step:
            case Ask(model=model):
                models.append(plan.models[model])
            case Cascade() | Experiment() | Strategy():
                scorers += scorers_of(step, plan)
            case Tier(scorecard=str(card)):
                found["scorecard", card] = record(plan.scorecards[card])
            case _:
                pass
    for flow in flows:
        signals += guarding(plan, flow)
        for guard in flow.guards:
            found["guard", guard] = {"rules": sorted(rule.text for rule in plan.guards[guard].rules)}
        if flow.budget is not None:
            found["budget", flow.budget] = _budget(plan.budgets[flow.budget], plan)
        if flow.cache is not None:
            found["cache", flow.cache] = _cache(plan.caches[flow.cache])
            signals += [name for test in plan.caches[flow.cache].off for name in signals_of(test)]
        if flow.prompt is not None:
            found["prompt", flow.prompt] = _prompt(plan.prompts[flow.prompt])
            signals += [name for name in _slots(plan.prompts[flow.prompt]) if name in plan.classifiers]
        if flow.output is not None:
            found["output", flow.output] = _output(plan.outputs[flow.output])
    for scorer in scorers:
        found["scorer", scorer.name] = record(scorer)
        models += asked_by(scorer, plan)
    for name in signals:
        found["classify", name] = record(plan.classifiers[name])
        models += asked_by(plan.classifiers[name], plan)
    for each in models:
        # A model's zone and region are those of its provider.
        own = {name: value for name, value in record(each).items() if name not in ("zone", "region")}
        found["model", each.name] = own | _limits(plan.model_limits.get(each.name, Limits()))
        found["provider", each.provider] = _provider(plan.providers[each.provider])
    return found


def steps_of(plan: Plan, flows: list[Flow]) -> dict[str, Step]:
    """The steps that flows may come to, by their budgets too."""
    roots = [root for flow in flows for root in (flow.step, *degraded_to(plan, flow))]
    return {step.name: step for root in roots for step in reached(plan, root)}


def record(declared: msgspec.Struct) -> Record:
    """The fields of a declaration as plain values."""
    return {name: msgspec.to_builtins(getattr(declared, name)) for name in declared.__struct_fields__}


def _signals(step: Step, plan: Plan) -> list[str]:
    match step:
        case Route(arms=arms):
            return [name for arm in arms for name in signals_of(arm.test)]
        case Cascade(accept=accept):
            return list(signals_of(accept))
        case Tier(scorecard=str(card)) if by := plan.scorecards[card].by:
            return [by]
        case _:
            return []


def _provider(declared: Provider) -> Record:
    return {name: value for name, value in record(declared).items() if name != "limits"} | _limits(declared.limits)


def _limits(limits: Limits) -> Record:
    rates = {name: getattr(limits, name) for name in ("requests", "tokens")}
    said = {name: None if rate is None else text_of(Rate(rate.count, rate.period_s)) for name, rate in rates.items()}
    return {"limits": {**said, "concurrency": limits.concurrency}}


def _budget(budget: Budget, plan: Plan) -> Record:
    thresholds = []
    for each in budget.thresholds:
        target = step_text(plan, each.target) if each.target is not None and each.action == "degrade" else each.target
        thresholds.append(f"from {text_of(Share(each.share))} {each.action}" + ("" if target is None else f" {target}"))
    return {"limit": text_of(Limit(budget.limit_microusd, budget.period_s)), "per": budget.per, "thresholds": thresholds}


def _cache(cache: Cache) -> Record:
    kept = {name: value for name, value in record(cache).items() if name != "ttl_s"}
    return {**kept, "ttl": Duration(cache.ttl_s), "off": sorted(map(test_text, cache.off))}


def _prompt(prompt: Prompt) -> Record:
    conditions = [_condition(each) for each in prompt.arms]
    return {"arms": conditions, **dict(zip(conditions, map(_written, prompt.arms), strict=True))}


def _written(arm: PromptArm) -> str:
    return "".join(each if isinstance(each, str) else f"{{{{ {each.path} }}}}" for each in arm.parts)


def _condition(arm: PromptArm) -> str:
    if arm.needs is None:
        return "else"
    alternatives = (
        " and ".join(f'target.{each.field} {each.operator} "{each.value}"' for each in needs) or "always" for needs in arm.needs
    )
    return f"when {' or '.join(alternatives)}"


def _slots(prompt: Prompt) -> Iterator[str]:
    return (each.path for arm in prompt.arms for each in arm.parts if isinstance(each, Slot))


def _output(output: Output) -> Record:
    again = f"retry({output.retry_times})" if output.retry_times else "fail"
    return {"format": output.format, "schema": output.schema_file, "on_invalid": again}
