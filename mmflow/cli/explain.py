"""`mmflow explain`: the page of a diagnostic, or the decision of a workflow for a situation."""

import os

import click
import msgspec
from click.shell_completion import CompletionItem

from mmflow.cli.explained import lines_of
from mmflow.cli.failure import WrongUse
from mmflow.cli.given import Situation, situation
from mmflow.cli.inputs import read_input
from mmflow.cli.loop import run_loop
from mmflow.cli.params import set_option
from mmflow.cli.suggest import flows, givens
from mmflow.cli.terminal import say, write_bytes
from mmflow.cli.workflow import Workflow, flow_of, load
from mmflow.diagnostics import did_you_mean, pages
from mmflow.explanation import Explanation, by_declared_numbers, explained, known
from mmflow.plugin import Request
from mmflow.registry import Registry
from mmflow.request import RequestError, decode

_EXAMPLES = """\b
Examples:
  mmflow explain unknown-name
  mmflow explain support.mmf --given task=code --given complexity=low:0.55
  mmflow explain support.mmf "Why is my bill so high?" --given data=public
  mmflow explain support.mmf --given request.tokens=9k --given sonnet_upgrade=sonnet --json
"""


def _complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    codes = [CompletionItem(code) for code in pages.codes() if code.startswith(incomplete)]
    return codes or [CompletionItem(incomplete, type="file")]


@click.command(epilog=_EXAMPLES)
@click.argument("subject", metavar="[CODE | FILE]", required=False, shell_complete=_complete)
@click.argument("input", required=False)
@click.option(
    "-g", "--given", metavar="NAME=VALUE", multiple=True, shell_complete=givens,
    help="Say what holds: a classifier's label (`task=code`, a guess `task=code:0.55`), what a split draws, `request.tokens=9k`.",
)  # fmt: skip
@click.option("-f", "--flow", metavar="NAME", shell_complete=flows, help="The flow, by default the only one, or `main`.")
@click.option("--json/--no-json", help="Print the decision as one JSON object.")
@set_option
def command(
    subject: str | None, input: str | None, given: tuple[str, ...], flow: str | None, json: bool, set: dict[str, str]
) -> None:
    """Explain the diagnostic CODE, as in `error[unknown-name]`, or what the workflow FILE does in a situation.

    Of a FILE: arm by arm, which holds and why, who is asked then and in which order, what guards leave out, and the most that
    it can cost and take. The situation is what `--given` says; with INPUT (a text, `@file`, or `-` for standard input) the
    classifiers read what is not given. No model is asked. What is not known stays open, and every way is shown.

    Without CODE or FILE, list all codes.
    """
    if subject is None:
        click.echo("\n".join(pages.codes()))
    elif _is_file(subject):
        _explain(load(subject, set), flow, input, given, json)
    elif input is not None or given:
        raise WrongUse(f"`{subject}` is not a workflow file", "write `mmflow explain FILE --given NAME=VALUE`")
    else:
        click.echo(_page(subject))


def _is_file(subject: str) -> bool:
    return subject == "-" or subject.endswith((".mmf", ".json")) or os.sep in subject or os.path.isfile(subject)


def _page(code: str) -> str:
    name = code.partition("[")[2].rstrip("]:") or code
    name = name.lower().replace("_", "-")
    if name not in pages.codes():
        near = did_you_mean(name, pages.codes())
        raise WrongUse(f"there is no diagnostic `{code}`", f"did you mean `{near}`?" if near else "`mmflow explain` lists them")
    return pages.page(name).text.rstrip()


def _explain(workflow: Workflow, flow: str | None, input: str | None, given: tuple[str, ...], json: bool) -> None:
    name = flow_of(workflow.plan, flow)
    said = situation(workflow.plan, given)
    found = run_loop(_explained(workflow, name, _request(input), said))
    if json:
        write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    else:
        say("\n".join(lines_of(found, workflow.plan.flows[name])) + "\n")


def _request(input: str | None) -> Request | None:
    if input is None:
        return None
    try:
        return decode(read_input(input)).request
    except RequestError as problem:
        raise WrongUse(problem.message, problem.help) from problem


async def _explained(workflow: Workflow, name: str, request: Request | None, said: Situation) -> Explanation:
    plan, folder, vocabulary = workflow.plan, workflow.folder, Registry.installed()
    flow = plan.flows[name]
    facts = await known(plan, flow, vocabulary, folder, said.given, said.fields, request)
    return explained(plan, flow, facts, by_declared_numbers(plan, flow, vocabulary, folder, facts.tokens), folder)
