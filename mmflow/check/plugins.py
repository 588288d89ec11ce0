"""`plugin-drift`: the plugins that a program uses, against the versions that it asks for and those that its lock has."""

import os.path
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from mmflow.check.imports import Reader
from mmflow.check.program import Program
from mmflow.check.scope import Scope
from mmflow.diagnostics import Diagnostic, warning
from mmflow.source import Source, Span
from mmflow.syntax import nodes
from mmflow.vocabulary import Installed

LOCK = "mmflow.lock"
OURS = "mmflow"
"""The distribution whose plugins go with the version of mmflow itself, and stand in no lock."""


class Locked(msgspec.Struct, frozen=True):
    """A plugin as it was installed when the lock was written."""

    distribution: str
    version: str


class Lock(msgspec.Struct, frozen=True, kw_only=True, tag=1, tag_field="schema"):
    """The plugins that the files of a folder use, by name."""

    plugins: dict[str, Locked]


def encode_lock(lock: Lock) -> bytes:
    """The lock as JSON, the same bytes for the same lock."""
    return msgspec.json.format(msgspec.json.encode(lock, order="deterministic"), indent=2) + b"\n"


def lock_of(used: Iterable[Installed]) -> Lock:
    """The lock of what some programs use."""
    return Lock(plugins={each.plugin: Locked(each.distribution, each.version) for each in used if each.distribution != OURS})


def used_plugins(program: Program, scope: Scope) -> dict[Installed, Span]:
    """The installed plugins whose words a program uses, each with the place where that shows first."""
    found: dict[Installed, Span] = {}
    for path, span in _paths(program, scope):
        if (installed := scope.vocabulary.plugin(path)) is not None:
            found.setdefault(installed, span)
    return found


def _paths(program: Program, scope: Scope) -> Iterator[tuple[str, Span]]:
    for item in _uses(scope):
        yield str(item.path), item.span
    for declaration in program.declarations.values():
        if declaration.word_path is not None:
            yield declaration.word_path, declaration.block.using.span if declaration.block.using else declaration.block.header
        if declaration.kind.name == "tier":
            yield declaration.fields.pick.word, declaration.spans.get("pick", declaration.block.header)
        if declaration.kind.name == "model" and declaration.fields.provider in program.implicit_providers:
            yield declaration.fields.provider, declaration.spans["provider"]


def _uses(scope: Scope) -> Iterator[nodes.Use]:
    return (item for module in scope.modules for item in module.file.items if isinstance(item, nodes.Use))


def drifted_plugins(program: Program, scope: Scope, read: Reader) -> Iterator[Diagnostic]:
    """`plugin-drift` where what is installed is not what `use name@2` asks for, or not what the lock beside the file has."""
    for item in _uses(scope):
        installed = scope.vocabulary.plugin(str(item.path))
        if item.version is not None and installed is not None and not is_of(installed.version, item.version):
            asked = f"`use {item.path}@{item.version}` asks for another version than the one that is installed"
            yield plugin_drift(asked, installed, item.span, f"install that version, or write `@{_short(installed.version)}`")
    try:
        source = read(os.path.join(os.path.dirname(program.file.span.source.path), LOCK))
    except (OSError, ValueError, LookupError):  # there is none; `ValueError`: no such name; `LookupError`: files from a mapping
        return
    lock = _decoded(source)
    if lock is None:
        help = f"write it anew: `mmflow plugins lock {program.file.span.source.path}`"
        yield warning("plugin-drift", f"`{LOCK}` is no lock of this version of mmflow", Span(source, 0, 0), help=help)
        return
    yield from _against(lock, used_plugins(program, scope), program)


def _decoded(source: Source) -> Lock | None:
    try:
        return msgspec.json.decode(source.text, type=Lock)
    except msgspec.MsgspecError:
        return None


def _against(lock: Lock, used: Mapping[Installed, Span], program: Program) -> Iterator[Diagnostic]:
    again = f"install what `{LOCK}` has, or accept what is there: `mmflow plugins lock {program.file.span.source.path}`"
    for installed, span in used.items():
        locked = lock.plugins.get(installed.plugin)
        if installed.distribution == OURS or locked == Locked(installed.distribution, installed.version):
            continue
        has = "does not have it" if locked is None else f"has {locked.distribution} {locked.version}"
        yield plugin_drift(f"the plugin `{installed.plugin}` is not as locked: `{LOCK}` {has}", installed, span, again)


def plugin_drift(message: str, installed: Installed, span: Span, help: str) -> Diagnostic:
    """A plugin of another version than the file or its lock says."""
    return warning("plugin-drift", f"{message}: {installed.distribution} {installed.version} is installed", span, help=help)


def is_of(version: str, asked: str) -> bool:
    """Whether a version is one that `@2` or `@2.1` asks for: its first parts are these."""
    parts = asked.split(".")
    return version.split("+")[0].split(".")[: len(parts)] == parts


def _short(version: str) -> str:
    """As much of a version as promises to stay compatible: `2`, but `0.3`."""
    parts = version.split(".")
    return ".".join(parts[:2] if parts[0] == "0" else parts[:1])
