"""`mmflow run`: one request, answered by a workflow."""

import sys
from collections.abc import Iterator

import click
import msgspec

from mmflow.cli.failure import Failure, WrongUse
from mmflow.cli.inputs import read_input
from mmflow.cli.loop import run_loop
from mmflow.cli.params import set_option
from mmflow.cli.suggest import flows
from mmflow.cli.terminal import is_terminal, remark, say, say_lines, warn, write_bytes
from mmflow.cli.workflow import Workflow, flow_of, load
from mmflow.options import MissingSecret, Surroundings, build
from mmflow.plugin import Delta, ProviderWord, Request
from mmflow.registry import Registry
from mmflow.report import summary
from mmflow.report import trace as told
from mmflow.request import Asked, RequestError, decode
from mmflow.runtime.cost import dollars
from mmflow.runtime.events import Alerted, CallEnded, Event, RequestEnded, StateChanged
from mmflow.runtime.executor import Executor
from mmflow.runtime.result import Result
from mmflow.runtime.state import StateError, Store
from mmflow.runtime.stores import store_of

_EXAMPLES = """\b
Examples:
  mmflow run workflow.mmf "Why is the sky blue?" --trace
  mmflow run support.mmf @ticket.txt --flow triage --set daily_limit='$10/day'
  git diff | mmflow run review.mmf - --json
  mmflow run support.mmf '{"messages": [{"role": "user", "content": "Hi"}], "user": "u1"}'
"""


@click.command(epilog=_EXAMPLES)
@click.argument("file", metavar="FILE", type=click.Path())
@click.argument("input", required=False)
@click.option("-f", "--flow", metavar="NAME", shell_complete=flows, help="The flow to run, by default the only one, or `main`.")
@set_option
@click.option("--json/--no-json", help="Print one JSON object: the answer, every call and its cost, the decision.")
@click.option("-t", "--trace/--no-trace", help="Show the decision on standard error: arms, signals, calls, scores, cost.")
@click.option("--stream/--no-stream", help="Print the answer piece by piece as it comes.")
@click.option(
    "--state",
    metavar="FILE|URL",
    help="Where budgets are kept, a file or redis://…; else MMFLOW_STATE, else your own folder for state.",
)
@click.option("--dry-run/--no-dry-run", help="Classify and route, call no model, and print the decision.")
def command(
    file: str,
    input: str | None,
    flow: str | None,
    set: dict[str, str],
    json: bool,
    trace: bool,
    stream: bool,
    state: str | None,
    dry_run: bool,
) -> None:
    """Answer INPUT by the workflow FILE, or by a plan that was saved.

    INPUT is the text itself, `@file`, or `-` for standard input, which is also read when something is piped. JSON with
    `messages` is taken as a whole request, in the form of chat completions.

    The answer goes to standard output, everything else to standard error. The exit code is 1 where there is no answer, 2 for
    wrong use.
    """
    if json and stream:
        raise WrongUse(
            "`--json` prints one object and `--stream` pieces: they exclude each other", "leave out one, or add `--no-stream`"
        )
    if file == "-" and input in (None, "-"):
        raise WrongUse("standard input cannot be both the workflow and the input", "give INPUT as an argument or as `@file`")
    workflow = load(file, set)
    asked = _asked(read_input(input))
    if flow is None and asked.model is not None and asked.model not in workflow.plan.flows:
        raise WrongUse(
            f"the request asks for the model `{asked.model}`, which is no flow of `{file}`",
            "leave out `model`: the workflow chooses it; or name a flow there",
        )
    name = flow_of(workflow.plan, flow or asked.model)
    streams = (stream or asked.stream) and not json and not dry_run
    events: list[Event] = []
    try:
        result = run_loop(_result(workflow, name, asked.request, streams, dry_run, state, events))
        _print(result, json, dry_run, streams)
    finally:
        if trace and _is_whole(events):
            say_lines(told(events))
    for each in result.events:
        if isinstance(each, StateChanged) and result.ended.outcome in ("served", "decided"):
            warn(each.message)
        if isinstance(each, Alerted):
            spent = f"{dollars(each.spent_microusd)} of {dollars(each.limit_microusd)} spent"
            warn(f"budget `{each.key}`: {spent} (alert at {100 * each.share:g}%, for {each.channel})")
    for note in _notes(workflow, result):
        remark(note)
    if result.ended.outcome not in ("served", "decided"):
        raise _failure(result)


def _asked(text: str) -> Asked:
    try:
        return decode(text)
    except RequestError as problem:
        raise WrongUse(problem.message, problem.help) from problem


async def _result(
    workflow: Workflow, flow: str, request: Request, streams: bool, dry_run: bool, state: str | None, events: list[Event]
) -> Result:
    """Run the request; `events` fills as it runs, so that they can be shown where it is cancelled."""
    store = _store(workflow, state)
    executor = Executor(workflow.plan, Registry.installed(), folder=workflow.folder, state=store)
    try:
        if dry_run:
            return await executor.decide(flow, request, observe=events.append)
        if not streams:
            return await executor.run(flow, request, observe=events.append)
        pieces = _Pieces()
        try:
            return await executor.run(flow, request, pieces.emit, observe=events.append)
        finally:
            pieces.end()
    finally:
        await executor.close()


def _store(workflow: Workflow, state: str | None) -> Store | None:
    try:
        return store_of(workflow.plan, state)
    except StateError as problem:
        raise Failure(problem.message, problem.help) from problem


class _Pieces:
    """Writes an answer to standard output as it comes, and ends its last line."""

    def __init__(self) -> None:
        self._last = ""

    async def emit(self, piece: Delta) -> None:
        if piece.text:
            say(piece.text)
            self._last = piece.text[-1]

    def end(self) -> None:
        if self._last not in ("", "\n"):
            say("\n")
            self._last = ""


def _print(result: Result, json: bool, dry_run: bool, streamed: bool) -> None:
    text = result.reply.text if result.reply else ""
    if json:
        write_bytes(_document(result))
    elif dry_run:
        for line in told(result.events):
            say(f"{line}\n")
    elif text and not streamed:
        say(text if text.endswith("\n") else f"{text}\n")


def _document(result: Result) -> bytes:
    """The summary of the run; one line, indented for a person."""
    encoded = msgspec.json.encode(summary(result.reply, result.events))
    return (msgspec.json.format(encoded, indent=2) if is_terminal(sys.stdout) else encoded) + b"\n"


def _is_whole(events: list[Event]) -> bool:
    return bool(events) and isinstance(events[-1], RequestEnded)


# ---- what is worth knowing of a run ---------------------------------------------------------------------------------------


def _failure(result: Result) -> Failure:
    """Why there is no answer, with the model that failed last where it is to blame."""
    ended = result.ended
    message = ended.message or f"the request was {ended.outcome}"
    last = next((each for each in reversed(result.events) if isinstance(each, CallEnded)), None)
    if last is not None and last.message == ended.message:
        message = f"no answer from `{last.model}`: {message}"
    return Failure(message, ended.help)


def _notes(workflow: Workflow, result: Result) -> Iterator[str]:
    simulated = {each.provider for each in result.events if isinstance(each, CallEnded) and each.simulated}
    if result.cached and result.reply and result.reply.simulated and result.ended.model:
        simulated.add(workflow.plan.models[result.ended.model].provider)
    yield from dict.fromkeys(_why_simulated(workflow, name) for name in sorted(simulated))
    if result.ended.degraded == "budget":
        yield "the budget put another step in the place of the flow's own"
    elif result.ended.degraded:
        yield f"no answer was accepted; this is the best one ({result.ended.degraded})"
    if result.reply and result.reply.finish == "length":
        yield "the answer is cut off: it reached the limit of output tokens"
    if result.reply and result.reply.tool_calls:
        names = ", ".join(f"`{each.function.name}`" for each in result.reply.tool_calls)
        yield f"the model asks for a call of {names}; `--json` shows it"


def _why_simulated(workflow: Workflow, name: str) -> str:
    provider = workflow.plan.providers[name]
    word = Registry.installed().find("provider", provider.word)
    try:
        if isinstance(word, ProviderWord):
            build(word.options, provider.options, Surroundings(workflow.folder))
    except MissingSecret as missing:
        return f"{missing.name} is not set: answers are simulated"
    return f"answers of `{name}` are simulated"
