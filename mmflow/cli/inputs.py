"""What a command reads: workflow files, saved plans, and the INPUT of a request."""

import sys
from pathlib import Path

from mmflow.cli.failure import WrongUse
from mmflow.cli.terminal import is_terminal
from mmflow.diagnostics import did_you_mean
from mmflow.source import Source
from mmflow.wording import clause

MAX_WORKFLOW_BYTES = 1_000_000
MAX_PLAN_BYTES = 32_000_000
MAX_INPUT_BYTES = 32_000_000
WORKFLOWS_SHOWN = 5


def read_source(file: str) -> Source:
    """A workflow file, or standard input for `-`. Raises `WrongUse`; text that is not UTF-8 is left to the checker to tell."""
    name = "<stdin>" if file == "-" else file
    return Source.from_bytes(name, read_bytes(file, MAX_WORKFLOW_BYTES, "a workflow file"))


def read_input(argument: str | None) -> str:
    """The text of a request: the argument itself, a file for `@file`, standard input for `-` or where it is piped.

    Ends of line at the end are not part of it; `@@` at the start stands for `@`. Raises `WrongUse`.
    """
    if argument is None and (sys.stdin is None or is_terminal(sys.stdin)):
        raise WrongUse("there is no input", 'give it as an argument, as `@file`, or pipe it: `mmflow run FILE "…"`')
    if argument is None or argument == "-":
        where, data = "standard input", read_bytes("-", MAX_INPUT_BYTES, "an input")
    elif argument == "@":
        raise WrongUse("`@` names no file", "write `@file`, or `@@…` for a text that starts with `@`")
    elif argument.startswith("@") and not argument.startswith("@@"):
        where, data = f"`{argument[1:]}`", read_bytes(argument[1:], MAX_INPUT_BYTES, "an input")
    else:
        literal = argument[1:] if argument.startswith("@@") else argument
        where, data = "the input", literal.encode(errors="surrogateescape")
    text = _decoded(data, where)
    text = text.rstrip("\r\n")
    if not text.strip():
        raise WrongUse(f"{where} is empty", "give a text to answer")
    return text


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise WrongUse(
            f"{where} is not UTF-8 (byte {error.start + 1} is 0x{data[error.start]:02x})", "save it as UTF-8"
        ) from error


def read_bytes(file: str, limit: int, noun: str) -> bytes:
    """The content of a file, or of standard input for `-`, of at most `limit` bytes. Raises `WrongUse`."""
    try:
        if file == "-":
            if sys.stdin is None:
                raise WrongUse("standard input is closed", "name a file instead of `-`")
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with open(file, "rb") as stream:
                data = stream.read(limit + 1)
    except FileNotFoundError as error:
        raise WrongUse(f"there is no file `{file}`", _near(Path(file)) or _instead(file, noun)) from error
    except IsADirectoryError as error:
        raise WrongUse(f"`{file}` is a folder", f"name {noun} in it" + _such_as(Path(file), noun)) from error
    except OSError as error:
        raise WrongUse(f"`{file}` cannot be read: {clause(error.strerror)}") from error
    except ValueError as error:  # a name that no file can have
        raise WrongUse(f"`{file}` is not a file name: {error}") from error
    if len(data) > limit:
        name = "standard input" if file == "-" else f"`{file}`"
        help = "split it, and bring the parts together with `import`" if noun == "a workflow file" else "make it shorter"
        raise WrongUse(f"{name} is too large: {noun} has at most {limit // 1_000_000} MB", help)
    return data


def _near(file: Path) -> str | None:
    """The file of the same folder that was probably meant."""
    try:
        names = sorted(each.name for each in file.parent.iterdir())
    except OSError:
        return f"there is no folder `{file.parent}` either" if not file.parent.exists() else None
    if file.name + ".mmf" in names:
        return f"did you mean `{file}.mmf`?"
    # An ending that two names share says nothing of how near they are.
    alike = {Path(name).stem: name for name in names if Path(name).suffix == file.suffix}
    others = [name for name in names if Path(name).suffix != file.suffix]
    near = alike.get(did_you_mean(file.stem, alike) or "") or did_you_mean(file.name, others)
    return f"did you mean `{file.parent / near}`?" if near else None


def _instead(file: str, noun: str) -> str:
    """What to do where nothing in the folder is like the file that was named."""
    if noun == "an input":
        return f"to send a text that starts with `@`, write `@@{file}`"
    if noun == "a saved plan":
        return "save one with `mmflow plan --json FILE`"
    names = sorted(each.name for each in Path(file).parent.glob("*.mmf"))
    shown = ", ".join(f"`{name}`" for name in names[:WORKFLOWS_SHOWN]) + (", …" if len(names) > WORKFLOWS_SHOWN else "")
    return f"workflows in that folder: {shown}" if names else "`mmflow init` writes a first workflow"


def _such_as(folder: Path, noun: str) -> str:
    workflows = sorted(folder.glob("*.mmf")) if noun == "a workflow file" else []
    return f", such as `{workflows[0]}`" if workflows else ""
