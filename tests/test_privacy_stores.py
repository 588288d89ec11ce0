"""What keeps guarded content: caches, recordings, and what a budget degrades to."""

import pytest

from mmflow.build import build
from mmflow.check.imports import no_reader
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source

HEAD = """mmflow 1
provider dc1 using sim { zone = own, region = eu }
model llama { provider = dc1, id = "llama", price = free }
model mini { provider = openai, id = "gpt-4o-mini" }
classify data using keywords {
  patterns = { public = ["weather"], confidential = ["iban"] }
  labels = public < internal < confidential
  unsure = up
}
guard residency { when data >= confidential -> target.zone == own }
"""
ARMS = "  when data >= confidential -> llama\n  else -> mini\n}\n"


def guarded(text: str) -> list[Diagnostic]:
    """What is said of guards."""
    found = build(Source("support.mmf", HEAD + text), Registry.installed(), read=no_reader).diagnostics
    strange = [each for each in found if each.severity == "error" and "guard" not in each.code]
    assert not strange, strange
    return [each for each in found if "guard" in each.code]


def cached(cache: str, guards: str = "residency") -> list[Diagnostic]:
    return guarded(f"cache answers {{ {cache} }}\nflow main {{\n  guards = [{guards}]\n  cache = answers\n{ARMS}")


# ---- caches -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "cache",
    [
        "ttl = 1h",
        "zone = external",
        "zone = own\n  scope = team",
        "zone = own\n  scope = all",
        "when data == internal -> off",
        'when data >= confidential and request.user == "me" -> off',
    ],
)
def test_a_cache_that_keeps_guarded_answers_elsewhere_or_for_others_is_an_error(cache: str) -> None:
    (found,) = cached(cache)
    assert (found.code, found.severity) == ("guard-cache", "error")
    assert "data = confidential" in found.message
    assert found.notes[0].message == "the rule: when data >= confidential -> target.zone == own"
    assert found.help == "add `when data >= confidential -> off` to `answers`"
    assert found.span.text == "answers"


@pytest.mark.parametrize(
    "cache",
    [
        "zone = own",
        "zone = own\n  scope = user",
        "when data >= confidential -> off",
        "when data != public -> off",
        "when data == internal -> off\n  when data == confidential -> off",
        "scope = all\n  when true -> off",
    ],
)
def test_a_cache_that_is_off_or_at_home_for_its_user_alone_is_fine(cache: str) -> None:
    assert cached(cache) == []


def test_of_a_cache_nothing_but_its_zone_is_known() -> None:
    """It stands in no region that a rule may ask for, and is none of the providers that it excludes."""
    regional = (
        HEAD.replace("residency", "region", 1).split("guard region")[0] and "guard region { when data == internal -> {} }\n"
    )
    for needs in ("target.region == eu", "target.region != us", "target.provider != openai"):
        text = regional.replace("{}", needs) + "cache answers { zone = own }\n"
        text += "flow main {\n  guards = [region, residency]\n  cache = answers\n"
        text += "  when data >= internal -> llama\n  else -> mini\n}\n"
        assert [each.code for each in guarded(text)] == ["guard-cache"], needs


def test_a_cache_without_guards_keeps_what_it_likes() -> None:
    assert guarded("cache answers { scope = all }\nflow main {\n  cache = answers\n" + ARMS) == []


# ---- recordings -------------------------------------------------------------------------------------------------------------

RECORDED = """provider recorded using tape { from = file("calls.jsonl"), record = dc1, zone = own, region = eu }
model kept { provider = recorded, id = "llama", price = free }
flow main {
  guards = [residency]
  when data >= confidential -> kept
  when data == internal -> llama
  else -> mini
}
"""


def test_a_recording_of_guarded_content_is_a_warning_that_names_the_file() -> None:
    (found,) = guarded(RECORDED)
    assert (found.code, found.severity) == ("guard-sink", "warning")
    assert "data = confidential" in found.message
    assert "`recorded` writes it to `calls.jsonl`" in found.message
    assert "main -> kept" in (found.help or "")


def test_a_recording_may_be_allowed_with_a_reason() -> None:
    assert guarded(RECORDED.replace("flow main {", 'flow main {\n  allow = [guard_sink("test data")]')) == []


def test_a_replay_and_a_recording_of_what_is_not_guarded_are_fine() -> None:
    assert guarded(RECORDED.replace("record = dc1, ", "")) == []
    swapped = RECORDED.replace("confidential -> kept", "confidential -> llama").replace("internal -> llama", "internal -> kept")
    assert guarded(swapped) == []


def test_a_tape_at_home_that_records_another_provider_breaks_the_guard() -> None:
    """Its own zone says nothing of where the calls go that it makes."""
    (found,) = guarded(RECORDED.replace("record = dc1", "record = openai"))
    assert found.code == "guard-broken"
    assert "reaches `kept` on `openai`" in found.message


# ---- what a budget degrades to ----------------------------------------------------------------------------------------------


def degraded(to: str, more: str = "") -> list[Diagnostic]:
    budget = f"budget daily {{ limit = $5/day\n  when spent >= 90% -> degrade({to})\n}}\n"
    return guarded(f"{more}{budget}flow main {{\n  guards = [residency]\n  budget = daily\n{ARMS}")


def test_to_degrade_to_a_model_that_the_guard_forbids_leaves_nothing() -> None:
    (found,) = degraded("mini")
    assert (found.code, found.severity) == ("guard-empty", "error")
    assert "with data = confidential" in found.message
    assert found.span.text.startswith("when spent")


def test_it_is_enough_that_one_callee_is_left() -> None:
    assert degraded("both", "tier both { models = [mini, llama] }\n") == []
    assert degraded("llama") == []
    assert degraded("either", "fallback either { try = [mini, llama] }\n") == []


def test_every_callee_of_a_tier_may_be_forbidden() -> None:
    more = 'model sonnet { provider = anthropic, id = "claude-haiku-4-5" }\ntier abroad { models = [mini, sonnet] }\n'
    assert [each.code for each in degraded("abroad", more)] == ["guard-empty"]


def test_a_route_is_followed_by_the_situation() -> None:
    route = "route rest { when data >= confidential -> llama, else -> mini }\n"
    assert degraded("rest", route) == []
    (found,) = degraded("rest", route.replace(">= confidential -> llama", "== internal -> llama"))
    assert found.code == "guard-empty"


# ---- every call -------------------------------------------------------------------------------------------------------------


def test_the_judge_of_an_experiment_is_guarded() -> None:
    text = """scorer quality using judge { model = mini }
experiment both { 50% -> llama, else -> llama2, metric = quality }
model llama2 like llama { id = "llama-2" }
flow main {
  guards = [residency]
  when data >= confidential -> both
  else -> mini
}
"""
    (found,) = guarded(text)
    assert (found.code, found.help) == ("guard-broken", "path: main -> both -> quality -> mini")
    assert guarded(text.replace("judge { model = mini }", "length { min = 1 }")) == []


def test_the_classifier_of_a_cache_and_of_a_prompt_is_guarded() -> None:
    tone = """classify tone using ask {
  model = mini
  question = "is it polite?"
  labels = [rude, polite]
  unsure = polite
}
"""
    cache = "cache answers { zone = own\n  when tone == rude -> off\n}\n"
    flow = "flow main {\n  guards = [residency]\n  {}\n" + ARMS
    (found,) = guarded(tone + cache + flow.replace("{}", "cache = answers"))
    assert (found.code, found.help) == ("guard-broken", "path: main -> answers -> tone -> mini")
    prompt = 'prompt voice {\n  else -> """The customer is {{ tone }}."""\n}\n'
    (found,) = guarded(tone + prompt + flow.replace("{}", "prompt = voice"))
    assert (found.code, found.help) == ("guard-broken", "path: main -> voice -> tone -> mini")


def test_a_template_for_models_that_guarded_data_never_reaches_asks_nobody_about_it() -> None:
    text = """classify tone using ask {
  model = mini
  question = "is it polite?"
  labels = [rude, polite]
  unsure = polite
}
prompt voice {
  when target.provider == openai -> QQQThe customer is {{ tone }}.QQQ
  else -> QQQBe brief.QQQ
}
flow main {
  guards = [residency]
  prompt = voice
"""
    assert guarded(text.replace("QQQ", '"""') + ARMS) == []


def test_a_cascade_without_a_bar_has_no_judge_to_prove() -> None:
    text = "cascade c { steps = [llama] }\nflow main {\n  guards = [residency]\n  else -> c\n}\n"
    found = build(Source("support.mmf", HEAD + text), Registry.installed(), read=no_reader).diagnostics
    assert "cascade-without-accept" in [each.code for each in found]
