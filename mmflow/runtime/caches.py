"""The cache of a flow: who may get a kept answer, when none is kept, and that identical requests under way ask once.

Answers are kept whatever the temperature: it is a part of the key, and who wants another answer each time declares no cache.
"""

import asyncio
from asyncio import CancelledError
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Any, TypeVar

import attrs
import msgspec

from mmflow.plan import Cache, Flow, Plan, RequestIs, Slot, fingerprint, meets, signals_of
from mmflow.plugin import CacheStore, Model, Reply, Request
from mmflow.runtime.alarms import Alarms, Timeout, is_cancelled
from mmflow.runtime.conditions import Facts, field_of, truth
from mmflow.runtime.deadline import Bounds
from mmflow.runtime.events import CacheFailed, CacheHit, CacheMissed, CacheSkipped
from mmflow.runtime.outputs import Contract
from mmflow.runtime.plugins import Plugins
from mmflow.runtime.record import Record

STORE_TIMEOUT_S = 2.0
"""How long a cache may take to be read or written: one that is slower is no gain."""

MOST_BYTES = 1_000_000
"""Longer answers are not kept."""

MOST_IN_MEMORY = 10_000

_T = TypeVar("_T")


class Kept(msgspec.Struct, frozen=True, omit_defaults=True):
    """An answer as it is kept: whose it was, and when. `stood_in`: by a simulated provider, for one without its key."""

    reply: Reply
    model: str
    path: str
    at_s: float
    stood_in: bool = False


class Caches:
    """The caches of a plan, for all requests of an executor. `stores` stand in for those of the plan, by name.

    Those `in_memory` forget everything with the executor, and the clock of the loop is theirs; `wall` is that of the others.
    """

    def __init__(
        self,
        plan: Plan,
        plugins: Plugins,
        *,
        stores: Mapping[str, CacheStore] | None,
        in_memory: bool,
        wall: Callable[[], float],
    ) -> None:
        self.plan, self.plugins = plan, plugins
        self.flights: dict[str, _Flight] = {}
        self._stores = dict(stores or {})
        self._in_memory, self._wall = in_memory, wall

    @cached_property
    def fingerprint(self) -> str:
        return fingerprint(self.plan)

    @cached_property
    def reads(self) -> tuple[list[RequestIs], list[str]]:
        """What the plan does with who asks, beside the messages: the comparisons, and the fields that prompts show."""
        parts = list(_within([getattr(self.plan, each) for each in ("steps", "guards", "caches", "prompts")]))
        tests = [each for each in parts if isinstance(each, RequestIs) and _is_of_the_caller(each.field)]
        paths = [
            each.path.removeprefix("request.") for each in parts if isinstance(each, Slot) and each.path.startswith("request.")
        ]
        return list(dict.fromkeys(tests)), sorted({each for each in paths if _is_of_the_caller(each)})

    def store(self, name: str) -> CacheStore:
        """What keeps the answers of a declared cache. `CallError` where it cannot be made."""
        if name not in self._stores:
            self._stores[name] = InMemory() if self._in_memory else self.plugins.cache(name)
        return self._stores[name]

    def now_s(self) -> float:
        """The clock of ages: what is kept on a disk outlives the clock of a loop."""
        return asyncio.get_running_loop().time() if self._in_memory else self._wall()


class InMemory:
    """A store for simulations: bounded, on the clock of the loop."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    async def get(self, key: str, request: Request) -> bytes | None:
        ends_at, value = self._kept.get(key, (0.0, None))
        return value if asyncio.get_running_loop().time() < ends_at else None

    async def put(self, key: str, request: Request, value: bytes, ttl_s: float) -> None:
        self._kept.pop(key, None)
        self._kept[key] = asyncio.get_running_loop().time() + ttl_s, value
        if len(self._kept) > MOST_IN_MEMORY:
            self._kept.popitem(last=False)


class _Flight:
    """A request under way. `kept` is its answer; `is_private`: it has one that nobody else may have."""

    def __init__(self) -> None:
        self.landed = asyncio.Event()
        self.kept: Kept | None = None
        self.is_private = False


@attrs.frozen
class Visit:
    """One request at the cache of its flow."""

    caches: Caches
    cache: Cache
    flow: Flow
    request: Request
    facts: Facts
    bounds: Bounds
    record: Record
    alarms: Alarms
    contract: Contract | None

    async def answered(self, ask: Callable[[], Awaitable[_T]], keep: Callable[[_T], Kept | None]) -> _T | Kept:
        """A kept answer, else what `ask` gives, which is kept as `keep` says (None: not at all). What `ask` raises is raised.

        Of identical requests under way the first asks, and the others wait for it. Where it fails or is cancelled, the next
        one asks. Nobody waits for longer than half of the time that is left: then they ask for themselves.
        """
        if (why := await self._why_not()) is not None:
            self.record.write(CacheSkipped(at_s=self.record.now(), cache=self.cache.name, why=why))
            return await ask()
        key = await self._key()
        flights = self.caches.flights
        now = self.record.clock()
        patience_at = now + self.bounds.left_s(now) / 2
        while (flight := flights.get(key)) is not None:
            await self._wait(flight, patience_at)
            if flight.kept is not None:
                return self._hit(flight.kept, waited=True)
            if flight.is_private or not flight.landed.is_set():
                return await self._asked(key, ask, keep, _Flight())
        flight = flights[key] = _Flight()
        try:
            if (found := await self._get(key)) is not None:
                flight.kept = found
                return self._hit(found)
            return await self._asked(key, ask, keep, flight)
        finally:
            # First away, then landed: who wakes up must not find it again.
            del flights[key]
            flight.landed.set()

    async def _asked(self, key: str, ask: Callable[[], Awaitable[_T]], keep: Callable[[_T], Kept | None], flight: _Flight) -> _T:
        self.record.write(CacheMissed(at_s=self.record.now(), cache=self.cache.name))
        answer = await ask()
        flight.kept = kept = keep(answer)
        flight.is_private = kept is None
        flight.landed.set()
        if kept is not None and len(value := msgspec.json.encode(kept)) <= MOST_BYTES:
            await self._stored(lambda store: store.put(key, self.request, value, self.cache.ttl_s))
        return answer

    async def _wait(self, flight: _Flight, until: float) -> None:
        try:
            with Timeout(self.alarms, until):
                await flight.landed.wait()
        except TimeoutError:
            pass

    def _hit(self, kept: Kept, *, waited: bool = False) -> Kept:
        age_s = 0.0 if waited else max(0.0, self.caches.now_s() - kept.at_s)
        self.record.write(CacheHit(at_s=self.record.now(), cache=self.cache.name, age_s=age_s, waited=waited))
        return kept

    # ---- whether it may be used ---------------------------------------------------------------------------------------------

    async def _why_not(self) -> str | None:
        """Why the cache must not be used for this request; None where it may be."""
        if self.cache.scope != "all" and not self._whose:
            return f"the request has no {self.cache.scope}"
        for test in self.cache.off:
            if (found := await truth(test, self.facts)).holds:
                return f"off, because {', '.join(found.because)}"
        for name in self.flow.guards:
            for rule in self.caches.plan.guards[name].rules:
                if not self._meets(rule.needs) and (await truth(rule.test, self.facts)).holds:
                    return f"guard {name}: {rule.text}"
        return None

    def _meets(self, needs: Any) -> bool:
        """Whether what a rule guards may lie here: in a zone that is known and accepted, for its own user alone."""
        if self.cache.zone is None or self.cache.scope != "user":
            return False
        return meets(Model(name=self.cache.name, id="", provider="", zone=self.cache.zone), needs)

    @property
    def _whose(self) -> str | None:
        match self.cache.scope:
            case "user":
                return self.request.user
            case "team":
                return self.request.meta.get("team")
            case "all":
                return None

    # ---- the key ------------------------------------------------------------------------------------------------------------

    async def _key(self) -> str:
        """The digest of everything but the messages that the answer depends on, and that of the messages."""
        request, caches = self.request, self.caches
        compared, shown = caches.reads
        rules = [rule for name in self.flow.guards for rule in caches.plan.guards[name].rules]
        signals = dict.fromkeys(name for rule in rules for name in signals_of(rule.test))
        shelf = (
            (caches.fingerprint, self.flow.name, self.cache.name, self.cache.scope, self._whose),
            msgspec.structs.replace(request, messages=(), user=None, meta={}),
            [(await truth(test, self.facts)).holds for test in compared],
            [field_of(request, name) for name in shown],
            [(name, (await self.facts.signal(name)).label) for name in signals],
        )
        return f"{_digest(shelf)}:{_digest(request.messages)}"

    # ---- the store ----------------------------------------------------------------------------------------------------------

    async def _get(self, key: str) -> Kept | None:
        value = await self._stored(lambda store: store.get(key, self.request))
        if value is None:
            return None
        try:
            kept = msgspec.json.decode(value, type=Kept)
        except (msgspec.MsgspecError, UnicodeError, TypeError, RecursionError):
            self._failed("what it keeps cannot be read")
            return None
        return kept if self._is_good(kept) else None

    def _is_good(self, kept: Kept) -> bool:
        """Whether an answer is still one: not too old, of a model of the plan, of the contract, and not simulated for nothing."""
        model = self.caches.plan.models.get(kept.model)
        if model is None or self.caches.now_s() - kept.at_s > self.cache.ttl_s:
            return False
        # What the file of a schema says is in no fingerprint.
        if self.contract is not None and not self.contract.is_kept_by(kept.reply):
            return False
        return not kept.stood_in or self.caches.plugins.stands_in(model.provider)

    async def _stored(self, use: Callable[[CacheStore], Awaitable[_T]]) -> _T | None:
        """What a store gives, or None and a warning in the record where it fails or takes too long."""
        timer = Timeout(self.alarms, min(self.bounds.ends_at, self.record.clock() + STORE_TIMEOUT_S))
        try:
            with timer:
                return await use(self.caches.store(self.cache.name))
        except (Exception, SystemExit, CancelledError) as error:  # a cache is a plugin, and never fails a request
            if isinstance(error, CancelledError) and is_cancelled():
                raise
            self._failed(f"it took longer than {STORE_TIMEOUT_S:g}s" if timer.expired else self.caches.plugins.reason(error))
            return None

    def _failed(self, message: str) -> None:
        self.record.write(CacheFailed(at_s=self.record.now(), cache=self.cache.name, message=message))


def _is_of_the_caller(field: str) -> bool:
    return field == "user" or field.startswith("meta.")


def _within(value: object) -> Iterator[object]:
    """Every struct within a value."""
    if isinstance(value, msgspec.Struct):
        yield value
        value = [getattr(value, name) for name in value.__struct_fields__]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from _within(each)


def _digest(value: object) -> str:
    try:
        data = msgspec.json.encode(value)
    except UnicodeEncodeError:  # half of a surrogate pair, which only a program can have put there
        data = repr(value).encode("utf-8", "backslashreplace")
    return blake2b(data, digest_size=20).hexdigest()
