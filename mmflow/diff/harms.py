"""What may be wrong with a change to what flows promise and use: money that is less bound, data that is less guarded."""

from collections.abc import Mapping, Sequence
from typing import Literal

from mmflow.plan import Budget, Cache, Flow, Limits, Plan, Rate, Sla, Test, Threshold
from mmflow.situations import TooMany, outcomes

Harm = Literal["privacy", "cost", "time", "target"]
"""What may be wrong with a change. `privacy`: data can reach a zone or a region that it could not, or others than it could, or a
guard holds for less. `cost`, `time`: it may cost more, or take longer, at worst or by the estimate. `target`: another target, or
the same with other steps."""

Harms = tuple[Harm, ...]

_SCOPES = ("user", "team", "all")

_Labels = Mapping[str, Sequence[str]]


def labels_of(*plans: Plan) -> dict[str, tuple[str, ...]]:
    """The labels of every classifier in any of these plans."""
    found: dict[str, tuple[str, ...]] = {}
    for plan in plans:
        for each in plan.classifiers.values():
            own = (*each.labels, "unsure") if each.unsure == "none" else each.labels
            found[each.name] = tuple(dict.fromkeys((*found.get(each.name, ()), *own)))
    return found


def is_covered(test: Test, others: Sequence[Test], labels: _Labels) -> bool:
    """Whether one of the others holds wherever the test does."""
    if test in others:
        return True
    try:
        return len(others) not in outcomes([*others, test], labels)
    except TooMany:
        return False


def of_guards(old: Plan, new: Plan, before: Sequence[str], after: Sequence[str]) -> Harms:
    """`privacy` where a rule held that does not hold any more, by whatever guard."""
    labels = labels_of(old, new)
    rules = [rule for name in after for rule in new.guards[name].rules]
    lost = (
        rule
        for name in before
        for rule in old.guards[name].rules
        if not is_covered(rule.test, [each.test for each in rules if set(each.needs) <= set(rule.needs)], labels)
    )
    return ("privacy",) if next(lost, None) is not None else ()


def of_cache(old: Plan, new: Plan, before: Cache | None, after: Cache | None) -> Mapping[str, Harms]:
    """By field of the cache, `privacy` where more get what is kept or it is kept elsewhere; `cost` where it is gone."""
    if after is None:
        return {} if before is None else {"": ("cost",)}
    found: dict[str, Harms] = {}
    widest = -1 if before is None else _SCOPES.index(before.scope)
    if _SCOPES.index(after.scope) > max(widest, 0):
        found["scope"] = ("privacy",)
    if after.zone != (None if before is None else before.zone) and after.zone != "own":
        found["zone"] = ("privacy",)
    if before is not None and not all(is_covered(each, after.off, labels_of(old, new)) for each in before.off):
        found["off"] = ("privacy",)
    return found


def of_budget(before: Budget | None, after: Budget | None) -> Mapping[str, Harms]:
    """By field of the budget, `cost` where more may be spent; all of it is meant where it is gone."""
    if before is None:
        return {}
    if after is None:
        return {"": ("cost",)}
    found: dict[str, Harms] = {}
    if after.limit_microusd * before.period_s > before.limit_microusd * after.period_s:
        found["limit"] = ("cost",)
    if after.per != before.per and after.per is not None:
        found["per"] = ("cost",)
    if any(_is_later(each, after.thresholds) for each in before.thresholds if each.action != "alert"):
        found["thresholds"] = ("cost",)
    return found


def _is_later(threshold: Threshold, others: Sequence[Threshold]) -> bool:
    """Whether nothing as strict happens as early any more: to refuse is stricter than to ask another target."""
    strict = ("reject",) if threshold.action == "reject" else ("reject", "degrade")
    return not any(each.action in strict and each.share <= threshold.share for each in others)


def of_sla(before: Sla | None, after: Sla | None) -> Harms:
    """`time` where less is promised."""
    if before is None:
        return ()
    return ("time",) if after is None or after.of != before.of or after.p95_s > before.p95_s else ()


def of_promises(old: Plan, new: Plan, flows: tuple[Flow, Flow]) -> Mapping[str, Harms]:
    """By field of a flow, the harms of how it changed."""
    before, after = flows
    caches = [None if flow.cache is None else plan.caches[flow.cache] for plan, flow in ((old, before), (new, after))]
    budgets = [None if flow.budget is None else plan.budgets[flow.budget] for plan, flow in ((old, before), (new, after))]
    return {
        "guards": of_guards(old, new, before.guards, after.guards),
        "cache": _together(of_cache(old, new, *caches)),
        "budget": _together(of_budget(*budgets)),
        "sla": of_sla(before.sla, after.sla),
        "deadline": ("time",) if after.deadline_s > before.deadline_s else (),
        "max_cost": ("cost",) if _is_looser(before.max_cost_microusd, after.max_cost_microusd) else (),
    }


def of_limits(before: Limits, after: Limits) -> Mapping[str, Harms]:
    """By kind of limit, `time` where less is taken: calls wait for it."""
    rates = {name: (getattr(before, name), getattr(after, name)) for name in ("requests", "tokens")}
    found: dict[str, Harms] = {name: ("time",) for name, pair in rates.items() if _is_slower(*pair)}
    if _is_looser(after.concurrency, before.concurrency):
        found["concurrency"] = ("time",)
    return found


def _is_slower(before: Rate | None, after: Rate | None) -> bool:
    if before is None or after is None:
        return after is not None
    return after.count * before.period_s < before.count * after.period_s


def _is_looser(before: int | None, after: int | None) -> bool:
    return before is not None and (after is None or after > before)


def _together(by_field: Mapping[str, Harms]) -> Harms:
    return tuple(dict.fromkeys(harm for harms in by_field.values() for harm in harms))
