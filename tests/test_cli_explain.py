"""`mmflow explain FILE`: the decision of a workflow for a situation, arm by arm."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli import Done, Shell
from vocabulary import Extended

from mmflow import plan as plans
from mmflow.build import build
from mmflow.cli.failure import FOUND, WRONG_USE
from mmflow.source import Source

DESK = """\
mmflow 1

provider near using sim { zone = own, region = eu }
provider far using sim {}

model home { provider = near, id = "h-1", price = { input = $1/1M, output = $1/1M }, latency = { p95 = 1s }, context = 100k }
model away { provider = far, id = "a-1", price = { input = $0.1/1M, output = $0.1/1M }, latency = { p95 = 1s }, context = 100k }
model best like away { id = "b-1", price = { input = $10/1M, output = $10/1M } }

classify data using keywords {
  labels = public < secret
  patterns = { secret = ["salary"] }
  unsure = public
}

classify task using keywords {
  labels = [code, math, other]
  patterns = { code = ["python"], math = ["integral"] }
  unsure = other
}

classify tone using ask {
  model = away
  labels = [calm, angry]
  unsure = calm
}

guard inside { when data >= secret -> target.zone == own }

tier both {
  models = [home, away]
  pick = cheapest
}

split trial {
  50% -> away
  else -> best
}

fallback safe {
  try = [trial, home]
  on = [429, timeout]
  retry = { times = 1 }
}

budget purse {
  limit = $1/day
  when spent >= 100% -> degrade(both)
}

flow main {
  budget = purse
  deadline = 20s
  max_input = 8k
  max_output = 1k
  guards = [inside]

  when data >= secret -> home
  when task == code and request.tokens > 2k -> best
  when task == code -> safe
  when tone == angry -> best with { deadline = 5s }
  when request.meta("team") == "lab" -> home
  else -> away
}
"""


@pytest.fixture
def desk(mmflow: Shell) -> Shell:
    mmflow.write("desk.mmf", DESK)
    return mmflow


def explain(shell: Shell, *arguments: str, stdin: bytes | None = None) -> dict[str, Any]:
    done = shell("explain", "desk.mmf", *arguments, "--json", stdin=stdin)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def given(*said: str) -> list[str]:
    return [part for each in said for part in ("--given", each)]


def verdicts(found: dict[str, Any]) -> list[str]:
    return [arm["verdict"] for arm in found["arms"]]


def test_each_arm_is_told_with_what_decided_it(desk: Shell) -> None:
    done = desk("explain", "desk.mmf", *given("data=public", "task=math", "tone=angry"))
    assert done.code == 0
    for line in (
        "  no             when data >= secret -> home  because data = public (given)",
        "  no             when task == code -> safe  because task = math (given)",
        "  yes            when tone == angry -> best with { deadline = 5s }  because tone = angry (given)",
        "  not looked at  else -> away",
        "-> best with { deadline = 5s }",
    ):
        assert line in done.out.splitlines()


def test_what_is_not_given_leaves_every_way_open(desk: Shell) -> None:
    found = explain(desk, *given("data=public", "tone=calm", "request.tokens=3k"))
    assert found["open"] == ["task", "request.meta.team"]
    ways = [(way["situations"], way["target"]) for way in found["ways"]]
    assert ways == [
        (["task = code"], "best"),
        (["task != code, request.meta.team = lab"], "home"),
        (["task != code, request.meta.team = another"], "away"),
    ]
    assert verdicts(found) == ["no", "open", "open", "no", "open", "yes if reached"]


def test_without_anything_given_all_ways_are_shown(desk: Shell) -> None:
    found = explain(desk)
    assert {way["target"] for way in found["ways"]} == {"best", "safe", "best with { deadline = 5s }", "home", "away"}
    assert found["known"] == []


def test_an_arm_that_holds_after_an_open_one_is_not_promised(desk: Shell) -> None:
    assert verdicts(explain(desk, *given("task=code", "request.tokens=3k")))[:3] == ["open", "yes if reached", "not looked at"]


def test_guards_leave_out_who_may_not_be_asked(desk: Shell) -> None:
    (way,) = explain(desk, *given("data=secret"))["ways"]
    (tier,) = way["steps"]
    assert tier["by_budget"]
    assert [each["target"] for each in tier["left_out"]] == ["away"]
    assert "inside" in tier["left_out"][0]["why"]
    assert [(rule["guard"], rule["verdict"]) for rule in way["rules"]] == [("inside", "yes")]
    assert {place["zone"] for place in way["bound"]["places"]} == {"own"}
    assert [count["model"] for count in way["bound"]["calls_by_model"]] == ["home"]


def test_a_guard_holds_where_all_that_is_open_agrees(desk: Shell) -> None:
    found = explain(desk, *given("task=code", "request.tokens=10"))
    assert [way["rules"][0]["verdict"] for way in found["ways"]] == ["yes", "no"]
    assert found["ways"][1]["rules"][0]["because"] == ["data = public"]


def test_a_draw_that_is_given_is_the_only_one(desk: Shell) -> None:
    situation = ("data=public", "task=code", "request.tokens=10")
    (both,) = explain(desk, *given(*situation))["ways"]
    (one,) = explain(desk, *given(*situation, "trial=away"))["ways"]
    assert "best" in {each["model"] for each in both["bound"]["calls_by_model"]}
    assert "best" not in {each["model"] for each in one["bound"]["calls_by_model"]}
    assert one["bound"]["cost"]["worst_microusd"] < both["bound"]["cost"]["worst_microusd"]


def test_a_user_has_the_same_draw_as_in_a_run(desk: Shell) -> None:
    found = explain(desk, *given("data=public", "task=code", "request.tokens=10", "request.user=anna"))
    drawn = next(each for each in found["known"] if each.startswith("trial = "))
    request = json.dumps({"messages": [{"role": "user", "content": "python"}], "user": "anna"})
    ran = json.loads(desk("run", "desk.mmf", request, "--json").out)
    assert drawn.startswith(f"trial = {ran['model']} (bucket ")


def test_the_length_that_is_given_bounds_the_cost(desk: Shell) -> None:
    found = [explain(desk, *given("data=public", "task=code", f"request.tokens={count}")) for count in ("3k", "8k")]
    short, long = (each["ways"][0]["bound"]["cost"] for each in found)
    assert short["worst_microusd"] < long["worst_microusd"]


def test_a_request_that_is_too_long_goes_no_way(desk: Shell) -> None:
    found = explain(desk, *given("request.tokens=9k"))
    assert (found["refused"], found["ways"]) == ("the request has 9k tokens, and `max_input` is 8k", [])


def test_a_guess_below_the_confidence_is_unsure(desk: Shell) -> None:
    found = explain(desk, *given("data=secret:0.1"))
    assert found["known"] == ["data = public (unsure: confidence 0.10 < 0.50)"]
    assert explain(desk, *given("data=secret:0.9"))["known"] == ["data = secret (0.90)"]


def test_tiers_are_asked_in_the_order_of_their_pick(desk: Shell) -> None:
    (way,) = explain(desk, *given("data=public", "task=other", "tone=calm", "request.meta.team=lab"))["ways"]
    assert "asked in this order: away, home" in way["steps"][0]["lines"]


# ---- an input -------------------------------------------------------------------------------------------------------------


def test_classifiers_read_the_input_as_a_run_does(desk: Shell) -> None:
    found = explain(desk, "Write it in python", *given("tone=calm"))
    ran = json.loads(desk("run", "desk.mmf", "Write it in python", "--json", "--dry-run").out)
    taken = [arm["text"] for arm in ran["decision"] if arm["holds"]]
    assert [arm["condition"] for arm in found["arms"] if arm["verdict"] == "yes"] == taken == ["task == code"]
    assert any(each.startswith("task = code (") for each in found["known"])


def test_what_is_given_wins_over_the_input(desk: Shell) -> None:
    found = explain(desk, "Write it in python", *given("task=other", "tone=calm"))
    assert [way["target"] for way in found["ways"]] == ["away"]


def test_a_classifier_that_asks_a_model_stays_open(desk: Shell) -> None:
    found = explain(desk, "Good morning")
    assert found["open"] == ["tone"]
    assert [way["target"] for way in found["ways"]] == ["best with { deadline = 5s }", "away"]
    assert found["remarks"] == ["`tone` asks a model, and none is asked here: give what it says"]


def test_an_input_may_come_from_standard_input_or_be_a_whole_request(desk: Shell) -> None:
    request = {"messages": [{"role": "user", "content": "Hello"}], "meta": {"team": "lab"}}
    found = explain(desk, "-", *given("tone=calm"), stdin=json.dumps(request).encode())
    assert [way["target"] for way in found["ways"]] == ["home"]


# ---- the whole support workflow ---------------------------------------------------------------------------------------------


def support(mmflow: Shell, *arguments: str) -> Done:
    source = Source("support.mmf", (Path(__file__).parent / "data" / "support.mmf").read_text())
    plan = build(source, Extended()).plan
    assert plan is not None
    mmflow.write("support.json", plans.encode(plan))
    return mmflow("explain", "support.json", *arguments)


def test_the_support_workflow_is_explained(mmflow: Shell) -> None:
    done = support(mmflow, *given("data=public", "task=code", "sonnet_upgrade=sonnet"))
    assert done.code == 0, done.err
    for line in (
        "  guard residency does not apply: when data >= confidential -> target.zone == own  because data = public (given)",
        "  experiment sonnet_upgrade",
        "    100% -> sonnet",
        "  budget daily: limit $50/day, from 80%: alert ops, from 100%: degrade fast",
        "  tier fast, to which the budget degrades",
    ):
        assert line in done.out.splitlines()


def test_all_that_a_budget_degrades_to_is_guarded_too(mmflow: Shell) -> None:
    done = support(mmflow, *given("data=confidential"), "--json")
    (way,) = json.loads(done.out)["ways"]
    assert [step["name"] for step in way["steps"] if step["by_budget"]] == ["fast"]
    assert {place["zone"] for place in way["bound"]["places"]} == {"own"}


# ---- wrong use --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "helps"),
    [
        ("taks=code", "did you mean `task`?"),
        ("task=cod", "did you mean `code`?"),
        ("task=xyz", "its labels are `code`, `math`, `other`, `unsure`"),
        ("task=code:2", ""),
        ("trial=awaay", "did you mean `away`?"),
        ("request.tokns=9k", "did you mean `request.tokens`?"),
        ("request.tokens=9s", ""),
        ("request.has_images=perhaps", ""),
        ("home=1", "what can be given"),
        ("task", "write `--given task=code`"),
    ],
)
def test_what_cannot_be_given_is_refused(desk: Shell, said: str, helps: str) -> None:
    done = desk("explain", "desk.mmf", *given(said))
    assert (done.code, done.out) == (WRONG_USE, "")
    assert helps in done.err
    assert "Traceback" not in done.err


def test_a_file_with_errors_shows_them(mmflow: Shell) -> None:
    mmflow.write("broken.mmf", "mmflow 1\nflow main { else -> nobody }\n")
    done = mmflow("explain", "broken.mmf", *given("task=code"))
    assert done.code == FOUND
    assert "error[unknown-name]" in done.err


def test_a_code_takes_no_situation(mmflow: Shell) -> None:
    done = mmflow("explain", "unknown-name", *given("task=code"))
    assert done.code == WRONG_USE
    assert "is not a workflow file" in done.err


def test_one_of_several_flows_is_named(desk: Shell) -> None:
    desk.write("desk.mmf", DESK.replace("flow main", "flow one") + "\nflow two { else -> home }\n")
    done = desk("explain", "desk.mmf")
    assert done.code == WRONG_USE
    assert "name one of `one`, `two`" in done.err
    assert explain(desk, "--flow", "two")["ways"][0]["target"] == "home"


def test_a_missing_file_is_told_as_elsewhere(mmflow: Shell) -> None:
    assert "there is no file `support.mmf`" in mmflow("explain", "support.mmf").err


@pytest.mark.parametrize(
    ("typed", "suggested"),
    [
        ("mmflow explain desk.mmf --given ta", ["plain,task="]),
        ("mmflow explain desk.mmf --given tr", ["plain,trial="]),
        ("mmflow explain desk.mmf --given request.t", ["plain,request.tokens="]),
        ("mmflow explain desk.mmf --flow m", ["plain,main"]),
        ("mmflow explain unknown-na", ["plain,unknown-name"]),
        ("mmflow explain desk.m", ["file,desk.m"]),
    ],
)
def test_a_shell_is_told_what_can_be_given(
    desk: Shell, capsys: pytest.CaptureFixture[str], typed: str, suggested: list[str]
) -> None:
    desk.environ |= {"_MMFLOW_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    with pytest.raises(SystemExit):
        desk()
    assert capsys.readouterr().out.split() == suggested
