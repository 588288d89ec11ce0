"""The environment: `.env` completes it and never overrides it; a variable of ours that nothing reads is told."""

import os
from collections.abc import Iterable
from pathlib import Path

from mmflow.cli.terminal import warn
from mmflow.diagnostics import did_you_mean
from mmflow.wording import clause


def load_dotenv(file: Path) -> None:
    """Add what a `.env` file sets and the environment does not. Values are taken as they stand and are shown nowhere."""
    if not file.is_file():  # `.env` is also a common name of a folder with a virtual environment
        return
    from dotenv.parser import parse_stream  # rarely needed, and it costs a tenth of a start

    try:
        with file.open(encoding="utf-8-sig") as stream:
            bindings = list(parse_stream(stream))
    except OSError as error:
        warn(f"{file} cannot be read: {clause(error.strerror)}")
        return
    except UnicodeDecodeError:
        warn(f"{file} is not UTF-8; nothing of it is used")
        return
    for binding in bindings:
        if binding.error or (binding.key is not None and binding.value is None):
            line = binding.original.line + len(binding.original.string) - len(binding.original.string.lstrip("\n"))
            warn(f"{file}:{line}: this line is not `NAME=value`; it is left out")
        elif binding.key is not None and binding.value is not None and "\0" not in binding.value:
            os.environ.setdefault(binding.key, binding.value)


def warn_of_unknown_variables(verb: str, flags: Iterable[str]) -> None:
    """Say so where a variable is named like a flag of this command and is none."""
    prefix = f"MMFLOW_{verb.upper()}_"
    known = {prefix + flag.upper() for flag in flags}
    for name in sorted(name for name in os.environ if name.startswith(prefix) and name not in known):
        near = did_you_mean(name, known)
        warn(f"{name} is set, but `mmflow {verb}` has no such flag" + (f"; did you mean {near}?" if near else ""))
