"""Which models the guards of a flow surely refuse in given situations: at run time nothing is sent to them."""

from collections.abc import Sequence

from mmflow.plan import Flow, Plan, Rule, meets
from mmflow.situations import Assignment, decide


def refused(plan: Plan, flow: Flow, situations: Sequence[Assignment] | None) -> frozenset[str]:
    """The models that some rule forbids in every one of the situations; none where these are not known."""
    rules = [rule for guard in flow.guards for rule in plan.guards[guard].rules]
    if not rules or not situations:
        return frozenset()
    return frozenset.intersection(*(_refused_in(plan, rules, each) for each in situations))


def _refused_in(plan: Plan, rules: Sequence[Rule], situation: Assignment) -> frozenset[str]:
    sure = [rule for rule in rules if decide(rule.test, situation) is True]
    return frozenset(name for name, model in plan.models.items() if not all(meets(model, rule.needs) for rule in sure))
