"""`mmflow explain`: the page of a diagnostic."""

import click

from mmflow.cli.failure import WrongUse
from mmflow.diagnostics import did_you_mean, pages


def _complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    return [code for code in pages.codes() if code.startswith(incomplete)]


@click.command()
@click.argument("code", required=False, shell_complete=_complete)
def command(code: str | None) -> None:
    """Explain the diagnostic CODE, as in `error[unknown-name]`: what it means, and a file with and without it.

    Without CODE, list them all.
    """
    if code is None:
        click.echo("\n".join(pages.codes()))
        return
    name = code.partition("[")[2].rstrip("]:") or code
    name = name.lower().replace("_", "-")
    if name not in pages.codes():
        near = did_you_mean(name, pages.codes())
        raise WrongUse(f"there is no diagnostic `{code}`", f"did you mean `{near}`?" if near else "`mmflow explain` lists them")
    click.echo(pages.page(name).text.rstrip())
