"""Budgets and limits as written: what they take, what they refuse, and what the plan has of them."""

import pytest

from mmflow import plan
from mmflow.build import build
from mmflow.diagnostics import Diagnostic
from mmflow.registry import Registry
from mmflow.source import Source

MODELS = """mmflow 1
model cheap { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
"""


def file(budget: str) -> str:
    return MODELS + f"budget daily {{ {budget} }}\nflow f {{ budget = daily\n when request.has_tools -> cheap\n else -> strong }}"


def found(text: str) -> list[Diagnostic]:
    return list(build(Source("test.mmf", text), Registry.installed()).diagnostics)


def plan_of(text: str) -> plan.Plan:
    built = build(Source("test.mmf", text), Registry.installed())
    assert built.plan is not None, built.diagnostics
    assert plan.decode(plan.encode(built.plan)) == built.plan
    return built.plan


def test_a_budget_keeps_its_limit_its_key_and_its_thresholds_in_order() -> None:
    compiled = plan_of(
        MODELS
        + """
        let warn = spent >= 80%
        budget daily {
          limit = $50/day
          per = request.meta("team")
          when warn -> alert("ops")
          when spent > 92.5% -> degrade(cheap with { max_output = 50 })
          when spent >= 110% -> reject
        }
        flow f { budget = daily
          else -> strong }
        """
    )
    assert compiled.budgets["daily"] == plan.Budget(
        name="daily",
        limit_microusd=50_000_000,
        period_s=86_400,
        per="meta.team",
        thresholds=(
            plan.Threshold(0.8, "alert", "ops"),
            plan.Threshold(0.925, "degrade", "daily/degrade 1"),
            plan.Threshold(1.1, "reject"),
        ),
    )
    assert compiled.steps["daily/degrade 1"] == plan.With("daily/degrade 1", "cheap", max_output_tokens=50)
    assert compiled.flows["f"].budget == "daily"


def test_a_parameter_may_set_the_limit() -> None:
    text = MODELS + "param most = $50/day\nbudget daily { limit = most }\nflow f { budget = daily\n else -> strong }"
    built = build(Source("test.mmf", text), Registry.installed(), {"most": "$2/hour"})
    assert built.plan is not None
    assert (built.plan.budgets["daily"].limit_microusd, built.plan.budgets["daily"].period_s) == (2_000_000, 3_600)


REFUSED = {
    "money without a period": ("limit = $50", "wrong-type", "$50/day"),
    "a number": ("limit = 50", "wrong-type", "$50/day"),
    "a rate": ("limit = 50/day", "wrong-type", "$50/day"),
    "nothing at all": ("limit = $0/day", "out-of-range", None),
    "a share that has no unit": ('limit = $5/day, when spent >= 0.8 -> alert("ops")', "wrong-type", "80%"),
    "an amount where a share is due": ("limit = $5/day, when spent >= $4 -> reject", "wrong-type", "spent >= 80%"),
    "an order that is turned round": ("limit = $5/day, when 80% <= spent -> reject", "wrong-type", "spent >= 80%"),
    "less than a share": ("limit = $5/day, when spent < 80% -> reject", "wrong-type", "spent >= 80%"),
    "another condition": ("limit = $5/day, when request.tokens > 5 -> reject", "wrong-type", "spent >= 80%"),
    "a negative share": ("limit = $5/day, when spent >= -5% -> reject", "out-of-range", None),
    "a target without degrade": ("limit = $5/day, when spent >= 90% -> cheap", "wrong-type", "degrade(cheap)"),
    "an action that is misspelt": ("limit = $5/day, when spent >= 90% -> degrad(cheap)", "wrong-type", "degrade"),
    "an alert of nobody": ("limit = $5/day, when spent >= 90% -> alert", "wrong-type", 'alert("ops")'),
    "an alert without quotes": ("limit = $5/day, when spent >= 90% -> alert(ops)", "wrong-type", '"ops"'),
    "a degrade to what is no target": ("limit = $5/day, when spent >= 90% -> degrade(daily)", "wrong-type", None),
    "an else": ("limit = $5/day, else -> reject", "wrong-type", "when spent"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_budget_does_not_take_is_refused_with_the_fix(name: str) -> None:
    body, code, fix = REFUSED[name]
    (diagnostic,) = found(file(body))
    assert diagnostic.code == code
    assert fix is None or fix in (diagnostic.help or "")


def test_what_only_a_budget_leads_to_is_used() -> None:
    unused = [
        each.code
        for each in found(file("limit = $5/day, when spent >= 90% -> degrade(spare)") + "\ntier spare { models = [cheap] }")
    ]
    assert "unused" not in unused


def test_limits_of_providers_and_models_are_in_the_plan() -> None:
    compiled = plan_of(
        """mmflow 1
        provider openai { limits = { requests = 500/min, tokens = 2M/min, concurrency = 64 } }
        model cheap { provider = openai, id = "gpt-4o-mini", limits = { requests = 10/s } }
        model like_it like cheap { id = "gpt-4o" }
        model other { provider = openai, id = "gpt-4o" }
        flow f { when request.tokens < 5 -> cheap, when request.has_tools -> like_it, else -> other }
        """
    )
    assert compiled.providers["openai"].limits == plan.Limits(
        requests=plan.Rate(500, 60), tokens=plan.Rate(2_000_000, 60), concurrency=64
    )
    assert compiled.model_limits == dict.fromkeys(("cheap", "like_it"), plan.Limits(requests=plan.Rate(10, 1)))


@pytest.mark.parametrize(
    ("limits", "code", "fix"),
    [
        ("requests = 500", "wrong-type", "500/min"),
        ("tokens = 2M", "wrong-type", "2M/min"),
        ("requests = $5/day", "wrong-type", "5/day"),
        ("requests = 0/min", "out-of-range", None),
        ("concurrency = 0", "out-of-range", None),
    ],
)
def test_a_limit_without_its_period_shows_one(limits: str, code: str, fix: str | None) -> None:
    text = f"mmflow 1\nprovider openai {{ limits = {{ {limits} }} }}\n"
    text += 'model m { provider = openai, id = "gpt-4o" }\nflow f { else -> m }'
    (diagnostic,) = found(text)
    assert diagnostic.code == code
    assert fix is None or fix in (diagnostic.help or "")


def test_what_a_flow_expects_and_promises_is_in_the_plan() -> None:
    flow = plan_of(
        MODELS
        + "flow f { traffic = 100/h, sla = { p95 = 3s, of = first_token }\n when request.has_tools -> cheap, else -> strong }"
    ).flows["f"]
    assert (flow.traffic, flow.sla) == (plan.Rate(100, 3_600), plan.Sla(3.0, "first_token"))
