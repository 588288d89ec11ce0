"""The behaviour diff: empty where nothing behaves otherwise, and precise where something does."""

from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plans import Says, classifier, executor_of, model, of_type, plan_of, words
from random_plans import MODELS, conditions, random_plans

from mmflow import plan
from mmflow.build import build
from mmflow.diff import Change, Diff, diff
from mmflow.plugin import Guess, Message, Prices, Request
from mmflow.registry import Registry
from mmflow.runtime.events import CallStarted
from mmflow.runtime.simulate import Scripted, fail, reply, run_virtual
from mmflow.source import Source

WORKFLOWS = Path(__file__).parents[1] / "workflows"


def built(text: str) -> plan.Plan:
    found = build(Source("a.mmf", text), Registry.installed())
    assert found.plan is not None, found.diagnostics
    return found.plan


def changes(found: Diff) -> list[Change]:
    return [change for flow in found.flows for change in flow.changes]


# ---- nothing changes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(WORKFLOWS.glob("*.mmf")), ids=lambda file: file.name)
def test_a_workflow_does_not_differ_from_itself(file: Path) -> None:
    found = built(file.read_text())
    assert diff(found, plan.decode(plan.encode(found))).is_empty


@settings(max_examples=200, deadline=None)
@given(random_plans())
def test_a_plan_does_not_differ_from_itself(found: plan.Plan) -> None:
    assert diff(found, found).is_empty


@settings(max_examples=100, deadline=None)
@given(random_plans(), st.integers(0, 1000))
def test_the_order_of_declarations_changes_nothing(found: plan.Plan, seed: int) -> None:
    def shuffled(declared: dict[str, Any]) -> dict[str, Any]:
        return dict(Random(seed).sample(list(declared.items()), len(declared)))

    names = ("models", "providers", "classifiers", "scorers", "steps")
    other = msgspec.structs.replace(found, **{name: shuffled(getattr(found, name)) for name in names})
    assert diff(found, other).is_empty


BASE = """\
mmflow 1

provider near using sim { zone = own }

let bar = 100

model small { provider = near, id = "s", price = { input = $1/1M, output = $2/1M } }
model large { provider = near, id = "l", price = { input = $3/1M, output = $6/1M } }

tier both { models = [small, large] }
fallback sure { try = [both, large], on = [429, 5xx], retry = { times = 1 } }

flow main {
  max_input = 1k
  max_output = 100
  when request.tokens <= bar -> small
  else -> sure
}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("let bar", "# a comment\n\n## documentation\nlet bar"),
        ("bar", "limit"),
        ("both", "pair"),
        ("sure", "answer"),
        ("[429, 5xx]", "[5xx, 429]"),
        ("let bar = 100", "param bar = 100"),
        ("max_input = 1k\n  max_output = 100", "max_output = 0.1k\n  max_input = 1000"),
        ("<= bar", "< 101"),
    ],
)
def test_what_is_only_written_otherwise_changes_nothing(old: str, new: str) -> None:
    assert BASE.count(old) >= 1
    assert diff(built(BASE), built(BASE.replace(old, new))).is_empty


# ---- something changes ----------------------------------------------------------------------------------------------------


def test_swapping_two_arms_tells_which_situations_moved_and_the_price_of_it() -> None:
    text = (WORKFLOWS / "tasks.mmf").read_text()
    one, other = "when request.has_images -> coder", "when task == math -> thinker with { deadline = 40s }"
    found = diff(built(text), built(text.replace(one, "@").replace(other, one).replace("@", other)))
    (change,) = changes(found)
    assert [flow.flow for flow in found.flows] == ["code"]
    assert change.situations == ("request.has_images = true, task = math",)
    assert (change.before.target, change.after.target) == ("coder", "thinker with { deadline = 40s }")
    assert change.harms == ("cost", "time", "target")
    before, after = change.before.bound, change.after.bound
    assert before is not None
    assert after is not None
    assert before.cost.per_token is not None
    assert after.cost.per_token is not None
    assert (before.cost.per_token.input, after.cost.per_token.input) == (3_750_000, 5_000_000)
    assert (before.time.worst_s, after.time.worst_s) == (60, 42)


def test_only_the_situations_between_two_bounds_move() -> None:
    (change,) = changes(diff(built(BASE), built(BASE.replace("bar = 100", "bar = 150"))))
    assert change.situations == ("request.tokens = 101 to 150",)
    assert (change.before.target, change.after.target) == ("sure", "small")
    assert change.harms == ("target",)


def test_a_price_is_a_change_of_cost_and_of_no_target() -> None:
    found = diff(built(BASE), built(BASE.replace("$6/1M", "$7/1M")))
    assert [(each.situations, each.harms) for each in changes(found)] == [(("request.tokens >= 101",), ("cost",))]
    (declared,) = found.definitions
    assert (declared.kind, declared.name) == ("model", "large")
    assert [(each.field, each.before, each.after) for each in declared.fields] == [("prices.output", "$6/1M", "$7/1M")]
    assert not diff(built(BASE.replace("$6/1M", "$7/1M")), built(BASE)).harms


def test_what_changes_within_a_target_is_a_change_of_target_and_is_told() -> None:
    found = diff(built(BASE), built(BASE.replace("times = 1", "times = 2")))
    (change,) = changes(found)
    assert (change.before.target, change.after.target, change.harms) == ("sure", "sure", ("cost", "target"))
    assert [(each.name, [field.field for field in each.fields]) for each in found.definitions] == [("sure", ["retry.times"])]


@pytest.mark.parametrize(
    ("before", "after", "is_private"),
    [
        (("own", None), ("external", None), True),
        (("external", None), ("own", None), False),
        (("external", None), ("external", "us"), True),
        (("own", "eu"), ("own", "us"), True),
        (("own", "eu"), ("own", "eu"), False),
    ],
)
def test_a_zone_that_data_could_not_reach_is_a_matter_of_privacy(before: Any, after: Any, is_private: bool) -> None:
    old, new = (plan_of(models=[model("one", zone=zone, region=region)]) for zone, region in (before, after))
    assert ("privacy" in diff(old, new).harms) == is_private


def test_the_judge_of_a_cascade_reaches_zones_too() -> None:
    def judged_in(zone: str) -> plan.Plan:
        cascade = plan.Cascade("answer", ("one", "two"), plan.ScoreIs("rating", ">=", 0.5), "rating >= 0.5")
        rating = plan.Scorer(name="rating", word="judge", options={"model": "judge"})
        models = [model("one", zone="own"), model("two", zone="own"), model("judge", zone=zone)]
        return plan_of(cascade, models=models, scorers=[rating])

    assert "privacy" in diff(judged_in("own"), judged_in("external")).harms


def test_a_price_that_is_no_longer_known_is_a_matter_of_cost() -> None:
    limits: dict[str, Any] = {"max_input_tokens": 10, "max_output_tokens": 10}
    old, new = plan_of(models=["one"], **limits), plan_of(models=[model("one", prices=None)], **limits)
    assert diff(old, new).harms == ("cost",)
    assert diff(new, old).harms == ()


def test_a_threshold_changes_no_target_and_is_told_all_the_same() -> None:
    route = plan.Route("main", (plan.Arm(plan.LabelIs("mood", ("low",)), "one", "mood == low"),), "two")
    old, new = (plan_of(route, models=["one", "two"], classifiers=[classifier("mood", confidence=bar)]) for bar in (0.8, 0.9))
    found = diff(old, new)
    assert not changes(found)
    assert [(each.kind, each.fields[0].field, each.fields[0].after) for each in found.definitions] == [
        ("classify", "confidence", "0.9")
    ]


def test_a_guard_that_is_gone_is_told() -> None:
    rule = plan.Rule(plan.RequestIs("user", "==", "ada"), ((plan.TargetIs("zone", "==", "own"),),), "user")
    guard = {"careful": plan.Guard("careful", (rule,))}
    old = msgspec.structs.replace(plan_of(models=["one"], guards=("careful",)), guards=guard)
    (flow,) = diff(old, plan_of(models=["one"])).flows
    assert [(each.field, each.before, each.after) for each in flow.promises] == [("guards", "careful", "none")]


def test_flows_that_come_and_go_are_told() -> None:
    old = built(BASE)
    new = built(BASE.replace("flow main", "flow chat"))
    found = diff(old, new)
    assert ([each.flow for each in found.added], found.removed, found.harms) == (["chat"], ("main",), ("target",))
    assert diff(old, new, "chat").removed == ()


def test_promises_are_compared() -> None:
    found = diff(built(BASE), built(BASE.replace("max_input = 1k", "max_input = 2k\n  deadline = 9s")))
    (flow,) = found.flows
    assert [(each.field, each.before, each.after) for each in flow.promises] == [
        ("deadline", "1m", "9s"),
        ("max_input", "1k", "2k"),
    ]


def test_a_request_that_is_turned_away_has_no_target() -> None:
    new = BASE.replace("max_input = 1k", "max_input = 90").replace("<= bar", "<= 50")
    turned = [each for each in changes(diff(built(BASE), built(new))) if each.after.target is None]
    assert [each.situations for each in turned] == [("request.tokens = 91 to 100",), ("request.tokens >= 101",)]


def test_too_many_situations_are_compared_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmflow.bounds.ways.MAX_WAYS", 500)
    names = [f"c{number}" for number in range(15)]

    def many(prices: Prices) -> plan.Plan:
        tables = [plan.Route(f"t{name}", (plan.Arm(plan.LabelIs(name, ("high",)), "two", name),), "one") for name in names]
        every = plan.Fallback("every", tuple(table.name for table in tables), ("5xx",))
        models = [model("one"), model("two", prices=prices)]
        return plan_of(every, *tables, models=models, classifiers=[classifier(name) for name in names])

    old, new = many(Prices(2_000_000, 2_000_000)), many(Prices(3_000_000, 3_000_000))
    assert diff(old, old).is_empty
    (change,) = changes(diff(old, new))
    assert (change.situations, change.harms) == (None, ("cost",))


# ---- nothing is missed ----------------------------------------------------------------------------------------------------


@st.composite
def mutations(draw: st.DrawFn) -> tuple[plan.Plan, plan.Plan]:
    """A plan, and the same with one step said otherwise: its targets turned round, or one of them replaced."""
    found = draw(random_plans())
    name = draw(st.sampled_from([each.name for each in found.steps.values()]))
    turned = draw(st.booleans())
    step, other = found.steps[name], draw(st.sampled_from(MODELS))

    def otherwise(targets: tuple[Any, ...], replaced: Any) -> tuple[Any, ...]:
        return tuple(reversed(targets)) if turned else (replaced, *targets[1:])

    match step:
        case plan.Route(arms=arms) if arms:
            new: plan.Step = msgspec.structs.replace(step, arms=otherwise(arms, msgspec.structs.replace(arms[0], step=other)))
        case plan.Tier(models=models):
            new = msgspec.structs.replace(step, models=otherwise(models, other))
        case plan.Cascade(steps=steps) | plan.Fallback(steps=steps):
            new = msgspec.structs.replace(step, steps=otherwise(steps, other))
        case _:
            new = step
    return found, msgspec.structs.replace(found, steps={**found.steps, name: new})


@settings(max_examples=300, deadline=None)
@given(
    pair=mutations(),
    text=st.sampled_from(["hi", "x marks the spot", "one two three four five six seven eight nine"]),
    user=st.sampled_from([None, "ada"]),
    fails=st.sampled_from([None, *MODELS]),
)
def test_whoever_is_asked_otherwise_is_told(
    pair: tuple[plan.Plan, plan.Plan], text: str, user: str | None, fails: str | None
) -> None:
    """Where the two ask different models for one request, the diff is not empty."""

    def asked(found: plan.Plan) -> list[str]:
        vocabulary = words(
            scorers={"fine": Says(lambda text: 0.1)},
            classifiers={"mood": Says(lambda text: Guess("low" if "x" in text else "high", 0.9))},
        )
        script = {name: [fail(500) if name == fails else reply("0.4")] for name in MODELS}
        request = Request(messages=(Message("user", text),), user=user)
        result = run_virtual(executor_of(found, Scripted(script), vocabulary).run("main", request))
        return [each.model for each in of_type(result, CallStarted)]

    old, new = pair
    if asked(old) != asked(new):
        assert not diff(old, new).is_empty


# ---- what flows promise and use -------------------------------------------------------------------------------------------

USED = """\
mmflow 1

provider near using sim { zone = own }
provider far using sim { limits = { requests = 500/min } }

model small { provider = near, id = "s-1", price = { input = $1/1M, output = $1/1M }, context = 100k, family = "llama" }
model large { provider = near, id = "l-1", price = { input = $3/1M, output = $3/1M }, context = 100k }
model extra { provider = far, id = "e-1", price = { input = $2/1M, output = $2/1M }, context = 100k }

classify data using keywords {
  labels = public < internal < secret
  patterns = { secret = ["salary"] }
  unsure = secret
}

scorer long using length { min = 1 }

guard inside { when data >= internal -> target.zone == own }

experiment trial {
  10% -> large
  else -> small
  sticky = request.user
  metric = long
  promote = { min_samples = 400, confidence = 95%, not_worse_than = 0.02 }
}

budget purse {
  limit = $50/day
  when spent >= 80% -> alert("ops")
  when spent >= 100% -> degrade(small)
}

cache kept {
  ttl = 1h
  zone = own
  when data >= secret -> off
}

prompt voice {
  when target.family == "llama" -> "Be brief, and answer in {{ request.language }}, whatever the question is in. Be kind."
  else -> "Be kind."
}

output reply { format = json, on_invalid = retry(1) }

flow main {
  deadline = 20s
  max_input = 8k
  max_output = 1k
  sla = { p95 = 3s, of = total }
  traffic = 100/min
  guards = [inside]
  budget = purse
  cache = kept
  prompt = voice
  output = reply

  when data >= internal -> trial
  else -> extra
}

test "inside" {
  given = { data = secret }
  expect = [never_called(zone = external)]
}
"""

LOOSER: list[tuple[str, str, str, set[str]]] = [
    ("limit = $50/day", "limit = $80/day", "budget purse: limit: $50/day => $80/day", {"cost"}),
    ("limit = $50/day", "limit = $1500/month", "", set()),
    ("when spent >= 100% -> degrade(small)", "when spent >= 120% -> degrade(small)", "thresholds", {"cost"}),
    ('when spent >= 80% -> alert("ops")', 'when spent >= 90% -> alert("ops")', "from 90% alert ops", set()),
    ("  budget = purse\n", "", "budget: purse => none", {"cost"}),
    (
        "zone = own\n  when data >= secret",
        "zone = own\n  scope = team\n  when data >= secret",
        "scope: user => team",
        {"privacy"},
    ),
    ("ttl = 1h\n  zone = own", "ttl = 1h", "zone: own => none", {"privacy"}),
    (
        "when data >= secret -> off",
        "when data >= internal -> off",
        "off: data == secret => data == internal or data == secret",
        set(),
    ),
    ("  cache = kept\n", "", "cache: kept => none", {"cost"}),
    ("when data >= internal -> target.zone", "when data >= secret -> target.zone", "guard inside: rules", {"privacy"}),
    ("  guards = [inside]\n", "", "guards: inside => none", {"privacy"}),
    ('Be kind."\n  else', 'Be calm."\n  else', 'when target.family == "llama": …', set()),
    ("format = json", "format = text", "output reply: format: json => text", set()),
    ("retry(1)", "retry(2)", "on_invalid: retry(1) => retry(2)", {"cost"}),
    ("p95 = 3s", "p95 = 4s", "sla: p95 3s of total => p95 4s of total", {"time"}),
    ("traffic = 100/min", "traffic = 200/min", "traffic: 100/min => 200/min", set()),
    ("requests = 500/min", "requests = 400/min", "limits.requests: 500/min => 400/min", {"time"}),
    ("10% -> large", "20% -> large", "experiment trial: arms", {"target"}),
    ("min_samples = 400", "min_samples = 40", "experiment trial: promote.min_samples: 400 => 40", set()),
]


def _without_guard(text: str, change: str) -> str:
    """The text without its guard, where the change is one that it would not stand."""
    return text.replace("  guards = [inside]\n", "") if "scope" in change or change == "ttl = 1h" else text


def told(found: Diff) -> list[str]:
    promises = [
        f"flow {flow.flow}: {each.field}: {each.before} => {each.after}" for flow in found.flows for each in flow.promises
    ]
    fields = [(each, field) for each in found.definitions for field in each.fields]
    return promises + [f"{each.kind} {each.name}: {field.field}: {field.before} => {field.after}" for each, field in fields]


@pytest.mark.parametrize(("old", "new", "says", "harms"), LOOSER)
def test_what_a_flow_promises_and_uses_is_compared(old: str, new: str, says: str, harms: set[str]) -> None:
    before, after = built(_without_guard(USED, new)), built(_without_guard(USED.replace(old, new), new))
    found = diff(before, after)
    assert any(says in line for line in told(found)), told(found)
    assert harms <= set(found.harms)
    assert harms or not {"privacy", "cost", "time"} & set(found.harms)
    back = diff(after, before)
    fields = [field for flow in back.flows for field in flow.promises] + [
        field for each in back.definitions for field in each.fields
    ]
    assert not harms or not [field for field in fields if field.harms]


def test_a_cache_that_is_gone_costs_and_one_for_all_is_a_matter_of_privacy() -> None:
    used = USED.replace("  guards = [inside]\n", "")
    without = built(used.replace("  cache = kept\n", ""))
    assert "privacy" not in diff(without, built(used)).harms
    assert "privacy" in diff(without, built(used.replace("ttl = 1h", "ttl = 1h\n  scope = all"))).harms


def test_a_rule_that_another_guard_has_is_not_lost() -> None:
    other = USED.replace("guard inside", "guard house").replace("[inside]", "[house]")
    found = diff(built(USED), built(other))
    assert (told(found), found.harms) == (["flow main: guards: inside => house"], ())


def test_a_test_in_the_file_is_no_behaviour() -> None:
    assert diff(built(USED), built(USED[: USED.index("test ")])).is_empty


def test_the_target_of_a_budget_is_compared_within() -> None:
    tier = "tier cheap { models = [small, large], pick = cheapest }\n\nbudget"
    old = USED.replace("budget purse", tier.replace("budget", "budget purse")).replace("degrade(small)", "degrade(cheap)")
    new = old.replace("pick = cheapest", "pick = fastest")
    assert "tier cheap: pick: cheapest => fastest" in told(diff(built(old), built(new)))


@st.composite
def with_uses(draw: st.DrawFn) -> plan.Plan:
    """A random plan whose flow has a budget, a cache and a guard; caches and budgets of any kind."""
    found = draw(random_plans())
    thresholds = draw(
        st.lists(
            st.sampled_from(
                [plan.Threshold(0.5, "alert", "ops"), plan.Threshold(0.9, "degrade", "one"), plan.Threshold(1.0, "reject")]
            ),
            unique=True,
        )
    )
    budget = plan.Budget(
        name="purse",
        limit_microusd=draw(st.integers(1, 1000)),
        period_s=draw(st.sampled_from([60, 86_400])),
        per=draw(st.sampled_from([None, "user"])),
        thresholds=tuple(thresholds),
    )
    cache = plan.Cache(
        name="kept",
        ttl_s=draw(st.sampled_from([1.0, 60.0])),
        scope=draw(st.sampled_from(["user", "team", "all"])),
        zone=draw(st.sampled_from([None, "own", "external"])),
        off=tuple(draw(st.lists(conditions(), max_size=2))),
    )
    rule = plan.Rule(draw(conditions()), ((plan.TargetIs("zone", "==", "own"),),), "a rule")
    flow = msgspec.structs.replace(found.flows["main"], budget="purse", cache="kept", guards=("inside",))
    return msgspec.structs.replace(
        found,
        budgets={"purse": budget},
        caches={"kept": cache},
        guards={"inside": plan.Guard("inside", (rule,))},
        model_limits={"one": plan.Limits(requests=plan.Rate(draw(st.integers(1, 9)), 60))},
        flows={"main": flow},
    )


@settings(max_examples=100, deadline=None)
@given(with_uses())
def test_a_plan_with_all_that_it_uses_does_not_differ_from_itself(found: plan.Plan) -> None:
    assert diff(found, plan.decode(plan.encode(found))).is_empty


@settings(max_examples=100, deadline=None)
@given(with_uses(), with_uses())
def test_two_that_use_other_things_differ_and_a_wider_cache_is_private(one: plan.Plan, two: plan.Plan) -> None:
    other = msgspec.structs.replace(one, budgets=two.budgets, caches=two.caches, model_limits=two.model_limits)
    found = diff(one, other)
    before, after = one.caches["kept"], other.caches["kept"]
    if (one.budgets, before) != (two.budgets, after):
        assert not found.is_empty
    if ("user", "team", "all").index(after.scope) > ("user", "team", "all").index(before.scope):
        assert "privacy" in found.harms
    old, new = one.budgets["purse"], other.budgets["purse"]
    if new.limit_microusd / new.period_s > old.limit_microusd / old.period_s:
        assert "cost" in found.harms
