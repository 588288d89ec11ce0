"""Flows of a plan, and what they use."""

from mmflow import plan
from mmflow.check.program import Declaration
from mmflow.compile.plain import options_of, rate_of, text, whole
from mmflow.compile.steps import targets_of
from mmflow.plan import Step


def guard(declaration: Declaration) -> plan.Guard:
    """A guard of the plan."""
    rules = (plan.Rule(rule.condition.test, rule.needs, rule.text) for rule in declaration.rules)
    return plan.Guard(declaration.name, tuple(rules))


def budget(declaration: Declaration) -> tuple[plan.Budget, list[Step]]:
    """A budget of the plan, and the steps that `with` makes of what it falls back on."""
    own, name = declaration.fields, declaration.name
    degraded = [each.target for each in declaration.thresholds if each.target is not None]
    steps, extra = targets_of(name, "degrade", degraded)
    rest = iter(steps)
    found = plan.Budget(
        name=name,
        limit_microusd=int(own.limit.amount_microusd),
        period_s=int(own.limit.period_s),
        per=own.per.name if own.per is not None else None,
        thresholds=tuple(
            plan.Threshold(each.share, each.action, next(rest) if each.target is not None else each.channel)
            for each in declaration.thresholds
        ),
    )
    return found, extra


def cache(declaration: Declaration) -> plan.Cache:
    """A cache of the plan."""
    own = declaration.fields
    return plan.Cache(
        name=declaration.name,
        word=declaration.word_path or "",
        options=options_of(declaration.word, declaration.options),
        ttl_s=float(own.ttl),
        scope=own.scope,
        zone=own.zone,
        off=tuple(each.condition.test for each in declaration.off),
    )


def prompt(declaration: Declaration) -> plan.Prompt:
    """A prompt of the plan."""
    arms: list[plan.PromptArm] = []
    for template in declaration.templates:
        arms.append(plan.PromptArm(template.condition.needs if template.condition else None, template.parts))
        if template.condition is None:
            break  # what stands below an `else` is never taken
    return plan.Prompt(declaration.name, tuple(arms))


def output(declaration: Declaration) -> plan.Output:
    """A contract of output of the plan."""
    own = declaration.fields
    return plan.Output(
        name=declaration.name, format=own.format, schema_file=text(own.schema), retry_times=own.on_invalid.retry_times
    )


def flow(declaration: Declaration) -> plan.Flow:
    """A flow of the plan."""
    own = declaration.fields
    return plan.Flow(
        name=declaration.name,
        step=declaration.name,
        deadline_s=float(own.deadline),
        max_input_tokens=whole(own.max_input),
        max_output_tokens=whole(own.max_output),
        max_cost_microusd=whole(own.max_cost),
        guards=tuple(map(str, own.guards or ())),
        sla=plan.Sla(float(own.sla.p95), own.sla.of) if own.sla is not None else None,
        traffic=rate_of(own.traffic),
        budget=text(own.budget),
        cache=text(own.cache),
        prompt=text(own.prompt),
        output=text(own.output),
    )
