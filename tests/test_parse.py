"""Texts become the tree that was written, with exact spans, whatever the text."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lark import Lark
from lark.exceptions import LarkError

from mmflow.source import Source, Span
from mmflow.syntax import machine, nodes, tables
from mmflow.syntax.parse import Parsed, parse

SUPPORT = (Path(__file__).parent / "data" / "support.mmf").read_text()


def read(text: str) -> Parsed:
    return parse(Source("test.mmf", text))


def sound(text: str) -> nodes.File:
    parsed = read(text)
    assert parsed.diagnostics == ()
    return parsed.file


def value(text: str) -> Any:
    (item,) = sound(f"mmflow 1\nx = {text}\n").items
    assert isinstance(item, nodes.Attr)
    return item.value


def place() -> Any:
    return Span(Source("", ""), 0, 0)


# ---- nodes


def test_the_workflow_of_the_design_is_read_whole() -> None:
    file = sound(SUPPORT)
    assert file.edition == "1"
    kinds = [each.kind for each in file.items if isinstance(each, nodes.Block)]
    assert len(file.items) == 32
    assert kinds[:3] == ["provider"] * 3
    assert kinds[-4:] == ["flow", "test", "test", "test"]


def test_a_header_has_all_its_parts() -> None:
    (block,) = sound("mmflow 1\nclassify task using a.b like other { x = 1 }").items
    assert isinstance(block, nodes.Block)
    assert (block.kind, block.name, str(block.using), str(block.like)) == ("classify", "task", "a.b", "other")
    assert block.header.text == "classify task using a.b like other"
    assert block.kind_span.text == "classify"
    assert block.name_span.text == "task"
    assert block.body.span.text == "{ x = 1 }"


@pytest.mark.parametrize(
    ("header", "name", "using", "like"),
    [
        ("model", None, None, None),
        ('test "a b"', "a b", None, None),
        ("model like y", None, None, "y"),
        ("model using y", None, "y", None),
        ("model z like y", "z", None, "y"),
        ("model z using y", "z", "y", None),
    ],
)
def test_parts_of_a_header_are_optional(header: str, name: str | None, using: str | None, like: str | None) -> None:
    (block,) = sound(f"mmflow 1\n{header} {{}}").items
    assert isinstance(block, nodes.Block)
    assert block.name == name
    assert (block.using and str(block.using), block.like and str(block.like)) == (using, like)


@pytest.mark.parametrize(
    ("line", "version", "alias"),
    [("use a.b@2 as c", "2", "c"), ("use a.b@2", "2", None), ("use a.b as c", None, "c"), ("use a.b", None, None)],
)
def test_parts_of_a_use_are_optional(line: str, version: str | None, alias: str | None) -> None:
    (use,) = sound(f"mmflow 1\n{line}\n").items
    assert isinstance(use, nodes.Use)
    assert (use.path.parts, use.version, use.alias) == (("a", "b"), version, alias)


def test_expressions_bind_as_they_read() -> None:
    tree = value("not a.b == 1 and (c or d) or f(1, k = 2) in [x, y]")
    assert isinstance(tree, nodes.Or)
    both, invoked = tree.operands
    assert isinstance(both, nodes.And)
    negated, either = both.operands
    assert isinstance(negated, nodes.Not)
    assert isinstance(negated.operand, nodes.Compare)
    assert isinstance(negated.operand.first, nodes.Member)
    assert isinstance(either, nodes.Or)
    assert isinstance(invoked, nodes.Compare)
    assert isinstance(invoked.first, nodes.Invoke)
    assert isinstance(invoked.first.arguments[1], nodes.NamedArg)
    assert invoked.rest[0][0] == "in"


@pytest.mark.parametrize("operator", ["==", "!=", "<", "<=", ">", ">=", "in", "not in", "matches"])
def test_every_comparison_keeps_its_operator(operator: str) -> None:
    spaced = operator.replace(" ", "   ")
    assert value(f"a {spaced} b").rest == ((operator, nodes.Ref("b", place())),)


def test_labels_are_a_chain() -> None:
    assert [op for op, _ in value("low < medium < high").rest] == ["<", "<"]


def test_lists_calls_and_conditions_may_go_over_lines() -> None:
    assert len(value("[\n  a, # one\n  b,\n\n  c,\n]").items) == 3
    assert len(value("f(\n  a,\n  k = b\n)").arguments) == 2
    assert len(value("a and\n  b and # more\n  c").operands) == 3
    assert value("(\n a\n)") == nodes.Ref("a", place())


def test_keywords_are_names_where_the_grammar_has_no_use_for_them() -> None:
    (block,) = sound("mmflow 1\nmodel m {\n  with = 1\n  from = 2\n  in = 3\n  like = 4\n  use = when\n}").items
    assert isinstance(block, nodes.Block)
    assert [each.name for each in block.body.items if isinstance(each, nodes.Attr)] == ["with", "from", "in", "like", "use"]


def test_arms_of_all_three_kinds() -> None:
    (block,) = sound("mmflow 1\nroute r { when a -> b with { t = 1s }, 10% -> c, else -> d }").items
    assert isinstance(block, nodes.Block)
    when, share, rest = block.body.items
    assert isinstance(when, nodes.When)
    assert isinstance(when.target, nodes.With)
    assert isinstance(share, nodes.Share)
    assert share.share.text == "10%"
    assert isinstance(rest, nodes.Else)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r'"a\"b\\c"', 'a"b\\c'),
        (r'"one\ntwo\tthree"', "one\ntwo\tthree"),
        (r'"\u00e9\u20AC"', "é€"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\bword\b \d+ \."', r"\bword\b \d+ \."),
        (r'"\u12"', r"\u12"),
        ('"# no comment"', "# no comment"),
        ('""', ""),
    ],
)
def test_escapes_in_strings(written: str, meant: str) -> None:
    assert value(written) == nodes.String(meant, place())


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ('"""\n    one\n      two\n    """', "one\n  two"),
        ('"""one"""', "one"),
        ('"""\n  {{ request.language }}\n\n  # not a comment\n  """', "{{ request.language }}\n\n# not a comment"),
        ('"""\r\n  one\r\n  two\r\n  """', "one\ntwo"),
        ('"""\n  say \\"""hi\\""" and ""\n  """', 'say """hi""" and ""'),
        ('""""""', ""),
    ],
)
def test_texts_are_dedented(written: str, meant: str) -> None:
    assert value(written) == nodes.Text(meant, place())


def test_comments_directly_above_a_block_are_its_doc() -> None:
    text = """mmflow 1
## not this

## First line.
##   Second line.
model a {
  x = 1  ## nor this
  ## Inside.
  inner {}
}
model b {}  ## nor this
# nor this
model c {}
"""
    a, b, c = (each for each in sound(text).items if isinstance(each, nodes.Block))
    assert a.doc == "First line.\n  Second line."
    assert b.doc == c.doc == ""
    inner = a.body.items[1]
    assert isinstance(inner, nodes.Block)
    assert inner.doc == "Inside."


def test_a_doc_is_found_with_any_line_end() -> None:
    (block,) = sound("mmflow 1\r\n## Doc.\r\nmodel a {}\r\n").items
    assert isinstance(block, nodes.Block)
    assert block.doc == "Doc."


@pytest.mark.parametrize("text", ["mmflow 1", "mmflow 1\n", "\n\nmmflow 1", "# hello\nmmflow 1 # there\n\n", "\ufeffmmflow 1\n"])
def test_a_file_may_hold_nothing_but_its_edition(text: str) -> None:
    file = sound(text)
    assert (file.edition, file.items) == ("1", ())


def walk(node: Any) -> list[Any]:
    if isinstance(node, tuple):
        return [inner for each in node for inner in walk(each)]
    if not attrs.has(type(node)) or isinstance(node, Span):
        return []
    return [node, *(inner for field in attrs.fields(type(node)) for inner in walk(getattr(node, field.name)))]


def test_the_span_of_every_node_is_the_text_that_it_was_made_of() -> None:
    checked = 0
    for node in walk(sound(SUPPORT).items):
        text = node.span.text
        assert text == text.strip()
        if isinstance(node, nodes.Ref | nodes.Quantity | nodes.String | nodes.List | nodes.Invoke | nodes.Member | nodes.Compare):
            assert value(text) == node
            checked += 1
        elif isinstance(node, nodes.Attr | nodes.Block | nodes.When | nodes.Else | nodes.Share | nodes.Use | nodes.Let):
            (again,) = sound(f"mmflow 1\n{text}\n").items
            assert again == node
            checked += 1
    assert checked > 300


# ---- the tables


def test_the_grammar_has_no_conflict() -> None:
    Lark(tables.grammar_path().read_text(), parser="lalr", strict=True)


_LARK = Lark(tables.grammar_path().read_text(), parser="lalr", lexer="contextual")
_WORDS = (
    'mmflow 1 = == -> { } [ ] ( ) , . @ when else not and or in with use as import let param using like true a b "s" """t""" 10%'
)
_TOKEN = st.sampled_from([*_WORDS.split(), "\n", "# c\n"])


@settings(max_examples=300, deadline=None)
@given(st.lists(_TOKEN, max_size=25))
def test_what_lark_takes_we_take(words: list[str]) -> None:
    text = "mmflow 1\n" + " ".join(words)
    try:
        _LARK.parse(text)
        taken = True
    except LarkError:
        taken = False
    ours = read(text).diagnostics
    if taken:  # `with {}` on a line of its own is a block to lark
        assert all(each.code == "leading-operator" for each in ours)
    elif not {"mmflow", "use", "import", "let", "param"} & set(words):  # in blocks, these are names to us and keywords to lark
        assert ours


def test_whole_files_are_taken_as_lark_takes_them() -> None:
    assert _LARK.parse(SUPPORT)
    (block,) = sound("mmflow 1\nm a { x = { a = 1, b = { c = [1, [2]] } }, y { z = f(g(h = 1)) } }").items
    assert isinstance(block, nodes.Block)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for caches, and no tables in memory."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(tables, "tables", tables.tables.__wrapped__)
    return tmp_path / "mmflow"


def cached(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def test_tables_are_kept_and_found_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = tables.tables()
    assert cached(cache).stat().st_mode & 0o077 == 0
    monkeypatch.setattr(tables, "_compute", lambda grammar: pytest.fail("they were computed again"))
    assert tables.tables() == first


@pytest.mark.parametrize("damage", [b"", b"{}", b"not a digest\n{}"])
def test_a_damaged_cache_is_replaced(cache: Path, damage: bytes) -> None:
    first = tables.tables()
    path = cached(cache)
    whole = path.read_bytes()
    path.write_bytes(damage)
    assert tables.tables() == first
    assert path.read_bytes() == whole
    path.write_bytes(whole[: len(whole) // 2])
    assert tables.tables() == first
    assert path.read_bytes() == whole


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of folders")
def test_a_cache_that_others_may_write_is_not_read(cache: Path) -> None:
    first = tables.tables()
    path = cached(cache)
    path.write_bytes(b"")
    cache.chmod(0o777)
    assert tables.tables() == first
    assert path.read_bytes() == b""
    cache.chmod(0o700)
    path.chmod(0o666)
    assert tables._load(path) is None


def test_no_place_for_a_cache_does_not_matter(cache: Path) -> None:
    cache.parent.joinpath("mmflow").write_text("a file where the folder should be")
    assert tables.tables().actions


def test_a_second_start_does_not_import_lark(tmp_path: Path) -> None:
    script = "import sys; from mmflow.syntax.tables import tables; tables(); print('lark' in sys.modules)"
    environ = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    outputs = [
        subprocess.run([sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True).stdout.strip()
        for _ in range(2)
    ]
    assert outputs == ["True", "False"]


def test_cached_data_is_plain(cache: Path) -> None:
    tables.tables()
    json.loads(cached(cache).read_bytes().partition(b"\n")[2])


# ---- any text


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_any_text_gives_a_tree_or_diagnostics(text: str) -> None:
    parsed = read(text)
    assert parsed.diagnostics or parsed.file.edition == "1"


@settings(max_examples=300, deadline=None)
@given(st.binary())
def test_any_bytes_give_a_tree_or_diagnostics(data: bytes) -> None:
    parsed = parse(Source.from_bytes("x.mmf", data))
    assert parsed.diagnostics or parsed.file.edition == "1"


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from([*_WORDS.split(), "\n", "\n  ", '"', '"""', ":", "?", "\x00", "é"]), max_size=60), st.booleans())
def test_any_words_give_spans_inside_of_the_text(words: list[str], headed: bool) -> None:
    text = "mmflow 1\n" * headed + " ".join(words)
    for each in read(text).diagnostics:
        assert 0 <= each.span.start <= each.span.end <= len(text)
        assert all(0 <= note.span.start <= note.span.end <= len(text) for note in each.notes if note.span)


@pytest.mark.parametrize("blocks", [50, 100])
def test_the_work_grows_with_the_text(blocks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(count: int) -> int:
        taken = 0
        take = machine.Machine.take

        def counted(self: machine.Machine, kind: str, index: int, *, shift: bool = True) -> bool:
            nonlocal taken
            taken += 1
            return take(self, kind, index, shift=shift)

        with monkeypatch.context() as patched:
            patched.setattr(machine.Machine, "take", counted)
            read("mmflow 1\n" + "model a { x = }\nmodel b { y = [1 2] }\n" * count)
        return taken

    assert steps(2 * blocks) < 2.2 * steps(blocks)
