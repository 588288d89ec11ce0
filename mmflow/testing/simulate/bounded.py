"""What happened stays below the worst case that `mmflow check` and `mmflow plan` show."""

from collections import Counter
from collections.abc import Iterator

from mmflow.bounds.load import Load
from mmflow.bounds.worst import worst_case
from mmflow.plan import Flow, Limits, Route
from mmflow.runtime.events import ArmTested, CallEnded, RequestEnded
from mmflow.testing.simulate.caller import Caller
from mmflow.testing.simulate.violation import TICK_S
from mmflow.testing.simulate.world import World


class Bounds:
    """The worst cases of the flows of a run, worked out when they are first needed."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._longest = max((each.input_tokens for each in world.callers), default=0)
        self._loads: dict[tuple[str, tuple[tuple[str, int], ...]], Load] = {}

    def bounded(self, caller: Caller) -> Iterator[str]:
        """Calls, dollars and time of a request."""
        if not caller.events:
            return
        load = self._load(caller.flow, self._choices(caller))
        counts = Counter((each.call.model.name, each.call.purpose) for each in caller.asked)
        for (model, purpose), count in counts.items():
            if count > (most := load.calls.get((model, purpose), 0)):
                yield f"`{model}` was asked {count} times ({purpose}), and the bound is {most}"
        if (total := sum(counts.values())) > load.total:
            yield f"{total} calls were made, and the bound is {load.total}"
        cost = sum(each.cost_microusd or 0 for each in caller.events if isinstance(each, CallEnded))
        if caller.is_honest and load.microusd is not None and cost > load.microusd:
            yield f"the calls cost {cost} micro-dollars, and the bound is {load.microusd}"
        took_s = caller.events[-1].at_s - caller.delayed_s
        if self._is_timed and not load.endless and isinstance(caller.events[-1], RequestEnded) and took_s > load.time_s + TICK_S:
            yield f"the request took {took_s:g}s, and the bound is {load.time_s:g}s"

    @property
    def _is_timed(self) -> bool:
        """Whether nothing but calls takes time: no store that is slow, no turn that is waited for."""
        plan = self._world.scene.plan
        return not (
            plan.model_limits or plan.caches or plan.budgets or any(each.limits != Limits() for each in plan.providers.values())
        )

    def _choices(self, caller: Caller) -> tuple[tuple[str, int], ...]:
        """The arms that a request took; a table that was come to and had none that holds is not among them."""
        steps, found = self._world.scene.plan.steps, dict[str, int]()
        for each in caller.events:
            if isinstance(each, ArmTested) and each.holds:
                route = steps[each.path.rpartition("/")[2]]
                assert isinstance(route, Route), "a path of arms ends with their table"
                texts = [arm.text for arm in route.arms]
                found[route.name] = texts.index(each.text) if each.text in texts else len(texts)
        return tuple(sorted(found.items()))

    def _load(self, flow: Flow, choices: tuple[tuple[str, int], ...]) -> Load:
        if (load := self._loads.get((flow.name, choices))) is None:
            longest = self._longest if flow.max_input_tokens is None else min(self._longest, flow.max_input_tokens)
            load = self._loads[flow.name, choices] = worst_case(self._world.scene.plan, flow, dict(choices), longest)
        return load
