"""The decision of a run in lines: time, what happened, to whom, and why."""

from collections.abc import Iterable, Iterator

from mmflow.runtime.events import (
    Alerted,
    ArmTested,
    BudgetDegraded,
    CacheFailed,
    CacheHit,
    CacheMissed,
    CacheSkipped,
    CallEnded,
    CallStarted,
    Chosen,
    CoolingDown,
    Degraded,
    Event,
    ExperimentScored,
    Guarded,
    Incapable,
    Judged,
    MovedOn,
    Ordered,
    OutputInvalid,
    OutputRepaired,
    Qualified,
    RequestEnded,
    RequestStarted,
    Retrying,
    RetryRefused,
    Scored,
    SignalRead,
    SplitDrawn,
    StateChanged,
    Waited,
    Waiting,
)
from mmflow.units import MICROUSD_PER_USD


def trace(events: Iterable[Event]) -> list[str]:
    """The decision in lines: time, what happened, to whom, and why. Free of control characters, whatever a model said."""
    lines: list[str] = []
    helped: set[str] = set()
    for event in events:
        lines += [f"{event.at_s:8.3f}s {word:<9} {_printable(text)}" for word, text in _told(event)]
        if isinstance(event, CallEnded | RequestEnded) and event.help is not None and event.help not in helped:
            # The same advice once: a request ends with the error of its last call.
            helped.add(event.help)
            lines.append(f"{'':19} help: {_printable(event.help)}")
    return lines


def _told(event: Event) -> Iterator[tuple[str, str]]:
    match event:
        case RequestStarted():
            yield "request", f"flow {event.flow}, about {event.input_tokens} input tokens"
        case SignalRead():
            took = event.at_s - event.started_at_s
            guess = (
                f"guessed {event.guess} ({event.confidence:.2f})" if event.guess and event.confidence is not None else "no guess"
            )
            why = f"  {guess}, unsure: {event.unsure}" if event.unsure else f"  {guess}"
            yield "signal", f"{event.signal} = {event.label}{why}" + (f"  in {took:.3f}s" if took >= 0.001 else "")
        case ArmTested():
            text = event.text if event.text == "else" else f"when {event.text}"
            because = f"  because {', '.join(event.because)}" if event.because else ""
            where = f"{event.path}: " if "/" in event.path else ""
            yield "yes" if event.holds else "no", f"{where}{text} -> {event.target}{because}"
        case SplitDrawn():
            yield "split", f"{event.path}: bucket {event.bucket} -> {event.target}"
        case Ordered():
            yield "order", f"{event.path} by {event.pick}: {', '.join(event.models)}"
        case Guarded():
            yield "refused", f"{event.model}  {event.path}  by guard {event.guard}: {event.rule}"
        case Incapable():
            yield "left out", f"{event.target}  {event.path}: it takes no {event.lacks}"
        case CallStarted():
            attempt = f", attempt {event.attempt}" if event.attempt > 1 else ""
            purpose = "" if event.purpose == "answer" else f" to {event.purpose}"
            yield "asked", f"{event.model}{purpose}  {event.path}{attempt}"
        case CallEnded():
            yield event.outcome, "  ".join(_call_facts(event))
        case Scored(score=None):
            yield "scored", f"{event.path}: {event.scorer} has no score: {event.message}"
        case Scored():
            yield "scored", f"{event.path}: {event.scorer} = {event.score:.2f}"
        case Judged():
            yield "accepted" if event.accepted else "rejected", f"{event.path}: needs {event.needs}"
        case OutputInvalid():
            where = f" at {event.where}" if event.where else ""
            again = f", {event.tries_left} more to try" if event.tries_left else ""
            yield "invalid", f"{event.path}: not of output {event.output}{where}: {event.message}{again}"
        case OutputRepaired():
            yield "repaired", f"{event.path}: {event.how}"
        case CacheHit():
            age = f", {event.age_s:.3f}s old" if event.age_s >= 0.001 else ""
            yield "cached", f"{event.cache}{age}" + (", after an identical request under way" if event.waited else "")
        case CacheMissed():
            yield "miss", event.cache
        case CacheSkipped():
            yield "no cache", f"{event.cache}: {event.why}"
        case CacheFailed():
            yield "warning", f"{event.cache} cannot be used: {event.message}"
        case Chosen():
            stopped = f"; stopped: {', '.join(event.stopped)}" if event.stopped else ""
            yield "chosen", f"{event.path} by {event.strategy}: {event.target}{stopped}"
        case Retrying():
            yield "retry", f"{event.path} in {event.wait_s:.3f}s, after {event.error_class}"
        case MovedOn():
            yield "next", f"{event.path}: {event.target} -> {event.next}, after {event.reason}"
        case Degraded():
            yield "degraded", f"{event.path}: the best answer so far, of {event.step} ({event.reason})"
        case RetryRefused():
            yield "no retry", f"{event.path}: {event.target} had too many of late for the calls that it gets"
        case CoolingDown(wait_s=float(wait_s)):
            yield "cooling", f"{event.path}: {event.target} goes last for {wait_s:.3f}s, as its provider asked ({event.reason})"
        case CoolingDown():
            yield "cooling", f"{event.path}: {event.target} goes last, it mostly failed of late ({event.reason})"
        case Alerted():
            yield "alert", f"{event.channel}: {event.key}: {_budget(event)}, told from {100 * event.share:g}% on"
        case BudgetDegraded():
            yield "budget", f"{event.budget}: {_budget(event)}; from {100 * event.share:g}% on {event.target} is asked instead"
        case StateChanged():
            yield "warning", event.message
        case Waiting():
            yield "waits", f"{event.model}  {event.path}  for {event.limit}"
        case Waited():
            yield "waited", f"{event.model}  {event.path}  {event.wait_s:.3f}s"
        case Qualified():
            yield "quality", f"{event.path} by {event.scorecard}: {'; '.join(_qualified(event))}"
        case ExperimentScored(score=None):
            yield "measured", f"{event.path}: {event.arm} has no {event.scorer}"
        case ExperimentScored():
            yield "measured", f"{event.path}: {event.arm} has {event.scorer} = {event.score:.2f}"
        case RequestEnded():
            yield event.outcome.removeprefix("stream_"), "  ".join(_end_facts(event))


def _call_facts(call: CallEnded) -> Iterator[str]:
    yield call.model
    if call.error_class is not None:
        yield f"{call.error_class}: {call.message}"
    about = "about " if call.estimated else ""
    if call.outcome != "failed":
        read = call.usage.input_tokens + call.usage.cached_input_tokens + call.usage.cache_write_tokens
        wrote = call.usage.output_tokens + call.usage.reasoning_tokens
        yield f"{about}{read} + {wrote} tokens"
        yield f"{about}{_money(call.cost_microusd)}"
    if call.first_token_at_s is not None:
        yield f"first token after {call.first_token_at_s - call.started_at_s:.3f}s"
    if call.served_model not in (None, call.model_id):
        yield f"served by {call.served_model}"
    if call.simulated:
        yield "simulated"


def _budget(event: Alerted | BudgetDegraded) -> str:
    simulated = f" ({_money(event.simulated_microusd)} of it simulated)" if event.simulated_microusd else ""
    return f"{_money(event.spent_microusd)} of {_money(event.limit_microusd)} spent{simulated}"


def _qualified(event: Qualified) -> Iterator[str]:
    if event.message is not None:
        yield f"not used, {event.message}; what the models declare counts"
    whose = f" for {event.label}" if event.label is not None else ""
    if event.best:
        yield f"none reaches {event.min_quality:.2f}{whose}, {event.models[0]} is the best ({event.quality[event.models[0]]:.2f})"
        return
    kept = (f"{name} ({event.quality[name]:.2f})" if name in event.quality else f"{name} (unknown)" for name in event.models)
    yield f"{', '.join(kept)} for at least {event.min_quality:.2f}{whose}"
    if event.left_out:
        yield "not " + ", ".join(f"{name} ({event.quality[name]:.2f})" for name in event.left_out)


def _end_facts(end: RequestEnded) -> Iterator[str]:
    if end.model is not None:
        yield f"{'would ask ' if end.outcome == 'decided' else ''}{end.model}"
        yield f"{end.path}"
    if end.error_class is not None:
        yield f"{end.error_class}: {end.message}"
    if end.cached:
        yield "cached"
    if end.degraded is not None:
        yield f"degraded: {end.degraded}"
    if end.outcome not in ("decided", "rejected"):
        yield f"total {_money(end.cost_microusd)} in {end.at_s:.3f}s"


def _money(microusd: int | None) -> str:
    return "cost unknown" if microusd is None else "$0" if microusd == 0 else f"${microusd / MICROUSD_PER_USD:.6f}"


def _printable(text: str) -> str:
    """The text with what a terminal would act on, or hide, written out: `\\x1b`, `\\u202e`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
