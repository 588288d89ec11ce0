"""Prompts, outputs and caches as written: what they take, what they refuse, and what the plan has of them."""

from pathlib import Path

import pytest
from vocabulary import Extended

from mmflow import plan
from mmflow.build import build
from mmflow.diagnostics import Diagnostic
from mmflow.plan import LabelIs, Output, PromptArm, Slot, TargetIs
from mmflow.source import Source

HEAD = """mmflow 1
model cheap { provider = openai, id = "gpt-4o-mini" }
classify complexity using heuristic { labels = low < medium < high, unsure = up }
"""
TAIL = "\nflow f { prompt = voice\n when complexity == low -> cheap\n else -> cheap with { max_output = 5 } }"


def found(text: str, path: Path | None = None) -> list[Diagnostic]:
    source = Source(str(path / "test.mmf") if path else "test.mmf", text)
    return list(build(source, Extended()).diagnostics)


def plan_of(text: str) -> plan.Plan:
    built = build(Source("test.mmf", text), Extended())
    assert built.plan is not None, built.diagnostics
    assert plan.decode(plan.encode(built.plan)) == built.plan
    return built.plan


def parts(template: str, before: str = "") -> tuple[str | Slot, ...]:
    compiled = plan_of(HEAD + before + f"\nprompt voice {{ else -> {template} }}" + TAIL)
    return compiled.prompts["voice"].arms[0].parts


def one(template: str, before: str = "") -> Diagnostic:
    text = HEAD + before + f"\nprompt voice {{ else -> {template} }}" + TAIL
    (diagnostic,) = found(text)
    return diagnostic


# ---- prompts ------------------------------------------------------------------------------------------------------------------


def test_a_template_is_texts_and_places() -> None:
    template = '"""\n    For {{request.user}} of {{ request.meta("team") }}, in {{ request.language }}:\n'
    template += '      {{ complexity }}.\n    """'
    assert parts(template) == (
        "For ",
        Slot("request.user"),
        " of ",
        Slot("request.meta.team"),
        ", in ",
        Slot("request.language"),
        ":\n  ",
        Slot("complexity"),
        ".",
    )


def test_a_value_with_a_name_is_set_in_as_text_and_not_read_again() -> None:
    before = 'let tone = "kind {{ request.user }}"\nparam most = 5s\n'
    assert parts('"Be {{ tone }} for {{ most }}."', before) == ("Be kind {{ request.user }} for 5s.",)


def test_a_whole_template_may_have_a_name() -> None:
    assert parts("text", 'let text = "In {{ request.language }}."') == ("In ", Slot("request.language"), ".")


def test_two_braces_are_written_as_a_string_in_a_place() -> None:
    assert parts('"""{{ "{{" }} x }} { y }"""') == ("{{ x }} { y }",)


def test_arms_ask_for_facts_of_the_model_and_end_at_else() -> None:
    text = (
        HEAD
        + 'prompt voice { when target.family in ["llama", "qwen"] -> "a"\n when target.zone != own -> "b"\n else -> "" }'
        + TAIL
    )
    assert plan_of(text).prompts["voice"].arms == (
        PromptArm(((TargetIs("family", "==", "llama"),), (TargetIs("family", "==", "qwen"),)), ("a",)),
        PromptArm(((TargetIs("zone", "!=", "own"),),), ("b",)),
        PromptArm(None, ()),
    )


BROKEN = {
    "a field that is misspelt": ('"In {{ request.languag }}."', "unknown-field", "request.languag", "language"),
    "a number": ('"{{ request.tokens }}"', "wrong-type", "request.tokens", "request.language"),
    "a classifier that is misspelt": ('"a {{ complexty }}"', "unknown-name", "complexty", "complexity"),
    "a model": ('"a {{ cheap }}"', "wrong-type", "cheap", "classifier"),
    "an expression": ('"a {{ 1 + 1 }}"', "wrong-type", "1 + 1", "{{"),
    "nothing": ('"a {{ }}"', "wrong-type", "{{ }}", "request.language"),
    "a place without an end": ('"a {{ request.user"', "wrong-type", "{{ request.user", "}}"),
    "a name": ("voice_text", "wrong-type", "voice_text", None),
    "a list with a name": ('"a {{ some }}"', "wrong-type", "some", None),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_in_a_template_is_told_in_its_place(name: str) -> None:
    template, code, place, fix = BROKEN[name]
    diagnostic = one(template, "let some = [cheap]" if "some" in template else "")
    assert (diagnostic.code, diagnostic.span.text) == (code, place)
    assert fix is None or fix in (diagnostic.help or "")


def test_a_mistake_on_a_later_line_of_a_text_block_is_told_there() -> None:
    diagnostic = one('"""\n    Hello {{ request.user }},\n    in {{ nope }}.\n    """')
    assert (diagnostic.code, diagnostic.span.text) == ("unknown-name", "nope")


def test_conditions_of_a_prompt_are_about_the_model() -> None:
    (diagnostic,) = found(HEAD + 'prompt voice { when complexity == low -> "a" }' + TAIL)
    assert (diagnostic.code, "target.zone" in (diagnostic.help or "")) == ("wrong-type", True)


@pytest.mark.parametrize(
    ("arms", "codes"),
    [
        ('else -> "a"\n when target.zone == own -> "b"', ["unreachable-arm"]),
        ('else -> "a"\n else -> "b"', ["unreachable-arm"]),
        ('when target.zone == own -> "a"\n when target.zone == own and target.region == eu -> "b"', ["unreachable-arm"]),
        ('when target.zone == own and target.region == eu -> "a"\n when target.zone == own -> "b"', []),
        ("", ["out-of-range"]),
    ],
)
def test_a_template_that_no_model_gets_is_told(arms: str, codes: list[str]) -> None:
    assert [each.code for each in found(HEAD + f"prompt voice {{ {arms} }}" + TAIL)] == codes


def test_a_classifier_that_only_a_prompt_reads_is_used() -> None:
    text = HEAD + 'prompt voice { else -> "{{ complexity }}" }\nflow f { prompt = voice\n else -> cheap }'
    assert found(text) == []


# ---- outputs ------------------------------------------------------------------------------------------------------------------


def test_an_output_has_a_form_a_schema_and_what_to_do() -> None:
    text = HEAD + 'output reply { format = json, schema = file("s/reply.json"), on_invalid = retry(2) }\n'
    text += "flow f { output = reply\n when complexity == low -> cheap\n else -> cheap with { max_output = 5 } }"
    compiled = plan_of(text)
    assert compiled.outputs["reply"] == Output(name="reply", format="json", schema_file="s/reply.json", retry_times=2)
    assert compiled.flows["f"].output == "reply"


@pytest.mark.parametrize(
    ("body", "code", "fix"),
    [
        ('schema = file("reply.json")', "wrong-type", "format = json"),
        ("on_invalid = retry", "wrong-type", "retry(1)"),
        ("on_invalid = retry(9)", "out-of-range", "fail"),
        ("on_invalid = retry(0)", "out-of-range", "fail"),
        ("on_invalid = reject", "wrong-type", None),
        ("format = yaml", "wrong-type", None),
    ],
)
def test_an_output_that_cannot_be_is_refused(body: str, code: str, fix: str | None, tmp_path: Path) -> None:
    (tmp_path / "reply.json").write_text("{}")
    text = HEAD + f"output reply {{ {body} }}\n" + TAIL.replace("prompt = voice", "output = reply")
    (diagnostic,) = found(text, tmp_path)
    assert diagnostic.code == code
    assert fix is None or fix in (diagnostic.help or "")


# ---- caches -------------------------------------------------------------------------------------------------------------------


def test_a_cache_is_exact_and_off_while_a_condition_holds() -> None:
    text = (
        HEAD
        + "cache kept { ttl = 5m, scope = team, zone = own\n when complexity >= medium -> off\n when request.has_tools -> off }"
    )
    compiled = plan_of(text + TAIL.replace("prompt = voice", "cache = kept"))
    kept = compiled.caches["kept"]
    assert (kept.word, kept.ttl_s, kept.scope, kept.zone) == ("exact", 300.0, "team", "own")
    assert kept.off[0] == LabelIs("complexity", ("medium", "high"))
    assert len(kept.off) == 2
    assert compiled.flows["f"].cache == "kept"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("when complexity == low -> cheap", "wrong-type"),
        ("when complexity == lo -> off", "unknown-label"),
        ("else -> off", "wrong-type"),
        ("ttl = 0s", "out-of-range"),
        ("scope = everybody", "wrong-type"),
    ],
)
def test_a_cache_that_cannot_be_is_refused(body: str, code: str) -> None:
    (diagnostic,) = found(HEAD + f"cache kept {{ {body} }}" + TAIL.replace("prompt = voice", "cache = kept"))
    assert diagnostic.code == code
