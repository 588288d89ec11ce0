"""click's errors of usage in the form of ours: what is wrong, then what to do."""

import click

from mmflow.cli.failure import clause


def explained(error: click.UsageError) -> tuple[str, str]:
    """The message and the help of an error of usage."""
    command = error.ctx.command_path if error.ctx else "mmflow"
    help = f"`{command} --help` shows how it is used"
    match error:
        case click.NoSuchOption():
            near = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else help
            return f"`{command}` has no flag `{error.option_name}`", near
        case click.exceptions.NoSuchCommand():
            near = f"did you mean `{error.possibilities[0]}`?" if error.possibilities else "`mmflow --help` lists the commands"
            return f"there is no command `{error.command_name}`", near
        case click.MissingParameter(param=click.Parameter() as param):
            return f"`{command}` needs {_name(param)}", help
        case click.BadParameter(param=click.Parameter() as param):
            return f"{_name(param)}: {clause(error.message)}", help
        case click.BadOptionUsage():
            return f"`{error.option_name}`: {clause(error.message)}", help
        case _:
            return clause(error.format_message()), help


def _name(param: click.Parameter) -> str:
    if isinstance(param, click.Option):
        return f"`{max(param.opts, key=len)}`"
    return f"`{param.make_metavar(click.get_current_context(silent=True) or click.Context(click.Command(None)))}`"
