"""`mmflow completion`: the script that makes a shell complete commands, flags and files."""

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from mmflow.cli.failure import WrongUse

_SHELLS = ("bash", "zsh", "fish")
_INSTALL = """\b
Put it where the shell finds it:
  bash  mmflow completion bash > ~/.local/share/bash-completion/completions/mmflow
  zsh   mmflow completion zsh > "${fpath[1]}/_mmflow"
  fish  mmflow completion fish > ~/.config/fish/completions/mmflow.fish
"""


@click.command(epilog=_INSTALL)
@click.argument("shell", type=click.Choice(_SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the completion script of SHELL (by default the one that $SHELL names)."""
    shell = shell or Path(os.environ.get("SHELL", "")).name
    completion = get_completion_class(shell)
    if completion is None:
        raise WrongUse("$SHELL names no shell that mmflow knows", "write `mmflow completion bash`, `zsh` or `fish`")
    script = completion(click.get_current_context().find_root().command, {}, "mmflow", "_MMFLOW_COMPLETE")
    click.echo(script.source_template % script.source_vars())
