"""The entry point: runs a command and turns whatever ends it into an exit code."""

import errno
import io
import os
import sys

from mmflow import __version__
from mmflow.cli.failure import BROKEN_PIPE, FOUND, INTERNAL, INTERRUPTED, TERMINATED, Terminated
from mmflow.wording import clause

_OUTPUT_IS_LOST = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def main(arguments: list[str] | None = None) -> int:
    """Run `mmflow` with these arguments (those of the process by default) and return the exit code."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = _run(arguments)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except Terminated:
        return TERMINATED
    except BrokenPipeError:
        _silence_stdout()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno not in _OUTPUT_IS_LOST or error.filename is not None:
            return _report_bug(error)
        _silence_stdout()
        _say_error(f"cannot write the output: {clause(error.strerror)}")
        return FOUND
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug of ours is one line, not a traceback
        return _report_bug(error)


def _run(arguments: list[str]) -> int:
    # Answered without click, which costs three bare interpreters to import.
    if arguments in (["--version"], ["-V"]):
        print(f"mmflow {__version__}")
        return 0
    from mmflow.cli.group import dispatch

    _occupy_standard_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # an answer is not lost to a locale that cannot write it

    return dispatch(arguments)


def _occupy_standard_streams() -> None:
    """Put nothing in the place of a closed standard stream, lest a socket takes its number and uvloop aborts over it."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _report_bug(error: Exception) -> int:
    if os.environ.get("MMFLOW_DEBUG", "0") not in ("", "0"):
        import traceback

        traceback.print_exception(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = "" if trace is None else f" in {os.path.basename(trace.tb_frame.f_code.co_filename)}:{trace.tb_lineno}"
    _say_error(
        f"internal error: {type(error).__name__}{where}",
        f"this is a fault of mmflow {__version__}: run it again with MMFLOW_DEBUG=1 and report what it prints",
    )
    return INTERNAL


def _say_error(message: str, help: str | None = None) -> None:
    from mmflow.cli.terminal import complain

    complain(message, help)


def _silence_stdout() -> None:
    """Nobody reads any more: let the interpreter's last flush go nowhere, without a word."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
