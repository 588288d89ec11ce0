"""The `mmflow` command: its verbs, each imported only when it is used, and the form of its errors."""

import importlib
import os
from typing import Any

import click

from mmflow import __version__
from mmflow.cli.failure import INTERRUPTED, WRONG_USE, Failure, WrongUse
from mmflow.cli.terminal import complain
from mmflow.cli.usage import explained

# Verb → its line in the help. Each is `command` in the module of its name.
SECTIONS: dict[str, dict[str, str]] = {
    "Run": {
        "init": "Write a first workflow that runs at once.",
        "run": "Answer a request by a workflow.",
    },
    "Understand": {
        "check": "Find what is wrong with workflow files.",
        "doctor": "Ask every declared model, and say what keeps one from answering.",
        "diff": "Show what changes for requests between two versions.",
        "explain": "Explain a diagnostic, or the decision of a workflow.",
        "fmt": "Put workflow files into the canonical layout.",
        "graph": "Draw what a request can reach.",
        "models": "List the known models by price, and compare them.",
        "plan": "Show what a workflow compiles to.",
        "simulate": "Run whole flows under random faults, and check what must hold.",
        "test": "Run the tests that stand in workflow files.",
    },
    "Install": {
        "completion": "Print the completion script of a shell.",
        "plugin": "Begin a plugin of your own.",
        "plugins": "List the installed plugins and what they provide.",
    },
}
VERBS = {verb: help for verbs in SECTIONS.values() for verb, help in verbs.items()}

EXAMPLES = """\b
Examples:
  mmflow init
  mmflow run workflow.mmf "What is the capital of France?"
  cat ticket.txt | mmflow run support.mmf - --trace
  mmflow check *.mmf
"""


class Verbs(click.Group):
    """A group whose commands are modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = importlib.import_module(f"mmflow.cli.{cmd_name}").command
        for option in flags_of(command).values():
            option.show_envvar = True
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0].endswith((".mmf", ".json")):
            raise WrongUse(f"`{args[0]}` is a file, not a command", f"write `mmflow run {args[0]}` or `mmflow check {args[0]}`")
        if args[0] not in VERBS and not args[0].startswith("-"):
            raise click.exceptions.NoSuchCommand(args[0], possibilities=VERBS, ctx=ctx)
        ctx.meta["mmflow.arguments"] = args[1:]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for section, verbs in SECTIONS.items():
            with formatter.section(section):
                formatter.write_dl(sorted(verbs.items()))


def flags_of(command: click.Command) -> dict[str, click.Option]:
    """The flags of a command that a variable or a configuration file may set, by name."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    return {each.name: each for each in options if each.name and not each.is_eager and not each.hidden}


@click.group(
    cls=Verbs,
    epilog=EXAMPLES,
    context_settings={"auto_envvar_prefix": "MMFLOW", "help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--config", metavar="FILE", show_envvar=True, help="Read the configuration from this file; search for none.")
@click.version_option(__version__, "-V", "--version", message="mmflow %(version)s", help="Print the version.")
@click.pass_context
def cli(context: click.Context, config: str | None) -> None:
    """Route each request to the right model: `.mmf` workflows, checked before they run.

    Flags are also read from MMFLOW_… variables and from mmflow.toml, or [tool.mmflow] in pyproject.toml, in this folder or
    one above; flags win over variables, variables over files. Secrets may stand in .env beside that file.
    """
    arguments: list[str] = context.meta["mmflow.arguments"]
    verb = context.invoked_subcommand
    asks_for_help = bool({"-h", "--help"} & set(arguments[: arguments.index("--") if "--" in arguments else None]))
    # Help, and what has no flags, works beside a configuration that is broken.
    if verb is None or asks_for_help or not _flags_of_verb(verb):
        return
    from mmflow.cli.config import configure  # not on the way to `--help`

    configure(context, verb, config, VERBS, _flags_of_verb)


def _flags_of_verb(verb: str) -> dict[str, click.Option]:
    return flags_of(importlib.import_module(f"mmflow.cli.{verb}").command)


def dispatch(arguments: list[str]) -> int:
    """Run a command and return its exit code; what is wrong with its use is told on standard error."""
    if "_MMFLOW_COMPLETE" in os.environ:
        cli.main(arguments, prog_name="mmflow")  # answers the shell and leaves
    try:
        with cli.make_context("mmflow", list(arguments)) as context:
            code: Any = cli.invoke(context)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.message, err=True)
        return WRONG_USE
    except click.Abort:
        return INTERRUPTED
    except click.UsageError as error:
        complain(*explained(error))
        return WRONG_USE
    except Failure as failure:
        if failure.message:
            complain(failure.message, failure.help)
        return failure.code
