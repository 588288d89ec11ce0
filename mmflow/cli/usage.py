"""click's errors of usage in the form of ours: what is wrong, then what to do."""

import click
from click.core import ParameterSource

from mmflow.wording import clause


def explained(error: click.UsageError) -> tuple[str, str]:
    """The message and the help of an error of usage."""
    command = error.ctx.command_path if error.ctx else "mmflow"
    help = f"`{command} --help` shows how it is used"
    match error:
        case click.NoSuchOption():
            dash = "write `--` before a text that starts with `-`"
            near = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else help
            if error.ctx and error.ctx.parent and error.option_name in _flags(error.ctx.find_root().command):
                near = f"`{error.option_name}` stands before the command: `mmflow {error.option_name} … {error.ctx.info_name} …`"
            return f"`{command}` has no flag `{error.option_name}`", near if error.option_name.startswith("--") else dash
        case click.exceptions.NoSuchCommand():
            near = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else "`mmflow --help` lists the commands"
            return f"there is no command `{error.command_name}`", near
        case click.MissingParameter(param=click.Parameter() as param):
            return f"`{command}` needs {_name(param)}", help
        case click.BadParameter(param=click.Parameter() as param):
            message = clause(error.message)
            if isinstance(param.type, click.types.BoolParamType):
                message = f"{message.partition(' is not')[0]} is neither true nor false"
            return f"{_source(param, error.ctx) or _name(param)}: {message}", help
        case _ if "extra argument" in error.message and error.ctx and _takes_text(error.ctx.command):
            return clause(error.message), "put a text of several words in quotes"
        case _:
            return clause(error.format_message()), help


def _flags(command: click.Command) -> list[str]:
    return [name for each in command.params if isinstance(each, click.Option) for name in each.opts]


def _takes_text(command: click.Command) -> bool:
    return any(each.name == "input" for each in command.params)


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return f"`{max(param.opts, key=len)}`"
    return f"`{param.make_metavar(click.get_current_context(silent=True) or click.Context(click.Command(None)))}`"


def _source(param: click.Parameter, context: click.Context | None) -> str | None:
    """The variable that a value came from, where it came from one."""
    if context and param.name and context.get_parameter_source(param.name) is ParameterSource.ENVIRONMENT:
        return f"the variable {context.auto_envvar_prefix}_{param.name.upper()}"
    return None
