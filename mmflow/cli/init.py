"""`mmflow init`: a first workflow that answers at once, with no key and no network."""

from pathlib import Path

import click

from mmflow.cli.failure import Failure, WrongUse
from mmflow.wording import clause

_WORKFLOW = """\
mmflow 1

## With OPENAI_API_KEY set these models answer; without it, simulated ones do, and say so.
provider openai {
  key = secret("OPENAI_API_KEY")
  without_key = simulate
}

model small {
  provider = openai
  id = "gpt-4o-mini"
}

model large {
  provider = openai
  id = "gpt-4o"
}

## How hard a request is, by features of its text; it asks no model.
classify complexity using heuristic {
  labels = low < medium < high
  confidence = 0.6
  unsure = up
}

scorer long_enough using length { min = 1 }

## The small model first; the large one where the answer is empty.
cascade careful {
  steps = [small, large]
  accept = long_enough >= 0.5
  allow = [late_first_token("an answer is judged before anybody sees it")]
}

flow main {
  deadline = 30s

  when complexity == high -> large
  else -> careful
}
"""

_CONFIGURATION = """\
# Flags of `mmflow`, one section a command. MMFLOW_… variables and the command line win over this file.

[run]
# trace = true    # show each decision on standard error

[check]
# strict = true   # warnings fail too
"""

_FILES = {"workflow.mmf": _WORKFLOW, "mmflow.toml": _CONFIGURATION}


@click.command()
@click.argument("folder", default=".", metavar="[FOLDER]", type=click.Path())
@click.option("--force", is_flag=True, help="Replace files that are there already.")
def command(folder: str, force: bool) -> None:
    """Write workflow.mmf and mmflow.toml into FOLDER (by default this one).

    The workflow runs at once, with simulated answers; with OPENAI_API_KEY set, the models of OpenAI answer it.
    """
    root = Path(folder)
    there = [name for name in _FILES if (root / name).exists()]
    if there and not force:
        names, verb = " and ".join(f"`{root / name}`" for name in there), "is" if len(there) == 1 else "are"
        raise Failure(f"{names} {verb} there already; nothing was written", "replace with `--force`")
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, text in _FILES.items():
            (root / name).write_text(text, encoding="utf-8")
            click.echo(f"{'replaced' if name in there else 'wrote'} {root / name}")
    except FileExistsError as error:
        raise WrongUse(f"`{folder}` is a file, not a folder") from error
    except OSError as error:
        raise Failure(f"`{error.filename or folder}` cannot be written: {clause(error.strerror)}") from error
    click.echo(f'\nNow run:\n  mmflow run {root / "workflow.mmf"} "Why is the sky blue?" --trace')
