"""All that a plugin author imports: the words a plugin brings, what they get, and what they promise.

A plugin is a module, named by an entry point of the group `mmflow`, with functions marked `@hook` that return words.
`plugins/README.md` leads from nothing to a published plugin.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from math import isfinite
from random import Random
from time import time
from typing import Any, Literal, Protocol, TypeVar

import attrs
import msgspec
import pluggy

from mmflow.options import ClassifierName as ClassifierName
from mmflow.options import File as File
from mmflow.options import MissingSecret as MissingSecret
from mmflow.options import ModelName as ModelName
from mmflow.options import Name as Name
from mmflow.options import OptionError as OptionError
from mmflow.options import Pattern as Pattern
from mmflow.options import ProviderName as ProviderName
from mmflow.options import ScorerName as ScorerName
from mmflow.options import Secret as Secret
from mmflow.options import option as option
from mmflow.options import options as options
from mmflow.patterns import CompiledPattern as CompiledPattern
from mmflow.patterns import PatternError as PatternError
from mmflow.patterns import compile_pattern as compile_pattern
from mmflow.units import Duration as Duration
from mmflow.units import Money as Money
from mmflow.units import Price as Price
from mmflow.units import Rate as Rate
from mmflow.units import Score as Score
from mmflow.units import Share as Share
from mmflow.units import Tokens as Tokens

API_VERSION = 1

ErrorClass = Literal[
    "429", "5xx", "4xx", "timeout", "connect", "overloaded", "content_filter", "context_overflow",
    "invalid_output", "auth", "budget", "blocked", "protocol",
]  # fmt: skip
Finish = Literal["stop", "length", "tool_calls", "content_filter"]
Purpose = Literal["answer", "judge", "classify", "shadow"]
Zone = Literal["own", "external"]
Role = Literal["system", "developer", "user", "assistant", "tool"]


# ---- what travels -----------------------------------------------------------------------------------------------------


class Function(msgspec.Struct, frozen=True):
    """The function of a tool call: its name and its arguments as JSON text."""

    name: str
    arguments: str


class ToolCall(msgspec.Struct, frozen=True):
    """A call that a model asks its caller to make, in the form of chat completions."""

    id: str
    function: Function
    type: Literal["function"] = "function"


class Message(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One turn. `content` is text, a list of parts in the form of chat completions, or None beside tool calls."""

    role: Role
    content: str | tuple[dict[str, Any], ...] | None = None
    name: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        """The text of the content: parts joined by newlines, images left out."""
        if isinstance(self.content, str):
            return self.content
        return "\n".join(str(part.get("text", "")) for part in self.content or () if part.get("type") == "text")


class Request(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, kw_only=True):
    """What a caller asks of a flow. Fields are those of chat completions, with `meta` for the caller's own labels."""

    messages: tuple[Message, ...]
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    tools: tuple[dict[str, Any], ...] = ()
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    user: str | None = None
    language: str | None = None
    meta: dict[str, str] = {}

    @classmethod
    def of(cls, text: str) -> "Request":
        """A request with one user turn."""
        return cls(messages=(Message("user", text),))


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one call, in disjoint counts: what is cached is not in `input`, what is reasoning is not in `output`."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.cached_input_tokens + self.cache_write_tokens + self.output_tokens + self.reasoning_tokens


class Reply(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A provider's whole answer. `usage` is None where the provider reports none: the runtime estimates it and says so."""

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish: Finish = "stop"
    usage: Usage | None = None
    served_model: str | None = None
    request_id: str | None = None
    simulated: bool = False


class Delta(msgspec.Struct, frozen=True, omit_defaults=True):
    """A piece of an answer while it is streamed. `tool_calls` are chunks in the form of chat completions."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()


Emit = Callable[[Delta], Awaitable[None]]
"""Hands a piece to the caller. It waits while the caller is slow; await it, so that nothing piles up."""


class Prices(msgspec.Struct, frozen=True, omit_defaults=True):
    """Micro-dollars for a million tokens of each kind; a kind without a price of its own costs what input or output costs."""

    input: int
    output: int
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


class Timeouts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Bounds of one call in seconds; None is without a bound of its own (the deadline holds in any case)."""

    connect_s: float | None = None
    first_token_s: float | None = None
    idle_s: float | None = None
    total_s: float | None = None


class Model(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A declared model: what is known of it before a call. None is unknown, a price of 0 is free."""

    name: str
    id: str
    provider: str
    zone: Zone = "external"
    region: str | None = None
    family: str | None = None
    prices: Prices | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    first_token_s: float | None = None
    p95_s: float | None = None
    quality: float | None = None
    weight: float = 1.0
    failures: float = 0.0
    capabilities: tuple[str, ...] = ()
    timeouts: Timeouts = Timeouts()


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of one model. `request` has the parameters; `messages` is what is sent (a judge's differ from the request's).

    `contract` is what mmflow holds the answer to, as a `response_format`; `request` says the same where the model can be told.
    """

    model: Model
    messages: tuple[Message, ...]
    request: Request
    max_output_tokens: int | None = None
    purpose: Purpose = "answer"
    timeouts: Timeouts = Timeouts()
    contract: dict[str, Any] | None = None


_WHAT_TO_DO: dict[str, str] = {
    "timeout": "give the provider more time (`timeout`, or `deadline` of the flow), or add a fallback on `timeout`",
    "connect": "check the provider's `url` and that its server runs, or add a fallback on `connect`",
    "protocol": "check that the provider's `url` leads to the API itself, or add a fallback on `protocol`",
    "5xx": "the provider has trouble: add a fallback on `5xx`, or try again later",
    "overloaded": "the provider has trouble: add a fallback on `overloaded`, or try again later",
    "4xx": "check the model's `id` and the parameters of the request",
    "auth": "check the key, and that it may use this model",
    "429": "lower the rate, or add a fallback to another provider",
    "context_overflow": "shorten the request, or route long ones to a model with a larger window",
    "content_filter": "change the request, or add a fallback on `content_filter`",
}


class CallError(Exception):
    """A call that failed, in the language's classes.

    `dispatched` says whether the provider may have begun work: "no" costs nothing and is safe to send again, "maybe" and
    "yes" are charged as estimates. `message` is for people and holds no secret. `help` says what to do; without one, what is
    usual for the class.
    """

    def __init__(
        self,
        error_class: ErrorClass,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        dispatched: Literal["no", "maybe", "yes"] = "yes",
        help: str | None = None,
    ) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s
        self.dispatched = dispatched
        self.help = help or _WHAT_TO_DO.get(error_class)


# ---- what the runtime lends ---------------------------------------------------------------------------------------------


class HttpReply(msgspec.Struct, frozen=True):
    """A whole answer: its status, headers with lower-case names, and its body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class ServerEvent(msgspec.Struct, frozen=True):
    """One server-sent event; `event` is empty where the server names none."""

    data: str
    event: str = ""


class EventStream(Protocol):
    """An open stream of server-sent events, or a whole answer where the server refused (`status` is not 200)."""

    status: int
    headers: Mapping[str, str]

    async def body(self) -> bytes:
        """The whole body, for a status that is not 200."""
        ...

    def events(self) -> AsyncIterator[ServerEvent]:
        """The events as they come. Ends where the connection ends cleanly; `CallError` where it breaks or stalls."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The bytes as they come, for a stream of another form; it ends and fails as `events` does."""
        ...

    def said_nothing(self) -> None:
        """What was read last holds nothing of the answer, such as a sign of life: the bounds on the next piece of it go on."""
        ...


class Http(Protocol):
    """The one way to the network. Faults arrive as `CallError`; sizes, redirects and times are bounded."""

    async def post(self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts) -> HttpReply:
        """Send `body` as JSON and read the whole answer, whatever its status."""
        ...

    def stream(
        self, url: str, body: object, headers: Mapping[str, str], timeouts: Timeouts
    ) -> AbstractAsyncContextManager[EventStream]:
        """Send `body` as JSON and read the answer as server-sent events."""
        ...


OPINION_OUTPUT_TOKENS = 1_024
"""The longest answer that a classifier or a scorer gets from a model that it asks."""


class Ask(Protocol):
    """Asks a declared model on behalf of a classifier or a scorer: guards, money, deadline and record hold for it.

    Each model once for one text or answer, and for at most `OPINION_OUTPUT_TOKENS`: what a request can cost is known before.
    """

    async def __call__(self, model: ModelName, messages: Sequence[Message], *, max_output_tokens: int) -> Reply: ...


class Host(Protocol):
    """What the runtime lends to a plugin for its lifetime."""

    @property
    def http(self) -> Http: ...

    @property
    def random(self) -> Random:
        """The run's randomness; seeded in tests, so use no other."""
        ...

    def provider(self, name: ProviderName) -> "Provider":
        """Another declared provider."""
        ...


# ---- what a plugin promises -----------------------------------------------------------------------------------------------


class Provider(Protocol):
    """Reaches models."""

    async def complete(self, call: Call, emit: Emit | None) -> Reply:
        """Answer a call; with `emit`, hand over each piece as it arrives and still return the whole.

        Raises `CallError` for whatever goes wrong, lets cancellation through, emits nothing after it returns.
        """
        ...


@attrs.frozen
class Guess:
    """A classifier's answer: a label and how sure it is, 0..1."""

    label: str
    confidence: float


class Classifier(Protocol):
    """Sorts a text into one of the declared labels."""

    async def classify(self, text: str, ask: Ask) -> Guess:
        """Any exception means *unsure*."""
        ...


class Scorer(Protocol):
    """Scores an answer."""

    async def score(self, request: Request, reply: Reply, ask: Ask) -> float:
        """0 (useless) to 1 (perfect). Any exception means *unsure*: the answer is not accepted."""
        ...


class Candidate(msgspec.Struct, frozen=True):
    """A member of a tier, and what is known of it now. `p95_s` is measured where there is a measurement, else declared."""

    model: Model
    p95_s: float | None
    cost_microusd: int | None
    in_flight: int = 0


Pick = Callable[[Sequence[Candidate], Random], Sequence[Candidate]]
"""A pure function: the candidates in the order to try them. It may leave some out, never all."""


@attrs.frozen
class Choice:
    """A target of a strategy, and what is known of it now: its p95 and what an answer may cost, None where nobody knows.

    The p95 is measured where there is a measurement, else declared. Of a target with several models, both are the least of any
    that may answer first. A target that stands twice in the list has a number: `mini`, `mini 2`.
    """

    name: str
    p95_s: float | None
    cost_microusd: int | None


@attrs.frozen
class Answered:
    """What a target of a strategy came to."""

    target: str
    reply: Reply


class Run(Protocol):
    """How a strategy gets answers: guards, money, deadline and record hold for whatever it asks."""

    async def call(self, target: str) -> Answered:
        """Ask a target, by its name. Raises `CallError`: what it failed with, or `budget` past the declared calls.

        No target may be asked a second time before the declared calls are enough to ask each so often. Cancel it to stop it:
        what was used until then is settled.
        """
        ...

    async def score(self, scorer: ScorerName, answered: Answered) -> float | None:
        """A declared scorer's score of an answer, 0..1; None where it has none."""
        ...


class Strategy(Protocol):
    """Turns targets into an answer."""

    async def answer(self, targets: Sequence[Choice], request: Request, run: Run) -> Answered:
        """One of the answers that `run.call` gave, or one made from them.

        Raises `CallError` where there is none. What is under way when it returns is cancelled.
        """
        ...


@attrs.frozen
class Calls:
    """A strategy's call summary, from which the compiler knows the worst case; the runtime stops what goes past it.

    `one_of` is `Calls(1)`, all in turn `Calls(n)`, all at once `Calls(n, parallel=True)`, with `n` the number of targets.
    Calls are `staggered` where they may run at a time and do not all begin at once: they may then take as long as one after
    the other.
    """

    most: int
    parallel: bool = False
    staggered: bool = False


class CacheStore(Protocol):
    """Keeps answers. Whatever it raises, or does not say in time, is a miss and never fails a request.

    A key is `SHELF:QUESTION`. Keys with the same shelf may share answers: they are of one plan and flow, of the same people and
    parameters, and of data of the same classes. `SHELF` and `QUESTION` are digests and say nothing of the request.
    """

    async def get(self, key: str, request: Request) -> bytes | None:
        """What was put under the key and is not older than its time to live, else None.

        A semantic store may give what was put for a near question, from the same shelf only.
        """
        ...

    async def put(self, key: str, request: Request, value: bytes, ttl_s: float) -> None:
        """Keep a value under a key for so many seconds."""
        ...


# ---- the words that a plugin brings ----------------------------------------------------------------------------------------

_OptionsT = TypeVar("_OptionsT")


@attrs.frozen
class ProviderWord:
    """`provider x using NAME`: an options class, and what makes a provider from it.

    `stores` tells from the options where it writes what requests and answers say (None: nowhere).
    """

    name: str
    options: type
    make: Callable[[Any, Host], Provider]
    stores: Callable[[Any], str | None] = lambda options: None


@attrs.frozen
class ClassifierWord:
    """`classify x using NAME`: `make` gets the options and the declared labels in their order.

    `labels` tells from the options which labels it can answer (None: any of those declared). `accept` raises `OptionError`
    where options do not go with the declared labels, so that `mmflow check` says so. `pure` promises that the same text, and
    the same answers of the models that it asks, give the same guess, and that nothing else is touched: no clock, no network of
    its own. `most_confident` is the highest confidence that it can give, where that is known from the options and the labels.
    `finds_private_data`: its labels are classes of data, for which guards are due.
    """

    name: str
    options: type
    make: Callable[[Any, tuple[str, ...], Host], Classifier]
    labels: Callable[[Any], tuple[str, ...] | None] = lambda options: None
    accept: Callable[[Any, tuple[str, ...]], None] = lambda options, labels: None
    pure: bool = True
    most_confident: Callable[[Any, tuple[str, ...]], float | None] = lambda options, labels: None
    finds_private_data: bool = False


@attrs.frozen
class ScorerWord:
    """`scorer x using NAME`. `scale` names what the score is: scores of different scales are never compared."""

    name: str
    options: type
    make: Callable[[Any, Host], Scorer]
    scale: Literal["rubric", "probability", "similarity", "check"] = "check"


@attrs.frozen
class PickWord:
    """`pick = NAME` in a tier: a pure order of the members, with one sentence that says which."""

    name: str
    pick: Pick
    doc: str


@attrs.frozen
class StrategyWord:
    """`strategy x using NAME { of = [a, b] }`.

    `calls` gives the call summary from the options and the number of targets; a word without it is opaque: nothing bounds it.
    `first_wins` promises that it takes the first answer that comes: where the caller streams, the first target to begin is
    heard as it goes on, the others are stopped then, and no further one is asked.
    """

    name: str
    options: type
    make: Callable[[Any, Host], Strategy]
    calls: Callable[[Any, int], Calls] | None = None
    first_wins: bool = False


@attrs.frozen
class CacheWord:
    """`cache x using NAME`: what keeps the answers."""

    name: str
    options: type
    make: Callable[[Any, Host], CacheStore]


Word = ProviderWord | ClassifierWord | ScorerWord | PickWord | StrategyWord | CacheWord

hook = pluggy.HookimplMarker("mmflow")
_spec = pluggy.HookspecMarker("mmflow")


class Hooks(Protocol):
    """The functions that a plugin module may define, each marked `@hook`; they are called once and have no side effect."""

    @_spec
    def mmflow_providers(self) -> Iterable[ProviderWord]:
        """The providers that this plugin brings."""
        ...

    @_spec
    def mmflow_classifiers(self) -> Iterable[ClassifierWord]:
        """The classifiers that this plugin brings."""
        ...

    @_spec
    def mmflow_scorers(self) -> Iterable[ScorerWord]:
        """The scorers that this plugin brings."""
        ...

    @_spec
    def mmflow_strategies(self) -> Iterable[PickWord | StrategyWord]:
        """The strategies that this plugin brings: orders of a tier's members, and ways to combine targets."""
        ...

    @_spec
    def mmflow_caches(self) -> Iterable[CacheWord]:
        """The caches that this plugin brings."""
        ...


def error_of_status(status: int, message: str, *, retry_after_s: float | None = None) -> CallError:
    """The `CallError` of an HTTP status that is not a success; the one table of statuses.

    `message` is what the provider said, already without secrets. 529 is Anthropic's "overloaded", 498 Groq's.
    """
    classes: dict[int, ErrorClass] = {
        401: "auth",
        403: "auth",
        408: "timeout",
        429: "429",
        413: "context_overflow",
        498: "overloaded",
        529: "overloaded",
    }
    error_class: ErrorClass = classes.get(status) or ("5xx" if status >= 500 else "4xx" if status >= 400 else "protocol")
    help_: str | None = None
    if status == 404:
        help_ = "check the provider's `url` and the model's `id`"
    if 300 <= status < 400:
        help_ = "redirects are not followed, so that a key never travels: declare the final `url`"
    # What is refused was not run; a server that breaks may have begun.
    dispatched: Literal["no", "maybe"] = "maybe" if error_class in ("5xx", "timeout") else "no"
    return CallError(
        error_class, f"HTTP {status}: {message}", status=status, retry_after_s=retry_after_s, dispatched=dispatched, help=help_
    )


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """How long the server asks to wait: `retry-after-ms`, or `retry-after` in seconds or as a date; None where neither is usable.

    It may ask for years: whoever waits compares it with the time that is left. A date is compared with the server's clock.
    """
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        try:
            wait_s = float(headers.get(name, "")) / per_second
        except ValueError:
            continue
        if isfinite(wait_s) and wait_s >= 0:
            return wait_s
    until, now = _unix_s(headers.get("retry-after", "")), _unix_s(headers.get("date", ""))
    if until is None:
        return None
    return max(0.0, until - (time() if now is None else now))


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _unix_s(date: str) -> float | None:
    """The time of an HTTP date such as `Sun, 06 Nov 1994 08:49:37 GMT`."""
    try:
        _, day, month, year, clock, _ = date.split()
        hour, minute, second = map(int, clock.split(":"))
        return datetime(int(year), _MONTHS.index(month) + 1, int(day), hour, minute, second, tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
