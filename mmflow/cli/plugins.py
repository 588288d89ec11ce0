"""`mmflow plugins`: what is installed, from where, what it brings, and what is broken."""

from collections.abc import Sequence

import attrs
import click
import msgspec

from mmflow.check.due import due
from mmflow.check.kinds import KINDS as BLOCKS
from mmflow.check.kinds import Arms, Kind
from mmflow.cli.failure import FOUND, Failure, WrongUse
from mmflow.cli.lock import lock
from mmflow.cli.terminal import one_line
from mmflow.diagnostics import did_you_mean
from mmflow.options import Field, RecordOf, fields_of
from mmflow.plugin import PickWord, Word
from mmflow.registry import KINDS, USE, Plugin, Registry
from mmflow.registry.entry_points import EntryPoint
from mmflow.schema import Schema, default_of, doc_of, doc_of_word, schema_of
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


command.add_command(lock)


@command.command()
@click.option("--json", is_flag=True, help="Print one JSON object.")
def schema(json: bool) -> int:
    """Show all that a file may say here: every kind of block and every installed word, with types, defaults and meaning.

    With --json, one object for editors and other programs: `{"schema": 1, "kinds": {…}, "words": {…}, "broken": […]}`. A word is
    found by its kind and its name, such as `words.provider.sim`. The exit code is 1 where a plugin cannot be used, else 0.
    """
    registry = Registry.installed()
    found = schema_of(registry)
    if json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        described = [*map(_kind_described, BLOCKS.values()), _words_described(found)]
        click.echo("\n\n".join(described + ["\n".join(_problems(registry.plugins())[1:])] * bool(found.broken)))
    return FOUND if found.broken else 0


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
    return msgspec.json.format(msgspec.json.encode({"plugins": [attrs.asdict(each) for each in plugins]})).decode()


def _table(plugins: tuple[Plugin, ...]) -> str:
    rows = [("WORD", "KIND", "DISTRIBUTION", "STATUS")]
    for kind in KINDS:
        for each in plugins:
            rows += [(path, kind, _distribution(each), each.status) for path in each.words.get(kind, ())]
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


# ---- the schema -------------------------------------------------------------------------------------------------------------


_ARMS: dict[Arms, tuple[str, ...]] = {
    "none": (),
    "conditions": ("when CONDITION -> TARGET", "else -> TARGET"),
    "shares": ("10% -> TARGET", "else -> TARGET"),
    "needs": ("when CONDITION -> REQUIREMENT",),
    "spent": ('when spent >= 80% -> alert("CHANNEL")', "when spent >= 90% -> degrade(TARGET)", "when spent >= 100% -> reject"),
    "off": ("when CONDITION -> off",),
    "scripts": ("when TARGET -> reply(…)", "when TARGET -> fail(CLASS)"),
    "templates": ('when REQUIREMENT -> """TEMPLATE"""', 'else -> """TEMPLATE"""'),
}


def _kind_described(kind: Kind) -> str:
    using = "" if kind.word is None else f" using {kind.word.upper()}"
    lines = [
        f"{kind.name} NAME{using if kind.word_required else f'[{using}]' if using else ''}: {_sentence(doc_of(kind.fields))}"
    ]
    lines += [f"  {arm}" for arm in _ARMS[kind.arms]]
    return "\n".join(lines + [f"  {line}" for line in _fields(fields_of(kind.fields))])


def _words_described(found: Schema) -> str:
    rows = [(word.use, _sentence(word.doc)) for words in found.words.values() for word in words.values()]
    return "\n".join([*_columns(rows), "", "`mmflow plugins show WORD` has the fields of one."])


def _sentence(doc: str) -> str:
    """The first paragraph, in one line."""
    return one_line(" ".join(doc.partition("\n\n")[0].split()))


# ---- one word -----------------------------------------------------------------------------------------------------------------


def _described(kind: WordKind, path: str, word: Word, origin: EntryPoint) -> str:
    lines = [f"{path}: a {kind} of {origin.distribution} {origin.version}", "", f"    {USE[kind].format(path)}", ""]
    if isinstance(word, PickWord):
        return "\n".join([*lines, one_line(word.doc)])
    lines += [_sentence(doc), ""] if (doc := doc_of_word(word)) else []
    own = fields_of(word.options)
    lines += _fields(own) if own else ["It has no fields of its own."]
    block = "classify" if kind == "classifier" else kind
    if shared := ", ".join(f"`{field.name}`" for field in fields_of(BLOCKS[block].fields)):
        lines += ["", f"Fields of every `{block}`: {shared}"]
    return "\n".join(lines)


def _fields(fields: tuple[Field, ...], within: str = "", inside: tuple[type, ...] = ()) -> list[str]:
    """A field on two lines: its name, type and default; its meaning."""
    lines = []
    for field in fields:
        lines += [f"{within}{field.name}: {due(field.type)}{_default(field)}", f"    {one_line(field.doc)}"]
        if isinstance(field.type, RecordOf) and (record := field.type.options) not in inside:
            lines += _fields(fields_of(record), f"{within}{field.name}.", (*inside, record))
    return lines


def _default(field: Field) -> str:
    if field.required:
        return "; required"
    sources = [f"${field.env}"] if field.env else []
    if (default := default_of(field)) is not None:
        sources.append(one_line(default) if len(default) <= _LONGEST_DEFAULT else f"{one_line(default[:_LONGEST_DEFAULT])}…")
    return f"; by default {', else '.join(sources)}" if sources else "; optional"
