"""Each mistake of the design, as people make it: its code at its place, with a help, and no errors that follow from it."""

from datetime import date

import pytest
from variants import SUPPORT, VARIANTS, Variant
from vocabulary import Extended

from mmflow.build import build
from mmflow.diagnostics import Diagnostic
from mmflow.source import Source

# Of one mistake, each arm or model that it concerns may be told.
_OF_SEVERAL = {"context-overflow", "guard-broken", "unknown-latency", "unreachable-arm", "untested-arm", "worst-cost"}


def found(text: str) -> list[Diagnostic]:
    return list(build(Source("main.mmf", text), Extended(), today=date(2026, 11, 24)).diagnostics)


@pytest.mark.parametrize("variant", VARIANTS, ids=[f"{each.code}: {each.sentence}" for each in VARIANTS])
def test_a_mistake_has_its_code_at_its_place_and_no_other_errors(variant: Variant) -> None:
    diagnostics = found(variant.text)
    due = [each for each in diagnostics if each.code == variant.code]
    assert due, [each.code for each in diagnostics]
    assert len(due) == 1 or variant.code in _OF_SEVERAL
    assert {each.code for each in diagnostics if each.severity == "error"} <= {variant.code}
    line, column = due[0].span.position()
    rest = variant.text.split("\n")[line - 1][column - 1 :]
    assert rest.startswith(variant.place) if variant.place else not rest.strip()
    assert due[0].help


def test_the_workflow_that_is_edited_has_no_errors() -> None:
    assert [each for each in found(SUPPORT) if each.severity == "error"] == []
