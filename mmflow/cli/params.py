"""`--set param=value`: merged by name over every source, so that one on the command line does not hide the others."""

import os
import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import click

from mmflow.cli.suggest import settings

_F = TypeVar("_F", bound=Callable[..., Any])


class _Setting(click.ParamType[str]):
    name = "param=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        name, equals, _ = value.partition("=")
        if not equals or not all(part.isidentifier() for part in name.strip().split(".")):
            self.fail(f"expected `param=value`, got `{value}`", param, ctx)
        return str(value)

    def split_envvar_value(self, rv: str) -> list[str]:
        try:
            return shlex.split(rv)
        except ValueError as error:
            raise click.BadParameter(f"{error} in the environment variable") from error


def _merged(context: click.Context, param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    variable = os.environ.get(f"{context.auto_envvar_prefix}_SET", "")
    sources = ((context.default_map or {}).get("set", ()), _Setting().split_envvar_value(variable), given)
    return {name.strip(): value.strip() for source in sources for name, _, value in (each.partition("=") for each in source)}


def set_option(command: _F) -> _F:
    """The flag `--set` of a command: a dictionary of the params' values, as text."""
    help = "Give a param of the file a value; repeat it for several."
    option = click.option("-s", "--set", type=_Setting(), multiple=True, callback=_merged, shell_complete=settings, help=help)
    return option(command)
