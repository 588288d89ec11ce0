"""`mmflow plan`: the table of bounds, what it compiles to, and both as JSON."""

import json

import pytest
from cli import Shell

from mmflow.cli.failure import WRONG_USE
from mmflow.plan import decode

FULL = """\
mmflow 1

provider near using sim { zone = own }

model small { provider = near, id = "s-1", price = { input = $1/1M, output = $2.5/1M }, context = 8k }
model large like small { id = "l-1" }

tier both { models = [small, large] }

scorer long using length { min = 1 }

cascade careful {
  steps = [small, large with { deadline = 5s }]
  accept = long >= 0.5
}

fallback safe {
  try = [careful, both]
  on = [429, timeout]
  retry = { times = 2 }
}

split half {
  50% -> safe
  else -> large
}

flow main {
  deadline = 20s
  max_output = 1k
  max_cost = $0.10
  when request.tokens > 2k -> large
  else -> half
}
"""


def test_a_plan_is_shown_to_people(mmflow: Shell) -> None:
    mmflow.write("full.mmf", FULL)
    done = mmflow("plan", "full.mmf")
    assert done.code == 0
    for line in (
        "flow main: deadline 20s, max_output 1k, max_cost $0.1",
        "  50% -> safe",
        "  2. large with { deadline = 5s }",
        "  accept long >= 0.5",
        "  on 429, timeout, each tried 3 times",
        "  pick listed: small, large",
        "  small  near (sim)  s-1  own  $1/1M in, $2.5/1M out  8k context",
    ):
        assert line in done.out.splitlines()


def test_a_plan_is_printed_as_json_the_same_each_time(mmflow: Shell) -> None:
    mmflow.write("full.mmf", FULL)
    done = mmflow("plan", "full.mmf", "--json")
    assert done.code == 0
    assert json.loads(done.out)["flows"]["main"]["deadline_s"] == 20
    assert done == mmflow("plan", "--json", "full.mmf")


ROW = ("situation", "arm", "target", "calls", "worst $", "worst time", "est. p95", "first token", "zones", "share")


def test_each_situation_has_its_bounds(mmflow: Shell) -> None:
    mmflow.write("full.mmf", FULL)
    lines = mmflow("plan", "full.mmf").out.splitlines()
    rows = [line.split("  ") for line in lines if line.startswith("  ")]
    table = [tuple(cell.strip() for cell in row if cell.strip()) for row in rows]
    assert ROW in table
    long = ("request.tokens >= 2001", "request.tokens > 2k", "large", "1", "$0.0095", "20s (deadline)", "?", "?", "own", "18%")
    short = ("request.tokens <= 2000", "else", "half", "12", "$0.054", "20s (deadline)", "?", "?", "own", "100%")
    assert {long, short} <= set(table)
    assert "    large: $1/1M in + $2.5/1M out" in lines
    assert "    half: 6 small, 6 large; $12/1M in + $30/1M out" in lines
    assert any("worst time: the deadline holds" in line for line in lines)


def test_a_narrow_terminal_gets_a_record_for_each_way(mmflow: Shell) -> None:
    mmflow.write("full.mmf", FULL)
    mmflow.environ["COLUMNS"] = "60"
    lines = mmflow("plan", "full.mmf").out.splitlines()
    assert "    target       large" in lines
    assert "  - situation    request.tokens <= 2000" in lines
    bounds = lines[lines.index("  - situation    request.tokens >= 2001") :]
    assert max(map(len, bounds[: bounds.index("tier both")])) <= 60


def test_the_bounds_are_printed_as_json(mmflow: Shell) -> None:
    mmflow.write("full.mmf", FULL)
    found = json.loads(mmflow("plan", "full.mmf", "--bounds", "--json").out)
    assert found["schema"] == 1
    large, half = found["flows"]["main"]["rows"]
    assert (large["situations"], large["arms"], large["target"]) == (["request.tokens >= 2001"], ["request.tokens > 2k"], "large")
    assert large["bound"]["cost"]["worst_microusd"] == 9500
    assert half["bound"]["calls"] == 12
    assert half["bound"]["places"] == [{"zone": "own", "provider": "near", "region": None}]


TWO_FLOWS = """\
mmflow 1

provider near using sim { zone = own }
model small { provider = near, id = "s", price = free }
model large { provider = near, id = "l", price = free }
tier only { models = [large] }
flow one { else -> small }
flow two { else -> only }
"""


def test_one_flow_is_shown_with_what_it_uses(mmflow: Shell) -> None:
    mmflow.write("two.mmf", TWO_FLOWS)
    shown = mmflow("plan", "two.mmf", "--flow", "two").out
    assert "flow two" in shown
    assert "tier only" in shown
    assert "flow one" not in shown
    assert "small" not in shown
    assert set(json.loads(mmflow("plan", "two.mmf", "--flow", "two", "--bounds", "--json").out)["flows"]) == {"two"}


@pytest.mark.parametrize("arguments", [["--flow", "tow"], ["--flow", "two", "--json"]], ids=" ".join)
def test_a_flow_that_cannot_be_shown_is_wrong_use(mmflow: Shell, arguments: list[str]) -> None:
    mmflow.write("two.mmf", TWO_FLOWS)
    done = mmflow("plan", "two.mmf", *arguments)
    assert (done.code, done.out) == (WRONG_USE, "")
    assert "= help: " in done.err


def test_a_saved_plan_has_the_same_bounds(mmflow: Shell) -> None:
    mmflow.write("full.mmf", FULL)
    mmflow.write("full.json", mmflow("plan", "full.mmf", "--json").out)
    assert decode((mmflow.folder / "full.json").read_bytes()).flows
    assert mmflow("plan", "full.json").out == mmflow("plan", "full.mmf").out


def test_a_file_with_errors_has_no_plan(mmflow: Shell) -> None:
    mmflow.write("wrong.mmf", "mmflow 1\nflow main { else -> nobody }\n")
    done = mmflow("plan", "wrong.mmf", "--json")
    assert (done.code, done.out) == (1, "")


PROMISES = """mmflow 1

model mini { provider = openai, id = "gpt-4o-mini" }
model strong { provider = openai, id = "gpt-4o" }
scorer long using length { min = 20 }
strategy quick using race { of = [mini, strong] }

experiment trial {
  10% -> strong
  else -> quick
  metric = long
  sample = 20%
}

budget daily {
  limit = $50/day
  per = request.user
  when spent >= 80% -> degrade(mini with { max_output = 100 })
  when spent >= 100% -> reject
}

output reply { format = json, on_invalid = retry(1) }

flow main {
  max_input = 4k
  max_output = 1k
  budget = daily
  output = reply
  else -> trial
}
"""


def test_experiments_strategies_budgets_and_contracts_are_shown(mmflow: Shell) -> None:
    mmflow.write("promises.mmf", PROMISES)
    done = mmflow("plan", "promises.mmf")
    assert done.code == 0
    shown = "\n".join(line.rstrip() for line in done.out.splitlines())
    assert "flow main: deadline 1m, max_input 4k, max_output 1k, budget daily, output reply\n" in shown
    assert "trial: 2 strong, 4 mini; " in shown
    assert "experiment trial\n  10% -> strong\n  90% -> quick\n  metric long of 20% of the answers\n" in shown
    assert "strategy quick\n  race: up to 2 calls, at once\n  1. mini\n  2. strong\n" in shown
    assert "budget daily\n  limit $50/day for each request.user\n  from 80%: degrade mini with { max_output = 100 }\n" in shown
    assert "output reply\n  format json\n  when it is broken: the same model is asked once more\n" in shown
    assert "note: budget `daily` may ask `mini with { max_output = 100 }` in place of an arm's target" in shown
