"""`allow`: a warning is silenced in its block alone, with a reason, while it is due; nothing that matters is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmflow.build import build
from mmflow.diagnostics import Diagnostic, pages
from mmflow.registry import Registry
from mmflow.source import Source

HEAD = "mmflow 1\n"
CHEAP = 'model cheap { provider = openai, id = "gpt-4o-mini" }\n'
FLOW = "flow main { else -> cheap }\n"


def found(text: str, **files: str) -> list[Diagnostic]:
    return list(
        build(Source("main.mmf", text), Registry.installed(), read=lambda path: Source(path, files[path[:-4]])).diagnostics
    )


def codes(text: str, **files: str) -> list[str]:
    return [each.code for each in found(text, **files)]


def unused(allow: str) -> str:
    """A file with a model that is not used, and what it allows."""
    return f'{HEAD}{CHEAP}model spare {{ provider = openai, id = "gpt-4o", allow = {allow} }}\n{FLOW}'


def test_a_warning_is_silenced_with_a_reason() -> None:
    assert codes(unused("[unknown_price]")) == ["unused", "idle-allow"]
    assert codes(unused('[unused("kept for the next quarter")]')) == []


def test_only_the_code_that_is_named_is_silenced() -> None:
    text = f"""{HEAD}{CHEAP}
model spare {{ provider = sim, id = "s" }}
tier both {{ models = [spare], min_quality = 0.5, allow = [unknown_quality("measured in May")] }}
flow main {{ when request.has_tools -> both, else -> cheap }}
"""
    assert codes(text) == ["unknown-price"]


def test_a_block_silences_nothing_outside_of_itself() -> None:
    other = 'model other { provider = openai, id = "gpt-4o" }\n'
    (diagnostic,) = found(unused('[unused("kept")]') + other)
    assert diagnostic.code == "unused"
    assert diagnostic.span.text == "other"


def test_a_copy_does_not_inherit_what_its_base_allows() -> None:
    (diagnostic,) = found(unused('[unused("kept")]') + 'model copy like spare { id = "gpt-5.6-sol" }\n')
    assert diagnostic.code == "unused"
    assert diagnostic.span.text == "copy"


def test_a_block_may_allow_a_warning_about_a_value_that_it_copies() -> None:
    text = f"""{HEAD}{CHEAP}
tier base {{ models = [cheap], min_quality = 0.5 }}
tier copy like base {{ pick = cheapest, allow = [unknown_quality("measured in May")] }}
flow main {{ when request.has_tools -> copy, else -> base }}
"""
    (diagnostic,) = found(text)
    assert diagnostic.code == "unknown-quality"
    assert "`base`" in diagnostic.message


def test_a_list_may_be_a_value_of_its_own() -> None:
    assert codes('mmflow 1\nlet house = [unused("kept")]\n' + unused("house").removeprefix(HEAD)) == []


def test_without_a_reason_it_is_silenced_and_complained_of() -> None:
    for entry in ("unused", "unused()", 'unused("")', 'unused("  ")'):
        (diagnostic,) = found(unused(f"[{entry}]"))
        assert diagnostic.code == "idle-allow"
        assert diagnostic.severity == "warning"
        assert "without a reason" in diagnostic.message
        assert diagnostic.span.text == entry


def test_what_silences_nothing_is_idle() -> None:
    (diagnostic,) = found(unused('[unused("kept"), unknown_price("ours")]'))
    assert diagnostic.code == "idle-allow"
    assert diagnostic.span.text == 'unknown_price("ours")'


def test_the_second_of_two_for_one_code_is_idle() -> None:
    (diagnostic,) = found(unused('[unused("kept"), unused("and kept")]'))
    assert diagnostic.code == "idle-allow"
    assert diagnostic.span.text == 'unused("and kept")'


def test_nothing_is_idle_while_an_error_keeps_checks_from_being_made() -> None:
    assert codes(unused('[unused("kept")]') + "model broken { }\n") == ["missing-field", "missing-field"]


@pytest.mark.parametrize("code", ["unknown_name", "uncovered", "shares", "secret_in_file"])
def test_an_error_cannot_be_allowed(code: str) -> None:
    text = unused(f'[{code}("we know")]')
    refusal = next(each for each in found(text) if each.code == "out-of-range")
    assert refusal.severity == "error"
    assert f"`{code}` is an error, and errors cannot be allowed" in refusal.message


def test_a_code_that_can_be_both_is_not_silenced_as_an_error() -> None:
    model = 'model own { provider = sim, id = "own-7b", allow = [unknown_price("ours")] }\n'
    assert codes(HEAD + model + "flow main { else -> own }") == []
    (diagnostic,) = found(HEAD + model + "flow main { max_cost = $1\n else -> own }")
    assert (diagnostic.code, diagnostic.severity) == ("unknown-price", "error")


def test_an_unknown_code_names_the_nearest() -> None:
    refusal = next(each for each in found(unused('[unusd("kept")]')) if each.code == "unknown-name")
    assert refusal.help == "did you mean `unused`?"
    dashed = next(each for each in found(unused('[unreachable_arms("kept")]')) if each.code == "unknown-name")
    assert dashed.help == "did you mean `unreachable_arm`?"


@pytest.mark.parametrize("value", ['unused("kept")', '"unused"', "3", '["unused"]', '[unused("a", "b")]', "[unused(3)]"])
def test_another_form_is_refused_with_the_right_one(value: str) -> None:
    refusal = next(each for each in found(unused(value)) if each.code == "wrong-type")
    assert 'allow = [unused("' in (refusal.help or "")


def test_it_is_allowed_in_an_imported_file_and_never_idle_there() -> None:
    library = """mmflow 1
model own { provider = sim, id = "own-7b", allow = [unknown_price("ours"), unused("a library")] }
"""
    main = 'mmflow 1\nimport "lib.mmf" as lib\nflow main { else -> lib.own }\n'
    assert codes(main, lib=library) == []
    assert codes(main, lib=library.replace('allow = [unknown_price("ours"), unused("a library")]', "")) == ["unknown-price"]


@given(st.lists(st.sampled_from([each.replace("-", "_") for each in pages.codes()]), max_size=4))
def test_no_list_of_codes_hides_an_error_or_grows_silent_about_itself(listed: list[str]) -> None:
    entries = ", ".join(f'{each}("a reason")' for each in listed)
    diagnostics = found(unused(f"[{entries}]"))
    told = {each.span.text.partition("(")[0] for each in diagnostics if each.code in ("idle-allow", "out-of-range")}
    has_error = any(each.severity == "error" for each in diagnostics)
    for code in listed:
        if pages.page(code.replace("_", "-")).severity == "error" or (code != "unused" and not has_error):
            assert code in told
    assert ("unused" in [each.code for each in diagnostics]) == ("unused" not in listed)
