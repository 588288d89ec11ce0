"""Every code has a page, and the page's examples are true."""

import ast
import sys
from datetime import date
from pathlib import Path

import pytest

from mmflow.build import build
from mmflow.check.imports import no_reader
from mmflow.diagnostics import Diagnostic, pages
from mmflow.registry import Registry
from mmflow.registry.entry_points import EntryPoint, scan
from mmflow.source import Source
from mmflow.syntax.parse import parse

PACKAGE = Path(pages.__file__).parents[1]
HELLO = PACKAGE.parent / "plugins" / "mmflow-hello"
TODAY = date(2026, 11, 24)
"""The day of the pages: models and prices grow old."""


def words() -> Registry:
    """The installed words, and those of the plugin for authors to copy, which pages use where no word of ours would do."""
    if str(HELLO) not in sys.path:
        sys.path.append(str(HELLO))
    installed = [entry for entry in scan() if entry.name != "hello"]
    return Registry([*installed, EntryPoint("hello", "mmflow_hello", "mmflow-hello", "0.1.0")])


WORDS = words()


def diagnose(text: str) -> list[Diagnostic]:
    """What `mmflow check` finds beside the files that a page names, of which those called `missing` are not there."""
    source = Source("example.mmf", text)
    if errors := [each for each in parse(source).diagnostics if each.severity == "error"]:
        return errors
    found = build(source, WORDS, read=no_reader, today=TODAY, exists=lambda path: "missing" not in path)
    return list(found.diagnostics)


def codes_in_the_source() -> set[str]:
    """The literals with which diagnostics are made, wherever they are."""
    found: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                made = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                code = node.args[0].value
                is_code = isinstance(code, str) and code.replace("-", "").isalpha() and code.islower()
                if is_code and made in {"error", "warning", "note", "here", "behind", "Mistake"}:
                    found.add(str(code))
    return found


def test_every_code_in_the_source_has_a_page() -> None:
    assert {"unexpected-token", "unknown-name"} <= codes_in_the_source()
    assert codes_in_the_source() - set(pages.codes()) == set()


@pytest.mark.parametrize("code", pages.codes())
def test_a_page_is_complete(code: str) -> None:
    page = pages.page(code)
    assert page.text.startswith(f"# {code}\n\n{page.severity}\n\n")
    assert page.severity in ("error", "warning", "note")
    assert page.summary
    assert page.broken.endswith("\n")
    assert page.fixed.endswith("\n")


@pytest.mark.parametrize("code", pages.codes())
def test_the_broken_example_gives_its_code_alone(code: str) -> None:
    page = pages.page(code)
    assert {(each.code, each.severity) for each in diagnose(page.broken)} == {(code, page.severity)}


@pytest.mark.parametrize("code", pages.codes())
def test_the_fixed_example_gives_nothing(code: str) -> None:
    assert diagnose(pages.page(code).fixed) == []


def test_an_unknown_code_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="did you mean `open-brace`"):
        pages.page("open-brase")
