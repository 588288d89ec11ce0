"""CPU of starting the command line, beside a bare interpreter and beside the import of aiohttp alone."""

import os
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from figures import arguments, interleaved, show
from generate import workflow


def cpu_s(command: Sequence[str]) -> float:
    """User and system time of one child process, in seconds; it must succeed."""
    quiet = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    child = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
    _, status, used = os.wait4(child, 0)
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"{' '.join(command)} ended with {code}")
    return used.ru_utime + used.ru_stime


def child(*command: str) -> Callable[[], float]:
    return lambda: cpu_s(command)


def main() -> None:
    options = arguments(__doc__, rounds=15)
    mmflow = str(Path(sysconfig.get_path("scripts"), "mmflow"))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "generated.mmf")
        file.write_text(workflow(200))
        rows = {
            "`python -c pass`": child(sys.executable, "-c", "pass"),
            '`python -c "import aiohttp"`': child(sys.executable, "-c", "import aiohttp"),
            "`mmflow --version`": child(mmflow, "--version"),
            "`mmflow --help`": child(mmflow, "--help"),
            "`mmflow check`, 200 lines": child(mmflow, "check", str(file)),
        }
        for measure in rows.values():
            measure()  # once unmeasured, so that byte code and the grammar's tables are there for all
        found = interleaved(rows, options.rounds)
    bare = found["`python -c pass`"]
    show(
        ["command", "CPU, ms", "× bare interpreter"],
        [[name, f"{1000 * each:.0f}", f"{each / bare:.1f}"] for name, each in found.items()],
    )


if __name__ == "__main__":
    main()
