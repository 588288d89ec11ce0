"""`mmflow plugins`: what is installed, from where, what it brings, and what is broken."""

from collections.abc import Sequence

import attrs
import click
import msgspec

from mmflow.check.due import due
from mmflow.check.kinds import KINDS as BLOCKS
from mmflow.cli.failure import FOUND, Failure, WrongUse
from mmflow.cli.terminal import one_line
from mmflow.diagnostics import did_you_mean
from mmflow.options import Field, OneWord, RecordOf, fields_of
from mmflow.plugin import PickWord, Word
from mmflow.registry import KINDS, USE, Plugin, Registry
from mmflow.registry.entry_points import EntryPoint
from mmflow.registry.loading import NOUN
from mmflow.units import text_of
from mmflow.vocabulary import WordError, WordKind

_LONGEST_DEFAULT = 60


@click.group(invoke_without_command=True)
@click.option("--json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def command(context: click.Context, json: bool) -> int:
    """List the installed plugins: their words, distributions and versions, and why a broken one is set aside.

    The exit code is 1 where a plugin cannot be used, else 0.
    """
    if context.invoked_subcommand is not None:
        return 0
    plugins = Registry.installed().plugins()
    click.echo(_json(plugins) if json else _table(plugins))
    return FOUND if any(plugin.problem for plugin in plugins) else 0


@command.command()
@click.argument("word")
def show(word: str) -> None:
    """Show what a word accepts: its fields, their types, defaults and meaning."""
    registry = Registry.installed()
    try:
        kinds = registry.kinds(word)
    except WordError as error:
        raise Failure(error.message, error.help) from error
    if not kinds:
        raise _unknown(word, registry)
    click.echo("\n\n".join(_described(kind, word, registry.find(kind, word), registry.origin(kind, word)) for kind in kinds))


def _unknown(word: str, registry: Registry) -> WrongUse:
    names = sorted({path for plugin in registry.plugins() for paths in plugin.words.values() for path in paths})
    near = did_you_mean(word, names)
    help = f"did you mean `{near}`?" if near else "`mmflow plugins` lists them"
    if within := [name for name in names if name.startswith(f"{word}.")]:
        help = f"its plugin brings {', '.join(f'`{name}`' for name in within)}"
    return WrongUse(f"no installed plugin brings a word `{word}`", help)


# ---- the list ---------------------------------------------------------------------------------------------------------------


def _json(plugins: tuple[Plugin, ...]) -> str:
    listed = [attrs.asdict(each) | {"words": {NOUN[kind]: paths for kind, paths in each.words.items()}} for each in plugins]
    return msgspec.json.format(msgspec.json.encode({"plugins": listed})).decode()


def _table(plugins: tuple[Plugin, ...]) -> str:
    rows = [("WORD", "KIND", "DISTRIBUTION", "STATUS")]
    for kind in KINDS:
        for each in plugins:
            rows += [(path, NOUN[kind], _distribution(each), each.status) for path in each.words.get(kind, ())]
    rows += [(each.name, "-", _distribution(each), each.status) for each in plugins if not each.words]
    return "\n".join([*_columns(rows), *_problems(plugins)])


def _problems(plugins: tuple[Plugin, ...]) -> list[str]:
    """Each problem once, in the form of a diagnostic; two owners of a name share theirs."""
    lines: dict[str, list[str]] = {}
    for each in plugins:
        if each.problem:
            place = [f"  --> {each.where}"] if each.where else []
            lines[each.problem] = ["", f"error: {one_line(each.problem)}", *place, f"  = help: {each.help}"]
    return [line for problem in lines.values() for line in problem]


def _distribution(plugin: Plugin) -> str:
    return f"{plugin.distribution} {plugin.version}"


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


# ---- one word -----------------------------------------------------------------------------------------------------------------


def _described(kind: WordKind, path: str, word: Word, origin: EntryPoint) -> str:
    lines = [f"{path}: a {NOUN[kind]} of {origin.distribution} {origin.version}", "", f"    {USE[kind].format(path)}", ""]
    if isinstance(word, PickWord):
        return "\n".join([*lines, one_line(word.doc)])
    doc = (word.options.__doc__ or "").strip().partition("\n\n")[0]
    lines += [one_line(" ".join(doc.split())), ""] if doc else []
    own = fields_of(word.options)
    lines += _fields(own) if own else ["It has no fields of its own."]
    block = {"provider": "provider", "classifier": "classify", "scorer": "scorer"}[kind]
    if shared := ", ".join(f"`{field.name}`" for field in fields_of(BLOCKS[block].fields)):
        lines += ["", f"Fields of every `{block}`: {shared}"]
    return "\n".join(lines)


def _fields(fields: tuple[Field, ...], within: str = "") -> list[str]:
    """A field on two lines: its name, type and default; its meaning."""
    lines = []
    for field in fields:
        lines += [f"{within}{field.name}: {due(field.type)}{_default(field)}", f"    {one_line(field.doc)}"]
        if isinstance(field.type, RecordOf):
            lines += _fields(fields_of(field.type.options), f"{within}{field.name}.")
    return lines


def _default(field: Field) -> str:
    if field.required:
        return "; required"
    sources = [f"${field.env}"] if field.env else []
    if field.default is not None and not isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]
        sources.append(str(field.default) if isinstance(field.type, OneWord) else _text(field.default))
    return f"; by default {', else '.join(sources)}" if sources else "; optional"


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(_text, value))}]"
    if type(value) is str:
        line = " ".join(value.split())
        return f'"{line}"' if len(line) <= _LONGEST_DEFAULT else f'"{line[:_LONGEST_DEFAULT]}…"'
    return text_of(value)
