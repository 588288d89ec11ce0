"""What changes for the requests of a flow between two versions of it: situation by situation."""

from collections.abc import Hashable, Iterator, Sequence

import msgspec

from mmflow.bounds import Bound, Place
from mmflow.bounds.cases import least_tokens
from mmflow.bounds.names import arm_texts, target_text
from mmflow.bounds.refused import refused
from mmflow.bounds.rows import bound_of
from mmflow.bounds.walk import Choices
from mmflow.bounds.ways import MAX_WAYS, TOKENS, Domains, Way, domains_between, in_words, most_tokens, ways
from mmflow.bounds.worst import worst_case
from mmflow.diff.definitions import FieldChange, field_changes
from mmflow.diff.harms import Harm, Harms, of_promises
from mmflow.diff.shapes import Shapes
from mmflow.plan import Flow, Plan
from mmflow.situations import Assignment, TooMany
from mmflow.units import Duration, Money, Rate, Tokens, text_of


class Side(msgspec.Struct, frozen=True, kw_only=True):
    """What happens in one of the versions. The target is None where `max_input` turns the request away."""

    arms: tuple[str, ...]
    target: str | None
    bound: Bound | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What changes in some situations (in words; empty: any, None: too many to tell)."""

    situations: tuple[str, ...] | None
    before: Side
    after: Side
    harms: tuple[Harm, ...]


class FlowChange(msgspec.Struct, frozen=True, kw_only=True):
    """What changes in a flow: its promises, and what its requests come to."""

    flow: str
    promises: tuple[FieldChange, ...]
    changes: tuple[Change, ...]


def flow_change(old: Plan, new: Plan, flows: tuple[Flow, Flow]) -> FlowChange:
    """The changes between two versions of a flow; empty where it behaves the same."""
    promises = field_changes(_promises(flows[0]), _promises(flows[1]), harms=of_promises(old, new, flows))
    return FlowChange(flow=flows[1].name, promises=tuple(promises), changes=tuple(_changes(old, new, flows)))


def _promises(flow: Flow) -> dict[str, object]:
    """The promises by their names in the file."""
    most = {"max_input": flow.max_input_tokens, "max_output": flow.max_output_tokens}
    typed = {name: None if value is None else Tokens(value) for name, value in most.items()}
    cost = None if flow.max_cost_microusd is None else Money(flow.max_cost_microusd)
    sla = None if flow.sla is None else f"p95 {text_of(Duration(flow.sla.p95_s))} of {flow.sla.of}"
    traffic = None if flow.traffic is None else text_of(Rate(flow.traffic.count, flow.traffic.period_s))
    used = {"budget": flow.budget, "cache": flow.cache, "prompt": flow.prompt, "output": flow.output}
    return {
        "deadline": Duration(flow.deadline_s),
        **typed,
        "max_cost": cost,
        "sla": sla,
        "traffic": traffic,
        "guards": sorted(flow.guards),
        **used,
    }


def harms_of(before: Side, after: Side, is_other_target: bool) -> Harms:
    """What may be wrong with going from one to the other."""
    found: list[Harm] = []
    if new_places(before.bound.places if before.bound else (), after.bound.places if after.bound else ()):
        found.append("privacy")
    if before.bound and after.bound:
        if _costs_more(before.bound, after.bound):
            found.append("cost")
        if _takes_longer(before.bound, after.bound):
            found.append("time")
    return (*found, "target") if is_other_target else tuple(found)


def new_places(before: Sequence[Place], after: Sequence[Place]) -> tuple[str, ...]:
    """The zones and regions that data could not reach; own machines are none where it could leave them already."""
    known = set(map(str, before))
    leaves = any(each.zone == "external" for each in before)
    return tuple(dict.fromkeys(str(each) for each in after if str(each) not in known and not (each.zone == "own" and leaves)))


def _costs_more(before: Bound, after: Bound) -> bool:
    old, new = before.cost, after.cost
    amounts = [(old.worst_microusd, new.worst_microusd), (old.calls_microusd, new.calls_microusd)]
    if old.per_token is None or new.per_token is None:
        return new.per_token is None and old.per_token is not None
    amounts += [(getattr(old.per_token, each), getattr(new.per_token, each)) for each in ("input", "output", "fixed_microusd")]
    return any(one is not None and (other is None or other > one) for one, other in amounts)


def _takes_longer(before: Bound, after: Bound) -> bool:
    times = [(before.time.worst_s, after.time.worst_s), (before.estimated_p95_s, after.estimated_p95_s)]
    times.append((before.estimated_first_token_s, after.estimated_first_token_s))
    return any(one is not None and other is not None and other > one for one, other in times)


# ---- situation by situation ---------------------------------------------------------------------------------------------------

_Taken = tuple[tuple[str, int], ...] | None
"""The arms that are taken, by table; None where the request is turned away."""

_Groups = dict[tuple[_Taken, _Taken], list[Assignment]]


def _changes(old: Plan, new: Plan, flows: tuple[Flow, Flow]) -> Iterator[Change]:
    domains = domains_between((old, flows[0]), (new, flows[1]))
    shapes = Shapes()
    is_told = True
    try:
        groups = _groups(old, new, flows, domains)
    except TooMany:
        # No arm is chosen: both versions stand for all of theirs, at their worst.
        groups, is_told = {((), ()): [{}]}, False
    found: dict[Hashable, tuple[Side, Side, bool, list[Assignment]]] = {}
    for (taken_before, taken_after), situations in groups.items():
        most = _longest(situations, domains)
        before, shape_before = _side(old, flows[0], taken_before, situations, most, shapes)
        after, shape_after = _side(new, flows[1], taken_after, situations, most, shapes)
        is_other = shape_before != shape_after
        if is_other or _measures(before.bound) != _measures(after.bound):
            key = (shape_before, shape_after, before, after)
            found.setdefault(key, (before, after, is_other, []))[3].extend(situations)
    for before, after, is_other, situations in found.values():
        words = in_words(situations, domains) if is_told else None
        yield Change(situations=words, before=before, after=after, harms=harms_of(before, after, is_other))


def _measures(bound: Bound | None) -> Hashable:
    """A bound without the reasons for it, which name declarations."""
    if bound is None:
        return None
    cost, time = bound.cost, bound.time
    money = (cost.worst_microusd, cost.calls_microusd, cost.per_token)
    seconds = (time.worst_s, time.calls_s, bound.estimated_p95_s, bound.estimated_first_token_s)
    return bound.calls, frozenset(bound.calls_by_model), money, seconds, bound.places


def _groups(old: Plan, new: Plan, flows: tuple[Flow, Flow], domains: Domains) -> _Groups:
    """The situations that both versions together tell apart, by the arms that they take in each."""
    groups: _Groups = {}
    count = 0
    # Where they turn away requests of different lengths, the length counts though no arm reads it.
    lengths = domains[TOKENS] if flows[0].max_input_tokens != flows[1].max_input_tokens else ()
    for first in ways(old, flows[0].step, domains):
        for second in ways(new, flows[1].step, domains, first.values):
            is_open = lengths and TOKENS not in second.values
            for values in [{**second.values, TOKENS: length} for length in lengths] if is_open else [second.values]:
                count += 1
                if count > MAX_WAYS:
                    raise TooMany
                key = (_taken(flows[0], first, values, domains), _taken(flows[1], second, values, domains))
                if key != (None, None):
                    groups.setdefault(key, []).append(values)
    return groups


def _taken(flow: Flow, way: Way, values: Assignment, domains: Domains) -> _Taken:
    tokens = values.get(TOKENS)
    if flow.max_input_tokens is not None and isinstance(tokens, int) and domains[TOKENS][0] != tokens > flow.max_input_tokens:
        return None
    return tuple(way.choices.items())


def _longest(situations: Sequence[Assignment], domains: Domains) -> int | None:
    lengths = [most_tokens(each, domains) for each in situations]
    return None if None in lengths else max(each for each in lengths if each is not None)


def _side(
    plan: Plan, flow: Flow, taken: _Taken, situations: Sequence[Assignment], most: int | None, shapes: Shapes
) -> tuple[Side, int | None]:
    if taken is None:
        return Side(arms=(), target=None, bound=None), None
    choices: Choices = dict(taken)
    longest = least_tokens(most, flow.max_input_tokens)
    load = worst_case(plan, flow, choices, longest, refused=refused(plan, flow, situations))
    bound = bound_of(plan, flow, load, choices)
    side = Side(arms=arm_texts(plan, choices), target=target_text(plan, flow.step, choices), bound=bound)
    return side, shapes.of(plan, flow.step, choices)
