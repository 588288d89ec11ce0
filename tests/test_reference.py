"""The language reference: its tables are those of the classes, its examples check, its commands run.

`pytest tests/test_reference.py --update` rewrites the tables of fields; the words around them are written by hand.
"""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import attrs
import pytest
from cli import Shell

from mmflow.check.conditions.request import REQUEST_FIELDS
from mmflow.check.kinds import KINDS, WithFields
from mmflow.cli.group import VERBS
from mmflow.diagnostics import pages
from mmflow.options import Either, Field, FieldType, ListOf, MapOf, OneWord, RecordOf, Reference, Scalar, fields_of
from mmflow.plugin import ErrorClass, PickWord
from mmflow.registry import Registry
from mmflow.schema import default_of, type_name
from mmflow.units import UNITS, Budget, Duration, Money, Price, Rate, Share, Tokens, parse_quantity

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "grammars" / "README.md"
TEXT = PAGE.read_text()
HEAD = "| field | takes | default | what it says |\n|---|---|---|---|\n"


@attrs.frozen
class Block:
    """A block of code of the page: what its fence says after the language, its text, and its line."""

    language: str
    mark: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"line {self.line}"


def blocks() -> Iterator[Block]:
    for match in re.finditer(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL):
        yield Block(match[1], match[2], match[3], TEXT[: match.start()].count("\n") + 1)


BLOCKS = list(blocks())
WORKFLOWS = [block for block in BLOCKS if block.language == "mmf"]
PRELUDE = next(block.text for block in WORKFLOWS if block.mark == "prelude")
COMMANDS = [line.partition("  #")[0] for block in BLOCKS if block.language == "sh" for line in block.text.splitlines()]


def whole(block: Block) -> str:
    """The file that a block is: a fragment stands after the declarations that the page shares."""
    return block.text if block.text.startswith("mmflow") else f"{PRELUDE}\n{block.text}"


def codes_of(block: Block, mmflow: Shell) -> list[str]:
    """What `mmflow check` finds, without those declarations of the prelude that a fragment has no use for."""
    mmflow.write("example.mmf", whole(block))
    found = json.loads(mmflow("check", "example.mmf", "--format", "json").out)["diagnostics"]
    first = 1 if whole(block) == block.text else PRELUDE.count("\n") + 2
    return [each["code"] for each in found if not (each["code"] == "unused" and each["span"]["line"] < first)]


# ---- tables of fields -------------------------------------------------------------------------------------------------------


def rows(fields: tuple[Field, ...], within: str = "") -> Iterator[str]:
    """The rows of a table, those of records under their own."""
    for field in fields:
        default = "required" if field.required else " or ".join(filter(None, (field.env and f"`${field.env}`", _default(field))))
        yield f"| `{within}{field.name}` | {takes(field.type)} | {default} | {field.doc[:1].lower()}{field.doc[1:].rstrip('.')} |"
        for each in field.type.types if isinstance(field.type, Either) else (field.type,):
            if isinstance(each, RecordOf):
                yield from rows(fields_of(each.options), f"{within}{field.name}.")


def _default(field: Field) -> str | None:
    default = default_of(field)
    if default is None or len(default) > 60:
        return None if default is None else "a general one"
    return f"`{default}`"


def takes(type_: FieldType) -> str:
    """A type in the words of the page."""
    match type_:
        case Scalar(type=scalar) if issubclass(scalar, Reference):
            return f"{scalar.kinds[0]} name"
        case Scalar(type=scalar):
            return type_name(scalar).replace("_", " ")
        case OneWord(words=words):
            return ", ".join(f"`{word}`" for word in words)
        case ListOf(item=item):
            return f"list: {takes(item)}"
        case MapOf(value=value):
            return f"map: {takes(value)}"
        case RecordOf():
            return "record"
        case Either(types=types):
            return " or ".join(map(takes, types))


def owners() -> dict[str, type]:
    """The classes whose tables the page has, by their headings."""
    registry = Registry.installed()
    found = {f"`{name}`": kind.fields for name, kind in KINDS.items()} | {"`with`": WithFields}
    for plugin in registry.plugins():
        for kind, paths in plugin.words.items() if plugin.distribution == "mmflow" else ():
            for path in paths:
                if not isinstance(word := registry.find(kind, path), PickWord):
                    found[f"`using {path}`"] = word.options
    return found


OWNERS = owners()


def section(heading: str) -> str:
    """The text under a heading, up to the next one."""
    match = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert match, f"the page has no heading {heading}"
    return match[1]


@pytest.mark.parametrize("heading", OWNERS)
def test_a_table_of_fields_is_that_of_the_class(heading: str, request: pytest.FixtureRequest) -> None:
    text, due = section(heading), "".join(f"{row}\n" for row in rows(fields_of(OWNERS[heading])))
    match = re.search(rf"{re.escape(HEAD)}((?:\|[^\n]*\n)*)", text)
    if not due:
        assert match is None
        return
    assert match, f"{heading} has no table of fields"
    if request.config.getoption("--update"):
        PAGE.write_text(PAGE.read_text().replace(text, text.replace(match[0], HEAD + due)))
        return
    assert match[1] == due


def test_every_table_of_fields_is_compared() -> None:
    assert TEXT.count(HEAD) == sum(HEAD in section(heading) for heading in OWNERS)


# ---- the table of codes -----------------------------------------------------------------------------------------------------

CODES_HEAD = "| code | | what it tells |\n|---|---|---|\n"


def test_the_table_of_codes_is_that_of_the_pages(request: pytest.FixtureRequest) -> None:
    found = [pages.page(code) for code in pages.codes()]
    due = "".join(f"| `{each.code}` | {each.severity} | {each.summary.replace('|', chr(92) + '|')} |\n" for each in found)
    match = re.search(rf"{re.escape(CODES_HEAD)}((?:\|[^\n]*\n)*)", TEXT)
    assert match, "the page has no table of codes"
    if request.config.getoption("--update"):
        PAGE.write_text(PAGE.read_text().replace(match[0], CODES_HEAD + due))
        return
    assert match[1] == due


# ---- examples and commands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_an_example_is_as_the_page_says(reader: Shell, block: Block) -> None:
    mark, _, codes = block.mark.partition(":")
    assert mark in ("", "prelude", "broken") or mark.endswith(".mmf")
    assert set(codes_of(block, reader)) == set(filter(None, codes.split(",")))


@pytest.fixture
def reader(mmflow: Shell) -> Shell:
    """A folder with the files that the page shows under a name."""
    for block in BLOCKS:
        if (name := block.mark.partition(":")[0]).endswith((".mmf", ".json")):
            mmflow.write(name, block.text)
    return mmflow


@pytest.mark.parametrize(
    "block", [block for block in WORKFLOWS if "\nflow " in f"\n{block.text}" and ":" not in block.mark], ids=str
)
def test_an_example_runs(reader: Shell, block: Block) -> None:
    reader.write("example.mmf", whole(block))
    flow = re.findall(r"^flow (\w+)", block.text, re.MULTILINE)[0]
    done = reader("run", "example.mmf", "Where is my parcel?", "--dry-run", "--flow", flow)
    assert done.code == 0, done.err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_runs(reader: Shell, command: str) -> None:
    assert command.startswith("mmflow ")
    done = reader(*shlex.split(command)[1:])
    assert done.code == 0, done.out + done.err


def test_what_a_command_of_the_page_shows_is_what_it_says(reader: Shell) -> None:
    shown = [re.match(r"\$ (mmflow .*)\n((?:.*\n)*)", block.text) for block in BLOCKS if block.language == "console"]
    assert shown
    for match in shown:
        assert match
        done = reader(*shlex.split(match[1])[1:])
        assert (done.out + done.err).strip() == match[2].strip()


# ---- nothing is left out ----------------------------------------------------------------------------------------------------


def table(heading: str) -> dict[str, str]:
    """The rows of a section's table, by the name in their first cell."""
    found = re.findall(r"^\| `?([^|`]+?)`? \|(.*)\|$", section(heading), re.MULTILINE)
    return {name: rest for name, rest in found if set(name) != {"-"}}


def test_every_kind_is_documented() -> None:
    assert {f"`{kind}`" for kind in KINDS} <= set(re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE))


UNIT_ROWS = {
    "duration": Duration,
    "tokens": Tokens,
    "money": Money,
    "price": Price,
    "share": Share,
    "rate": Rate,
    "budget": Budget,
}


@pytest.mark.parametrize("name", UNIT_ROWS)
def test_every_unit_is_documented_and_every_quantity_shown_is_one(name: str) -> None:
    written, units, *_ = table("Quantities")[name].split(" | ")
    for text in re.findall(r"`([^`]+)`", written):
        value = parse_quantity(text)
        assert type(value) is UNIT_ROWS[name] or (name == "tokens" and isinstance(value, int)), text
    assert set(UNITS[UNIT_ROWS[name]]) <= set(re.findall(r"`([^`]+)`", units))


def test_every_type_that_a_field_takes_is_explained() -> None:
    explained = set(table("Quantities")) | set(table("Other values"))
    used: set[str] = set()

    def use(type_: FieldType) -> None:
        match type_:
            case Scalar():
                used.add(takes(type_))
            case ListOf(item=inner) | MapOf(value=inner):
                used.add("list" if isinstance(type_, ListOf) else "map")
                use(inner)
            case RecordOf(options=cls):
                used.add("record")
                for field in fields_of(cls):
                    use(field.type)
            case Either(types=types):
                for each in types:
                    use(each)

    for cls in OWNERS.values():
        for field in fields_of(cls):
            use(field.type)
    assert {each if not each.endswith(" name") else "NAME name" for each in used} <= explained


def test_every_error_class_is_documented() -> None:
    assert set(table("Classes of errors")) == {*get_args(ErrorClass), "class"}


def test_every_field_of_a_request_is_documented() -> None:
    named = set(re.findall(r"`request\.(\w+)", section("What a condition may see")))
    assert named == {*REQUEST_FIELDS, "meta", "text"}


def test_every_bundled_word_is_documented() -> None:
    for plugin in Registry.installed().plugins():
        for path in [path for paths in plugin.words.values() for path in paths] if plugin.distribution == "mmflow" else ():
            assert f"`{path}`" in TEXT or f"`using {path}`" in TEXT


@pytest.mark.parametrize("name", VERBS)
def test_every_command_is_documented(name: str) -> None:
    assert f"`mmflow {name}" in section("Commands")


def test_every_code_that_is_named_has_a_page() -> None:
    named = set(re.findall(r"\(`([a-z]+-[a-z-]+)`\)", TEXT)) | set(re.findall(r"mmflow explain ([a-z-]+)$", TEXT, re.MULTILINE))
    assert "unreachable-arm" in named
    assert named <= set(pages.codes())


def test_every_link_leads_somewhere() -> None:
    headings = {
        re.sub(r"[^\w -]", "", line.lstrip("# ")).lower().replace(" ", "-") for line in TEXT.splitlines() if line.startswith("#")
    }
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        path, _, anchor = link.partition("#")
        assert not path or (PAGE.parent / path).exists(), link
        assert path or anchor in headings, link
