"""`litellm.Router` in a process and an environment of its own, measured from here."""

import asyncio
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bare import QUESTION

LITELLM = "litellm.Router"


class Litellm:
    """`litellm.Router` in a process of its own."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    async def __call__(self, calls: int) -> float:
        return await asyncio.to_thread(self._measure, calls)

    def _measure(self, calls: int) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(calls, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())


@contextmanager
def litellm(url: str, folder: Path) -> Iterator[Litellm | None]:
    """The peer, in an environment in this folder; None and a message where it cannot be had."""
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        print(f"installing litellm into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "litellm"]
        pip += [] if sys.platform == "win32" else ["uvloop"]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode:
            reason = done.stderr.strip().rpartition("\n")[2]
            print(f"{LITELLM} is left out: pip could not install it: {reason}", file=sys.stderr)
            yield None
            return
    script = [str(python), str(Path(__file__).with_name("litellm_router.py")), url, QUESTION]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(script, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ) as process:
        try:
            if process.stdout is not None and process.stdout.readline():
                yield Litellm(process)
            else:
                print(f"{LITELLM} is left out: it could not be started", file=sys.stderr)
                yield None
        finally:
            process.terminate()
