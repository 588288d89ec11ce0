"""Guards: proved over every call that a flow can make, with the path and a request that takes it."""

from hypothesis import given
from hypothesis import strategies as st

from mmflow.check import check
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source
from mmflow.syntax.parse import parse

FILE = """mmflow 1
provider dc1 using sim { zone = own, region = eu }
model llama { provider = dc1, id = "llama", price = free }
model small_judge like llama { id = "judge" }
model mini { provider = openai, id = "gpt-4o-mini" }
model sonnet { provider = anthropic, id = "claude-sonnet-4-6" }
classify data using keywords {
  patterns = { public = ["weather"], confidential = ["iban"] }
  labels = public < internal < confidential
  unsure = up
}
classify task using keywords {
  patterns = { code = ["stack trace"] }
  labels = [code, other]
  unsure = other
}
scorer quality using judge { model = small_judge }
guard residency { when data >= confidential -> target.zone == own }
tier private { models = [llama] }
cascade answer { steps = [llama, mini], accept = quality >= 0.8 }
fallback code_answer { try = [sonnet, mini] }
flow support {
  guards = [residency]
  when data >= confidential -> private
  when task == code -> code_answer
  else -> answer
}
"""


def found(text: str) -> list[Diagnostic]:
    parsed = parse(Source("support.mmf", text))
    assert not parsed.diagnostics, parsed.diagnostics
    return list(check(parsed.file, Registry.installed()).diagnostics)


def codes(text: str) -> list[str]:
    return [each.code for each in found(text)]


def test_a_flow_that_sends_guarded_data_home_first_is_clean() -> None:
    assert codes(FILE) == []


def test_a_private_arm_that_is_moved_down_breaks_the_guard() -> None:
    private, code = "  when data >= confidential -> private\n", "  when task == code -> code_answer\n"
    broken = [each for each in found(FILE.replace(private + code, code + private)) if each.code == "guard-broken"]
    assert [each.message for each in broken] == [
        "guard `residency` is broken: with data = confidential, task = code this reaches `sonnet` on `anthropic`",
        "guard `residency` is broken: with data = confidential, task = code this reaches `mini` on `openai`",
    ]
    assert broken[0].span.text == "when task == code -> code_answer"
    assert broken[0].help == "path: support -> code_answer -> sonnet"
    assert [note.message for note in broken[0].notes] == ["the rule: when data >= confidential -> target.zone == own"]


def test_a_judge_abroad_breaks_the_guard() -> None:
    text = FILE.replace("private\n", "careful\n").replace("model = small_judge", "model = mini")
    text += "cascade careful { steps = [llama, small_judge], accept = quality >= 0.8 }\n"
    (broken,) = [each for each in found(text) if each.code == "guard-broken"]
    assert broken.help == "path: support -> careful -> quality -> mini"


def test_a_second_step_abroad_breaks_the_guard() -> None:
    (broken,) = [
        each for each in found(FILE.replace("confidential -> private", "confidential -> answer")) if "guard" in each.code
    ]
    assert broken.help == "path: support -> answer -> mini"


def test_a_nested_route_is_followed() -> None:
    text = FILE.replace("else -> answer", "else -> rest") + "route rest { when data == internal -> mini, else -> answer }\n"
    assert codes(text) == []
    (broken,) = [
        each for each in found(text.replace("confidential -> target", "internal -> target")) if each.message.count("`mini`")
    ][:1]
    assert "data = internal" in broken.message


def test_a_guard_on_request_fields_is_proved_too() -> None:
    text = FILE.replace("when data >= confidential -> target", 'when request.meta("class") == "secret" -> target')
    assert "guard-broken" in codes(text)
    safe = text.replace("when data >= confidential -> private", 'when request.meta("class") == "secret" -> private')
    assert "guard-broken" not in codes(safe)


def test_needs_may_be_alternatives_and_exclusions() -> None:
    rule = "target.zone == own"
    assert codes(FILE.replace(rule, "target.region in [eu, ch] and not (target.provider == openai)")) == []
    assert codes(FILE.replace(rule, "target.zone == own or target.family == llama")) == []
    assert "guard-broken" in codes(FILE.replace(rule, "target.region != eu or target.name == mini"))


def test_a_rule_that_no_model_satisfies_is_told() -> None:
    assert codes(FILE.replace("target.zone == own", "target.region == mars")) == ["guard-empty", "guard-broken"]


def test_what_a_guard_cannot_ask_is_refused() -> None:
    assert codes(FILE.replace("target.zone == own", "target.zone == private")) == ["wrong-type"]
    assert codes(FILE.replace("target.zone == own", "target.zon == own")) == ["unknown-field"]
    assert codes(FILE.replace("target.zone == own", "target.provider == dc2")) == ["unknown-name"]
    assert codes(FILE.replace("-> target.zone == own", "-> llama")) == ["wrong-type"]
    assert codes(FILE.replace("when data >= confidential -> target", "else -> target")) == ["wrong-type"]


def test_a_guard_that_no_flow_names_is_unused() -> None:
    assert codes(FILE.replace("  guards = [residency]\n", "")) == ["unused"]


ARMS = ("when data >= confidential -> private", "when task == code -> code_answer", "when data == internal -> mini")


@given(st.permutations(ARMS))
def test_the_order_of_arms_alone_decides(arms: list[str]) -> None:
    """The private arm must come before the one for code, which reads nothing of the data; the third is about internal data."""
    head, _, _ = FILE.partition("  when data >= confidential -> private\n")
    text = head + "".join(f"  {arm}\n" for arm in arms) + "  else -> private\n}\n"
    broken = "guard-broken" in codes(text)
    assert broken == (arms.index(ARMS[1]) < arms.index(ARMS[0]))
