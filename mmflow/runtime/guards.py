"""The guards of a flow while it runs: a model that a rule forbids for this request is refused before anything is sent."""

from collections.abc import Callable

from mmflow.plan import Plan, Rule, meets, signals_of
from mmflow.plugin import CallError, Model, Purpose
from mmflow.runtime.conditions import Facts, truth
from mmflow.runtime.deadline import Bounds
from mmflow.runtime.events import Guarded
from mmflow.runtime.record import Record
from mmflow.runtime.signals import Signals


class Guards:
    """Refuses models for one request."""

    def __init__(
        self, plan: Plan, names: tuple[str, ...], signals: Signals, facts: Callable[[Bounds], Facts], record: Record
    ) -> None:
        self._rules = [(name, rule) for name in names for rule in plan.guards[name].rules]
        self._signals = signals
        self._facts = facts
        self._record = record

    async def check(self, model: Model, path: str, bounds: Bounds, purpose: Purpose) -> None:
        """Raises `CallError` of class `blocked`, which nothing catches, where a rule forbids the model."""
        for guard, rule in self._rules:
            if not meets(model, rule.needs) and await self._applies(rule, bounds, purpose):
                self._record.write(Guarded(at_s=self._record.now(), path=path, model=model.name, guard=guard, rule=rule.text))
                message = f"guard `{guard}` refuses `{model.name}`: {rule.text}"
                raise CallError("blocked", message, dispatched="no", help="route such requests to a model that the guard allows")

    async def allows(self, model: Model, path: str, bounds: Bounds) -> bool:
        """Whether the model may be asked for an answer."""
        try:
            await self.check(model, path, bounds, "answer")
        except CallError:
            return False
        return True

    async def _applies(self, rule: Rule, bounds: Bounds, purpose: Purpose) -> bool:
        if purpose == "classify" and not all(map(self._signals.knows, signals_of(rule.test))):
            # What the request is remains to be seen, perhaps by this very call: until then it counts as guarded.
            return True
        return (await truth(rule.test, self._facts(bounds))).holds
