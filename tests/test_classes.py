"""Classes of data: a caller may raise one and never lower it, and private data that is told apart is guarded."""

import pytest

from mmflow.build import build
from mmflow.check.imports import no_reader
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source

HEAD = """mmflow 1
provider dc1 using sim { zone = own }
model llama { provider = dc1, id = "llama", price = free }
model mini { provider = openai, id = "gpt-4o-mini" }
"""
DATA = """classify data using keywords {
  patterns = { public = ["weather"], confidential = ["iban"] }
  labels = public < internal < confidential
  unsure = up
}
"""
PII = """classify data using pii {
  finds = { confidential = [card], internal = [email] }
  labels = public < internal < confidential
  unsure = up
}
"""


def found(text: str) -> list[Diagnostic]:
    return list(build(Source("data.mmf", HEAD + text), Registry.installed(), read=no_reader).diagnostics)


def rule(condition: str) -> list[Diagnostic]:
    """What is said of a guard with this condition, in a flow that goes home in any case."""
    text = DATA + f"guard residency {{ when {condition} -> target.zone == own }}\n"
    text += "flow main {\n  guards = [residency]\n  when data >= internal -> llama\n  else -> llama\n}\n"
    return [each for each in found(text) if each.code not in ("unused", "copied-arm")]


@pytest.mark.parametrize(
    ("condition", "witness"),
    [
        ('data >= confidential and request.meta("class") != "public"', "request.meta.class = public"),
        ('data >= confidential and not (request.meta("class") == "public")', "request.meta.class = public"),
        ('data >= confidential and request.user == "me"', "request.user = another"),
        ("data >= confidential and request.has_tools", "request.has_tools = false"),
        ("data >= confidential and request.tokens > 100", "request.tokens = 99"),
        ('data >= confidential and request.text matches "secret"', "matches"),
        ('data == confidential or (data == internal and request.language == "de")', "data = internal"),
        ('request.meta("class") == "secret" or (data == confidential and request.user == "me")', "data = confidential"),
    ],
)
def test_what_a_caller_says_may_not_keep_a_rule_from_holding(condition: str, witness: str) -> None:
    (lowered,) = rule(condition)
    assert (lowered.code, lowered.severity) == ("class-lowered", "error")
    assert witness in lowered.message
    assert "guard `residency` does not hold" in lowered.message
    assert "other" not in lowered.message.replace("another", "")
    assert lowered.span.text == condition


@pytest.mark.parametrize(
    "condition",
    [
        "data >= confidential",
        'request.meta("class") == "secret"',
        'data >= confidential or request.meta("class") == "secret"',
        'data >= confidential or (request.has_tools and request.user == "me")',
        'request.meta("class") == "secret" and request.has_tools',
        "data >= confidential and (request.has_tools or not request.has_tools)",
        'data >= internal or (data == public and request.meta("class") == "secret")',
    ],
)
def test_a_caller_may_raise_a_class(condition: str) -> None:
    assert [each.code for each in rule(condition) if each.code == "class-lowered"] == []


# ---- private data -----------------------------------------------------------------------------------------------------------

ARMS = "  when data >= internal -> llama\n  else -> mini\n}\n"
GUARD = "guard residency { when data >= internal -> target.zone == own }\n"


def test_private_data_that_no_guard_mentions_is_a_warning() -> None:
    (unguarded,) = found(PII + "flow main {\n" + ARMS)
    assert (unguarded.code, unguarded.severity, unguarded.span.text) == ("unguarded-class", "warning", "data")
    assert unguarded.message == "`data` finds private data, and no guard mentions it"


def test_a_flow_that_routes_by_it_names_a_guard_about_it() -> None:
    text = PII + GUARD + "flow main {\n  guards = [residency]\n" + ARMS
    assert found(text) == []
    (unguarded,) = found(text + "flow other {\n" + ARMS)
    assert (unguarded.code, unguarded.span.text) == ("unguarded-class", "flow other")


def test_a_route_below_the_flow_counts_as_its_own_arms() -> None:
    text = PII + GUARD + "flow main {\n  guards = [residency]\n" + ARMS
    text += "route table {\n" + ARMS + "flow other { else -> table }\n"
    assert [each.span.text for each in found(text) if each.code == "unguarded-class"] == ["flow other"]


def test_other_classifiers_need_no_guard() -> None:
    assert found(DATA + "flow main {\n" + ARMS) == []


def test_it_may_be_allowed_with_a_reason() -> None:
    allowed = PII.replace("unsure", 'allow = [unguarded_class("everything is ours")]\n  unsure')
    assert found(allowed + "flow main {\n" + ARMS) == []
