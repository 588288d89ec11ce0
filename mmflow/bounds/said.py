"""Steps, flows and what flows use, in lines that people read: what `mmflow plan` and `mmflow explain` print of them."""

from mmflow.bounds.names import step_text
from mmflow.plan import (
    Ask,
    Budget,
    Cascade,
    Experiment,
    Fallback,
    Flow,
    Output,
    Plan,
    Route,
    Slice,
    Split,
    Step,
    Strategy,
    Threshold,
    Tier,
    With,
)
from mmflow.units import Budget as Limit
from mmflow.units import Duration, Money, Share, Tokens, text_of


def kind_of(step: Step) -> str:
    """The word of the language for a step: `tier`."""
    return type(step).__name__.lower()


def promises_text(flow: Flow) -> str:
    """`: deadline 20s, max_cost $0.1, budget daily`."""
    bounds: list[tuple[str, object]] = [("deadline", Duration(flow.deadline_s))]
    bounds += [("max_input", _typed(Tokens, flow.max_input_tokens)), ("max_output", _typed(Tokens, flow.max_output_tokens))]
    bounds += [("max_cost", _typed(Money, flow.max_cost_microusd))]
    said = [f"{name} {text_of(value)}" for name, value in bounds if value is not None]
    if flow.sla is not None:
        said.append(f"p95 {text_of(Duration(flow.sla.p95_s))} of {flow.sla.of}")
    used = [("budget", flow.budget), ("cache", flow.cache), ("prompt", flow.prompt), ("output", flow.output)]
    return ": " + ", ".join([*said, *(f"{kind} {name}" for kind, name in used if name is not None)])


def _typed(type_: type[int], value: int | None) -> object:
    return None if value is None else type_(value)


def step_lines(step: Step, plan: Plan) -> list[str]:
    """What a step does, a line for each target; a target's own block says the rest."""
    match step:
        case Ask(model=model):
            return [f"  -> {model}"]
        case Tier(models=models, pick=pick, min_quality=least, scorecard=scorecard):
            measured = [] if scorecard is None else [f"  min_quality {least:g} by {scorecard}"]
            return [f"  pick {pick}: {', '.join(models)}", *measured]
        case Route(arms=arms, otherwise=otherwise):
            lines = [f"  when {arm.text} -> {step_text(plan, arm.step)}" for arm in arms]
            return lines + ([f"  else -> {step_text(plan, otherwise)}"] if otherwise is not None else [])
        case Cascade(steps=steps, text=text):
            return [f"  {n}. {step_text(plan, each)}" for n, each in enumerate(steps, 1)] + [f"  accept {text}"]
        case Fallback(steps=steps, on=on, retry_times=times):
            tried = [f"  {n}. {step_text(plan, each)}" for n, each in enumerate(steps, 1)]
            return [*tried, f"  on {', '.join(on)}" + (f", each tried {times + 1} times" if times else "")]
        case Split(slices=slices):
            return _shares(slices, plan)
        case Experiment(slices=slices, metric=metric, sample=sample):
            judged = f"  metric {metric}" + ("" if sample == 1 else f" of {text_of(Share(sample))} of the answers")
            rule = f"min_samples {step.min_samples}, confidence {text_of(Share(step.confidence))}"
            return [*_shares(slices, plan), judged, f"  promote {rule}, not_worse_than {step.not_worse_than:g}"]
        case Strategy(steps=steps, scorers=scorers):
            targets = [f"  {n}. {step_text(plan, each)}" for n, each in enumerate(steps, 1)]
            asked = [f"  scored by {', '.join(scorers)}"] if scorers else []
            return [f"  {step.word}: {_summary(step)}", *targets, *asked]
        case With():
            return [f"  -> {step_text(plan, step.name)}"]


def _shares(slices: tuple[Slice, ...], plan: Plan) -> list[str]:
    return [f"  {text_of(Share(each.buckets / 10_000))} -> {step_text(plan, each.step)}" for each in slices]


def _summary(step: Strategy) -> str:
    """How many calls of its targets a strategy makes."""
    if step.calls is None:
        return "any number of calls"
    calls = "1 call" if step.calls.most == 1 else f"up to {step.calls.most} calls"
    return calls + (", at once" if step.calls.parallel and step.calls.most > 1 else "")


def budget_lines(budget: Budget, plan: Plan) -> list[str]:
    """A budget's limit and what happens on the way to it."""
    per = "" if budget.per is None else f" for each request.{budget.per}"
    limit = text_of(Limit(budget.limit_microusd, budget.period_s))
    return [f"  limit {limit}{per}", *(_threshold(each, plan) for each in budget.thresholds)]


def _threshold(threshold: Threshold, plan: Plan) -> str:
    target = threshold.target
    if target is not None and threshold.action == "degrade":
        target = step_text(plan, target)
    return f"  from {text_of(Share(threshold.share))}: {threshold.action}" + ("" if target is None else f" {target}")


def output_lines(output: Output) -> list[str]:
    schema = "" if output.schema_file is None else f", schema {output.schema_file}"
    again = {0: "fails", 1: "the same model is asked once more"}.get(
        output.retry_times, f"the same model is asked {output.retry_times} times more"
    )
    return [f"  format {output.format}{schema}", f"  when it is broken: {again}"]
