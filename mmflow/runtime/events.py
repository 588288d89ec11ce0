"""What the executor says: the only record of a run, from which trace, cost and report are folded.

`at_s` is seconds since the request came in, on the executor's clock. Paths name steps from the flow down:
`support/answer/step 2/mini`.
"""

from typing import Literal

import msgspec

from mmflow.plugin import ErrorClass, Purpose, Usage

CallOutcome = Literal["answered", "failed", "uncertain", "cancelled"]
RequestOutcome = Literal["served", "failed", "rejected", "cancelled", "stream_broken", "decided"]
"""`rejected` before any call, `stream_broken` after the first byte, `decided` by a dry run, whose model was not asked."""


class _Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Nothing in an event leads back to it, so that the collector need not look at it."""

    at_s: float


class RequestStarted(_Event, frozen=True, kw_only=True, tag="request_started"):
    """A request came in; `at_unix_s` is the wall clock."""

    request_id: str
    flow: str
    plan: str
    at_unix_s: float
    input_tokens: int
    """Estimated from the text."""


class SignalRead(_Event, frozen=True, kw_only=True, tag="signal_read"):
    """A classifier was asked: its guess, and the label that the arms see.

    `unsure` says why the guess was not taken as it was: `confidence 0.55 < 0.80`, `failed: …`, `timed out`; None if it was.
    """

    signal: str
    label: str
    guess: str | None
    confidence: float | None
    unsure: str | None
    started_at_s: float


class ArmTested(_Event, frozen=True, kw_only=True, tag="arm_tested"):
    """An arm of a route was tried. `because` has the facts that decided it, as text: `complexity = high (0.92)`."""

    path: str
    text: str
    holds: bool
    because: tuple[str, ...]
    target: str


class SplitDrawn(_Event, frozen=True, kw_only=True, tag="split_drawn"):
    """A split chose a slice by bucket 0..9999."""

    path: str
    bucket: int
    target: str


class Ordered(_Event, frozen=True, kw_only=True, tag="ordered"):
    """A tier put its members in order."""

    path: str
    pick: str
    models: tuple[str, ...]


class Guarded(_Event, frozen=True, kw_only=True, tag="guarded"):
    """A guard refused a model: nothing was sent to it. `rule` is as written."""

    path: str
    model: str
    guard: str
    rule: str


class Incapable(_Event, frozen=True, kw_only=True, tag="incapable"):
    """A target is not asked, for its models are known to lack what the request needs: `images` or `tools`."""

    path: str
    target: str
    lacks: str


class CallStarted(_Event, frozen=True, kw_only=True, tag="call_started"):
    """A model is asked. `call` counts from 1 within the request."""

    call: int
    path: str
    model: str
    provider: str
    purpose: Purpose
    attempt: int


class CallEnded(_Event, frozen=True, kw_only=True, tag="call_ended"):
    """A call is over. Tokens are the provider's unless `estimated`; `cost_microusd` is None where the price is unknown.

    `answered` may still be rejected by a scorer (see `Scored`); `uncertain` failed after the provider may have begun.
    """

    call: int
    path: str
    model: str
    provider: str
    purpose: Purpose
    attempt: int
    outcome: CallOutcome
    started_at_s: float
    first_token_at_s: float | None = None
    usage: Usage = Usage()
    estimated: bool = False
    cost_microusd: int | None = None
    error_class: ErrorClass | None = None
    message: str | None = None
    help: str | None = None
    served_model: str | None = None
    model_id: str = ""
    """What the provider was asked for, to compare with `served_model`."""
    request_id: str | None = None
    simulated: bool = False


class Scored(_Event, frozen=True, kw_only=True, tag="scored"):
    """A scorer judged an answer: `score` is None where it failed, and `message` says why."""

    path: str
    scorer: str
    score: float | None
    message: str | None = None


class Judged(_Event, frozen=True, kw_only=True, tag="judged"):
    """A cascade took the answer of a step, or did not; `needs` is the condition as written."""

    path: str
    accepted: bool
    needs: str


class OutputInvalid(_Event, frozen=True, kw_only=True, tag="output_invalid"):
    """An answer broke the output contract: what is wrong, and `where` in its JSON (`$.items[2].name`), empty for the whole.

    The same model is asked again where tries are left.
    """

    path: str
    model: str
    output: str
    message: str
    where: str = ""
    tries_left: int = 0


class OutputRepaired(_Event, frozen=True, kw_only=True, tag="output_repaired"):
    """An answer was of the contract once something around it was taken away."""

    path: str
    model: str
    output: str
    how: str


class CacheHit(_Event, frozen=True, kw_only=True, tag="cache_hit"):
    """The answer was kept: no model is asked. `waited`: an identical request was under way, and its answer was waited for."""

    cache: str
    age_s: float
    waited: bool = False


class CacheMissed(_Event, frozen=True, kw_only=True, tag="cache_missed"):
    """The cache was asked and has no answer to this request."""

    cache: str


class CacheSkipped(_Event, frozen=True, kw_only=True, tag="cache_skipped"):
    """The cache must not be used for this request."""

    cache: str
    why: str


class CacheFailed(_Event, frozen=True, kw_only=True, tag="cache_failed"):
    """The cache could not be read or written. The request goes on without it."""

    cache: str
    message: str


class Chosen(_Event, frozen=True, kw_only=True, tag="chosen"):
    """A strategy takes a target's answer. `strategy` is its word; `stopped` are the targets that were still being asked."""

    path: str
    strategy: str
    target: str
    stopped: tuple[str, ...] = ()


class Retrying(_Event, frozen=True, kw_only=True, tag="retrying"):
    """The same step will be tried again after `wait_s`."""

    path: str
    wait_s: float
    error_class: ErrorClass


class MovedOn(_Event, frozen=True, kw_only=True, tag="moved_on"):
    """A step failed, and the next one is tried."""

    path: str
    target: str
    next: str
    reason: str


class Degraded(_Event, frozen=True, kw_only=True, tag="degraded"):
    """A cascade returns the best answer it has, not an accepted one: `deadline`, or `failed` where the later steps failed."""

    path: str
    reason: Literal["deadline", "failed"]
    step: str


class RetryRefused(_Event, frozen=True, kw_only=True, tag="retry_refused"):
    """A target is not tried again: there were too many retries of it of late for the calls that it gets."""

    path: str
    target: str


class CoolingDown(_Event, frozen=True, kw_only=True, tag="cooling_down"):
    """A target that mostly failed of late, with `reason` at last, is put behind those that may answer.

    `wait_s`: its provider asked to be left alone for so much longer; None where it did not.
    """

    path: str
    target: str
    reason: ErrorClass
    wait_s: float | None = None


class Alerted(_Event, frozen=True, kw_only=True, tag="alerted"):
    """A share of a budget was reached: told once in a period to the channel that the file names. `key`: whose budget it is."""

    budget: str
    key: str
    channel: str
    share: float
    spent_microusd: int
    limit_microusd: int
    renews_at_unix_s: int
    simulated_microusd: int = 0
    """How much of what is spent was simulated for want of a key, in this process: nobody pays for it."""


class BudgetDegraded(_Event, frozen=True, kw_only=True, tag="budget_degraded"):
    """A budget put a step in the place of the flow's own, as it says for this share."""

    budget: str
    share: float
    target: str
    spent_microusd: int
    limit_microusd: int
    simulated_microusd: int = 0
    """As in `Alerted`."""


class StateChanged(_Event, frozen=True, kw_only=True, tag="state_changed"):
    """The state that several processes share went away, refuses, or answers again: told once, whoever comes first."""

    message: str


class Waiting(_Event, frozen=True, kw_only=True, tag="waiting"):
    """A call waits for its turn: `limit` is what holds it back, `requests = 500/min of provider openai`."""

    path: str
    model: str
    limit: str


class Waited(_Event, frozen=True, kw_only=True, tag="waited"):
    """A call had its turn after `wait_s`."""

    path: str
    model: str
    wait_s: float


class Qualified(_Event, frozen=True, kw_only=True, tag="qualified"):
    """A tier looked its members up in a scorecard: those in `models` go on, `left_out` are below `min_quality`.

    `label` is of the request, `quality` has what is known by model. `best`: none reaches the bar, and the best one goes on.
    `message` says why the scorecard could not be used; then the quality is what the models declare.
    """

    path: str
    scorecard: str
    label: str | None
    min_quality: float
    models: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    quality: dict[str, float] = {}
    best: bool = False
    message: str | None = None


class ExperimentScored(_Event, frozen=True, kw_only=True, tag="experiment_scored"):
    """The metric of an experiment judged the answer of an arm: `score` is None where it could not."""

    path: str
    experiment: str
    arm: str
    model: str
    scorer: str
    score: float | None


class RequestEnded(_Event, frozen=True, kw_only=True, tag="request_ended"):
    """The request is over. `model` and `path` are of the answer that was served.

    `cost_microusd` is the sum over all calls, rejected ones included; None where the cost of one is unknown.
    """

    outcome: RequestOutcome
    model: str | None = None
    path: str | None = None
    cost_microusd: int | None = None
    error_class: ErrorClass | None = None
    message: str | None = None
    help: str | None = None
    degraded: str | None = None
    cached: bool = False
    """The answer is of an earlier request: `model` and `path` are those that it came from."""


Event = (
    RequestStarted | SignalRead | ArmTested | SplitDrawn | Ordered | Guarded | Incapable | CallStarted | CallEnded | Scored
    | Judged | OutputInvalid | OutputRepaired | CacheHit | CacheMissed | CacheSkipped | CacheFailed | Retrying | MovedOn
    | Degraded | Chosen | RetryRefused | CoolingDown | Alerted | BudgetDegraded | StateChanged | Waiting | Waited | Qualified
    | ExperimentScored | RequestEnded
)  # fmt: skip
