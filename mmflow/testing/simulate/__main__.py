"""`python -m mmflow.testing.simulate`."""

import sys

import click

from mmflow.testing.simulate.command import command


def main(arguments: list[str] | None = None) -> int:
    """Run the simulator with these arguments (those of the process by default) and return the exit code."""
    try:
        code = command.main(arguments, prog_name="python -m mmflow.testing.simulate", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return 130
    return int(code or 0)


if __name__ == "__main__":
    sys.exit(main())
