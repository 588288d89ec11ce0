"""The formatter changes the layout of a file and nothing else, and changes it once."""

import re
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import Author

from mmflow.diagnostics import pages
from mmflow.source import Source
from mmflow.syntax import nodes
from mmflow.syntax.format import format
from mmflow.syntax.lexer import scan
from mmflow.syntax.parse import parse

ROOT = Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("workflows/*.mmf"), ROOT / "tests/data/support.mmf"])


def formatted(text: str) -> str:
    done = format(Source("test.mmf", text))
    assert done.text is not None, done.diagnostics
    assert done.diagnostics == ()
    return done.text


def sound(text: str) -> nodes.File:
    parsed = parse(Source("test.mmf", text))
    assert parsed.diagnostics == ()
    return parsed.file


def comments(text: str) -> list[str]:
    """The comments of a text, in order."""
    tokens = scan(text.replace("\r\n", "\n") + "\n")
    line_ends = [tokens.text_of(at) for at, kind in enumerate(tokens.types) if kind == "_NL"]
    return [line.strip() for text in line_ends for line in text.split("\n") if line.strip()]


def words(text: str) -> list[str]:
    """The tokens of a text without commas, and of a text over lines only that it is there."""
    tokens = scan(text.replace("\r\n", "\n") + "\n")
    kept = [tokens.text_of(at) for at, kind in enumerate(tokens.types) if kind not in ("_NL", "COMMA")]
    return [word if "\n" not in word else "TEXT" for word in kept]


def docs(node: Any) -> list[str]:
    """The documentation of every block of a tree, in order."""
    if isinstance(node, tuple):
        return [doc for each in node for doc in docs(each)]
    if not attrs.has(type(node)) or not hasattr(node, "span"):
        return []
    inner = (getattr(node, field.name) for field in attrs.fields(type(node)) if "span" not in field.name)
    return ([node.doc] if isinstance(node, nodes.Block) else []) + [doc for each in inner for doc in docs(each)]


# ---- what holds of any file

random_files = settings(max_examples=150, deadline=None)


@random_files
@given(st.integers(0, 2**32))
def test_the_meaning_of_any_file_stays(seed: int) -> None:
    text = Author(seed).file()
    before = parse(Source("test.mmf", text))
    if before.diagnostics:  # a keyword that serves as a name has met a line end; one file in a hundred
        return
    after = sound(formatted(text))
    assert after == before.file
    assert docs(after) == docs(before.file)


@random_files
@given(st.integers(0, 2**32))
def test_a_second_pass_changes_nothing(seed: int) -> None:
    text = Author(seed).file()
    once = format(Source("test.mmf", text)).text
    assert once is None or formatted(once) == once


@random_files
@given(st.integers(0, 2**32))
def test_every_comment_stays_in_order(seed: int) -> None:
    text = Author(seed).file()
    done = format(Source("test.mmf", text)).text
    assert done is None or comments(done) == comments(text)


@random_files
@given(st.integers(0, 2**32))
def test_operators_that_begin_lines_are_repaired_anywhere(seed: int) -> None:
    text = Author(seed, leading=True).file()
    done = formatted(text)
    sound(done)
    assert words(done) == words(text)
    assert comments(done) == comments(text)
    assert formatted(done) == done


@random_files
@given(st.integers(0, 2**32))
def test_the_layout_is_clean(seed: int) -> None:
    done = format(Source("test.mmf", Author(seed).file())).text
    if done is None:
        return
    tokens = scan(done)
    for at in reversed([at for at, kind in enumerate(tokens.types) if kind == "TEXT"]):
        done = done[: tokens.starts[at]] + "TEXT" + done[tokens.ends[at] :]
    assert not re.search(r"[\t\r\f]|[ \t]\n|\n\n\n|[{\[(]\n\n|\n\n *[}\])]|^\n", done)
    assert done.endswith("\n")
    assert not done.endswith("\n\n")


def test_random_files_are_sound_and_of_all_sorts() -> None:
    texts = [Author(seed).file() for seed in range(200)]
    assert sum(not parse(Source("test.mmf", text)).diagnostics for text in texts) >= 190
    assert sum(formatted(text) != text for text in texts if not parse(Source("test.mmf", text)).diagnostics) >= 190
    for part in ("#", '"""\n', " with ", "else", "use", "import", "\r\n", "using", ",,", "##"):
        assert any(part in text for text in texts), part


# ---- files that are there


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_our_workflows_are_formatted(path: Path) -> None:
    text = path.read_text()
    assert formatted(text) == text


@pytest.mark.parametrize("code", pages.codes())
def test_examples_of_the_pages_are_formatted_where_they_are_sound(code: str) -> None:
    page = pages.page(code)
    assert formatted(page.fixed) == page.fixed
    broken = format(Source("test.mmf", page.broken))
    if broken.text is not None:
        assert formatted(broken.text) == broken.text


def test_the_broken_example_of_leading_operators_becomes_the_fixed_one() -> None:
    page = pages.page("leading-operator")
    assert formatted(page.broken) == page.fixed


# ---- the layout


def body(text: str) -> str:
    """The layout of what stands behind the first line."""
    return formatted(f"mmflow 1\n{text}").removeprefix("mmflow 1\n")


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("let x=1", "let x = 1\n"),
        ("param  x\t=  $50/day", "param x = $50/day\n"),
        ("use  acme . judge @ 2  as  judge", "use acme.judge@2 as judge\n"),
        ('import   "a.mmf"   as a', 'import "a.mmf" as a\n'),
        ("x = f ( a,b = 1 , ) . c ( )", "x = f(a, b = 1).c()\n"),
        ("x = not(a or b)and c", "x = not (a or b) and c\n"),
        ("x = a  not   in[b,c,]", "x = a not in [b, c]\n"),
        ("x = low<medium<high", "x = low < medium < high\n"),
        ("x = a with{b=1}", "x = a with { b = 1 }\n"),
        ("x = [ ]\ny = {,}\nz = f(\n)", "x = []\ny = {}\nz = f()\n"),
        ("x = 5 .a", "x = 5 .a\n"),
        ("x = -5", "x = -5\n"),
        ('test"a b"{}', 'test "a b" {}\n'),
        ("route r{when a->b,10%->c,else->d}", "route r { when a -> b, 10% -> c, else -> d }\n"),
        ("x = 1,, y = 2,\n", "x = 1\ny = 2\n"),
        ("x = 1 # one\n", "x = 1  # one\n"),
        ("x = 1 #one", "x = 1  #one\n"),
        ("\n\n\nx = 1\n\n\n\ny = 2\n\n", "\nx = 1\n\ny = 2\n"),
    ],
)
def test_spaces(written: str, canonical: str) -> None:
    assert body(written) == canonical


def test_a_block_on_one_line_stays_there_and_another_is_broken() -> None:
    assert body("model m { provider = p, id = x }") == "model m { provider = p, id = x }\n"
    assert body("model m { provider = p\n id = x }") == "model m {\n  provider = p\n  id = x\n}\n"
    assert body("model m {\n\n provider = p, id = x\n\n}") == "model m {\n  provider = p\n  id = x\n}\n"


def test_what_is_broken_and_a_value_has_commas_behind_each_line() -> None:
    assert body("x = [a,\nb]") == "x = [\n  a,\n  b,\n]\n"
    assert body("x = {a = 1\nb = 2}") == "x = {\n  a = 1,\n  b = 2,\n}\n"
    assert body("x = f(\na, b = 1)") == "x = f(\n  a,\n  b = 1,\n)\n"
    assert body("x = a with {\nb = 1}") == "x = a with {\n  b = 1,\n}\n"
    assert body("x = (\na)") == "x = (\n  a\n)\n"


def test_what_is_wider_than_the_page_is_broken_from_the_outside_in() -> None:
    long = "a" * 50
    assert body(f"x = [{long}, [b, c], {long}]") == f"x = [{long}, [b, c], {long}]\n"
    assert body(f"x = [{long}, [b, c, d, e], {long}]") == f"x = [\n  {long},\n  [b, c, d, e],\n  {long},\n]\n"
    block = f"model m {{ a = {long[2:]}, b = {long} }}"
    assert body(block) == block + "\n"
    assert body(block.replace("b =", "bc =")) == f"model m {{\n  a = {long[2:]}\n  bc = {long}\n}}\n"


def test_120_columns_fit_and_a_comment_does_not_count() -> None:
    fits = f'x = ["{"a" * 112}"]'
    assert len(fits) == 120
    assert body(fits + "  # why this is so") == fits + "  # why this is so\n"
    assert body(fits.replace("aa", "aaa", 1)).startswith("x = [\n")


def test_a_long_condition_goes_on_below_behind_an_operator() -> None:
    first, second, third = (f"task == {letter * 40}" for letter in "abc")
    assert body(f"route r {{\nwhen {first} and {second} or {third} -> d\n}}") == (
        f"route r {{\n  when {first} and {second} or\n    {third} -> d\n}}\n"
    )


def test_an_authors_line_end_behind_an_operator_stays() -> None:
    assert body("x = a and\nb or # why\n\n   # more\n\n  c") == "x = a and\n  b or  # why\n  # more\n  c\n"


def test_comments_stay_with_what_they_are_about() -> None:
    text = """
# Above.
model m { # behind the brace

      # first


      a = [ # behind the bracket
        b # behind an element
        , c, # behind another

        # last

      ]
      d = 1 # behind an attribute
      # the end of m

} # behind m
# The end.
"""
    assert (
        body(text)
        == """
# Above.
model m {  # behind the brace
  # first

  a = [  # behind the bracket
    b,  # behind an element
    c,  # behind another

    # last
  ]
  d = 1  # behind an attribute
  # the end of m
}  # behind m
# The end.
"""
    )


def test_comments_may_stand_before_the_edition() -> None:
    assert formatted("\n# one\n\n\n  # two\nmmflow  1 # three") == "# one\n\n# two\nmmflow 1  # three\n"


def test_documentation_neither_comes_nor_goes() -> None:
    text = "mmflow 1\nx = 1 ## a\nmodel m {}\n## b\nmodel n {}\n## c\n\nmodel o {}\n"
    text += "y = 2\n## d\n, model p {}\nz = 1\n, ## e\nmodel q {}"
    done = formatted(text)
    assert docs(sound(done)) == docs(sound(text)) == ["", "b", "", "", ""]
    assert comments(done) == ["## a", "## b", "## c", "## d", "## e"]


def test_line_ends_and_the_mark_of_byte_order() -> None:
    assert formatted("\ufeffmmflow 1\r\n\r\nx = 1  # c\r\n\r\n") == "mmflow 1\n\nx = 1  # c\n"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ('x = """\nHello\n  you\n"""', 'x = """\n  Hello\n    you\n  """\n'),
        (
            'm { else -> """\n\n        Hello\n\n\n          you"""\n}',
            'm {\n  else -> """\n\n    Hello\n\n\n      you\n    """\n}\n',
        ),
        ('x = """\n\tHello\n\t  you\n\t"""', 'x = """\n  Hello\n    you\n  """\n'),
        ('x = """\n"""', 'x = """\n  """\n'),
        ('x = f("""\na\n""",b)', 'x = f("""\n  a\n  """, b)\n'),
        ('x = """one line"""', 'x = """one line"""\n'),
        ('x = """begins\n   at once\n """', 'x = """begins\n   at once\n """\n'),
    ],
)
def test_a_text_is_indented_with_its_block(written: str, canonical: str) -> None:
    assert body(written) == canonical


def test_spaces_at_the_end_of_a_line_of_a_text_stay_in_its_value() -> None:
    text = 'mmflow 1\nx = """\n  a   \n  b\n  """\n'
    assert formatted(text) == text


# ---- operators that begin a line


@pytest.mark.parametrize(
    ("written", "repaired"),
    [
        ("x = a\n  and b\n  or c", "x = a and\n  b or\n  c\n"),
        ("x = a # one\n # two\n and # three\n b # four", "x = a and  # one\n  # two\n  # three\n  b  # four\n"),
        ("r {\nwhen a\n -> b\nelse\n -> c\n10%\n -> d\n}", "r {\n  when a -> b\n  else -> c\n  10% -> d\n}\n"),
        ("r {\n# zero\nwhen a # one\n # two\n -> b # three\n}", "r {\n  # zero\n  # one\n  # two\n  when a -> b  # three\n}\n"),
        ("r {\nwhen a\nand b # one\n-> c\n}", "r {\n  when a and\n    # one\n    b -> c\n}\n"),
        ("r {\nwhen (\na # one\n) # two\n -> b\n}", "r {\n  when (\n    a  # one\n    # two\n  ) -> b\n}\n"),
        ("x = a\n  in [b]", "x = a in [b]\n"),
        ("x = a\n  == b", "x = a == b\n"),
        ("x = a\n  .b\n  .c", "x = a.b.c\n"),
        ("x = a\n  with { b = 1 }", "x = a with { b = 1 }\n"),
    ],
)
def test_a_leading_operator_is_put_where_it_may_stand(written: str, repaired: str) -> None:
    assert body(written) == repaired


def test_a_keyword_as_a_name_is_never_put_at_the_start_of_a_line() -> None:
    long = "a" * 60
    done = body(f"x = [in, {long}, and, {long}]")
    assert done == f"x = [in,\n  {long}, and,\n  {long},\n]\n"
    assert body(done) == done
    assert body("m {\nx = 1 # one\n, or n {}\nin = 2\n}") == "m {\n  # one\n  x = 1, or n {}\n  in = 2\n}\n"


# ---- files that are left alone


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("", {"edition-missing"}),
        ("x = 1\n", {"edition-missing"}),
        ("mmflow 2\nx ~ 1\n", {"edition-newer"}),
        ("mmflow 1\nx =\n", {"value-missing"}),
        ("mmflow 1\nmodel m {\n", {"open-brace"}),
        ("mmflow 1\nx = a\n and b\ny =\n", {"leading-operator", "value-missing"}),
        ("mmflow 1\nx = 1\u202e\n", {"not-text"}),
        ("mmflow 1\nx = " + "[" * 200 + "]" * 200, {"too-deep"}),
    ],
)
def test_a_file_with_errors_is_not_formatted(text: str, codes: set[str]) -> None:
    done = format(Source("test.mmf", text))
    assert done.text is None
    assert {each.code for each in done.diagnostics} == codes


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('ab=,{}[]()#\n"-><. 1%')) | st.text())
def test_any_text_is_formatted_or_has_errors(text: str) -> None:
    done = format(Source("test.mmf", "mmflow 1\n" + text))
    assert (done.text is None) == bool(done.diagnostics)
    if done.text is not None:
        assert formatted(done.text) == done.text


def test_names_are_not_looked_up() -> None:
    text = "mmflow 1\n\nuse nobody.has_this@7 as it\n\nclassify task using it.word { colour = blue }\n"
    assert formatted(text) == text
