"""Where flags come from when the command line does not give them: `mmflow.toml` or `[tool.mmflow]`, `MMFLOW_*`, `.env`."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs
import click

from mmflow.cli.environ import load_dotenv, warn_of_unknown_variables
from mmflow.cli.failure import WrongUse
from mmflow.diagnostics import did_you_mean
from mmflow.wording import clause


@attrs.frozen
class Project:
    """A configuration that was found: its file, and its sections, one a verb."""

    file: Path
    sections: Mapping[str, Any]


Flags = Mapping[str, click.Option]
FlagsOf = Callable[[str], Flags]
"""The flags of a verb by name."""


def configure(context: click.Context, verb: str, config: str | None, verbs: Iterable[str], flags_of: FlagsOf) -> None:
    """Make the configuration the defaults of the flags, and `.env` part of the environment. Raises `WrongUse`."""
    project = read(Path(config)) if config else find(_working_folder())
    folder = project.file.parent if project else _working_folder()
    if folder is not None:
        load_dotenv(folder / ".env")
    if project:
        _refuse_unknown_sections(project, verbs)
        context.default_map = {name: defaults(project, name, flags_of(name)) for name in project.sections}
    warn_of_unknown_variables(verb, flags_of(verb))


def _working_folder() -> Path | None:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed under the shell's feet: then there is nothing to find in it
        return None


def find(folder: Path | None) -> Project | None:
    """The nearest configuration from a folder upwards, or None. Raises `WrongUse` where it cannot be read."""
    for each in (folder, *folder.parents) if folder else ():
        own, shared = each / "mmflow.toml", each / "pyproject.toml"
        tables = _sections(_toml(shared), shared) if shared.is_file() and _mentions_us(shared) else None
        if own.is_file():
            if tables is not None:
                raise WrongUse(f"both {own} and {shared} configure mmflow", "keep one of them: `[tool.mmflow]` or mmflow.toml")
            return read(own)
        if tables is not None:
            return Project(shared, tables)
    return None


def read(file: Path) -> Project:
    """The configuration in a file: the whole of it, or `[tool.mmflow]` of a `pyproject.toml`. Raises `WrongUse`."""
    return Project(file, _sections(_toml(file), file) or {})


def _mentions_us(file: Path) -> bool:
    # Whoever's pyproject.toml this is, it costs 20 ms to parse, and it may not even be valid.
    return b"mmflow" in _bytes(file)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise WrongUse(f"the configuration {file} cannot be read: {clause(error.strerror)}") from error


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_bytes(file).decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise WrongUse(f"the configuration {file} is not UTF-8 (byte {error.start})", "save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WrongUse(f"the configuration {file} is not TOML: {clause(str(error))}") from error


def _sections(table: dict[str, Any], file: Path) -> dict[str, Any] | None:
    """The table of sections in a file, or None where a `pyproject.toml` has none."""
    if file.name == "pyproject.toml":
        tool = table.get("tool", {})
        table = tool.get("mmflow") if isinstance(tool, dict) else None  # type: ignore[assignment]
        if table is None:
            return None
        if not isinstance(table, dict):
            raise WrongUse(f"{file}: `tool.mmflow` must be a table")
    return table


def _refuse_unknown_sections(project: Project, verbs: Iterable[str]) -> None:
    for name, section in project.sections.items():
        if name not in verbs:
            near = did_you_mean(name, verbs)
            help = f"did you mean `{near}`?" if near else f"sections are {_names(verbs)}"
            raise WrongUse(f"{project.file}: there is no section `{name}`", help)
        if not isinstance(section, dict):
            raise WrongUse(
                f"{project.file}: `{name}` must be a table of flags", f"write `[{name}]` and its flags on the lines below"
            )


def defaults(project: Project, verb: str, options: Flags) -> dict[str, Any]:
    """The flags of a verb as its section sets them. Raises `WrongUse` on an unknown key and on a value of the wrong type."""
    section = project.sections[verb]
    for key, value in section.items():
        if key not in options:
            near = did_you_mean(key, options)
            help = f"did you mean `{near}`?" if near else f"flags of `{verb}` are {_names(options)}" if options else None
            raise WrongUse(f"{project.file}: `mmflow {verb}` has no flag `{key}`", help)
        if due := _due(options[key], value):
            raise WrongUse(f"{project.file}: `{verb}.{key}` must be {due}{_shown(value)}")
    return {key: _plain(options[key], value) for key, value in section.items()}


def _due(option: click.Option, value: object) -> str | None:
    """What the value of an option must be where this one is not, in words."""
    if option.is_flag:
        return None if isinstance(value, bool) else "true or false"
    if option.multiple:
        fine = isinstance(value, dict) and all(isinstance(each, str | int | float) for each in value.values())
        return None if fine else "a table of names and values, which are texts, numbers, true or false"
    if isinstance(option.type, click.IntRange):
        return None if type(value) is int else "a whole number"
    if isinstance(option.type, click.Choice):
        return None if value in option.type.choices else f"one of {_names(option.type.choices)}"
    return None if isinstance(value, str) and value else "a string"


def _plain(option: click.Option, value: Any) -> Any:
    if option.multiple:
        return tuple(f"{name}={_text(each)}" for name, each in value.items())
    return value


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: object) -> str:
    """`, not …` for a value that can be shown."""
    if isinstance(value, dict | list):
        return ""
    return f', not "{value}"' if isinstance(value, str) else f", not {_text(value)}"


def _names(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)
