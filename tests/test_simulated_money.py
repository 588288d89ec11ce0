"""What is simulated for want of a key costs nothing: it counts in this process, and the shared state never hears of it."""

import asyncio
from pathlib import Path
from typing import Any

from cli import Shell

from mmflow.api import Answer, RunFailed, load
from mmflow.runtime.events import Alerted, BudgetDegraded
from mmflow.runtime.state import Window
from mmflow.runtime.state_file import StateFile

FLOW = """\
mmflow 1

provider openai { without_key = simulate }

model dear { provider = openai, id = "gpt", price = { input = $1/1M, output = $2/1M } }
model own { provider = sim, id = "a", price = { input = $1/1M, output = $2/1M } }
model cheap { provider = sim, id = "b", price = free }

budget daily {
  limit = $0.0008/day
  when spent >= 10% -> alert("ops")
  when spent >= 100% -> degrade(cheap)
}

flow main {
  max_input = 100
  max_output = 100
  budget = daily
  when request.tokens > 30 -> own
  else -> dear
}
"""


async def asked(folder: Path, *inputs: str) -> list[Answer]:
    """So many answers of one process, which has no key."""
    flow = load(folder / "flow.mmf", state=folder / "state.sqlite", environ={})
    try:
        return [await flow.run(each) for each in inputs]
    except RunFailed as failed:
        raise AssertionError(failed.message) from failed
    finally:
        await flow.close()


def events(answers: list[Answer], kind: type[Any]) -> list[Any]:
    return [event for each in answers for event in each.events if isinstance(event, kind)]


async def spent(folder: Path) -> int:
    store = StateFile(folder / "state.sqlite")
    try:
        await store.balance(Window("x", 0, 1), 0.0)
        assert store._connection is not None
        ((microusd,),) = store._connection.execute("SELECT coalesce(sum(microusd), 0) FROM spent").fetchall()
        ((held,),) = store._connection.execute("SELECT coalesce(sum(microusd), 0) FROM promised").fetchall()
        assert held == 0
        return int(microusd)
    finally:
        await store.close()


def test_simulated_answers_reach_the_limit_of_their_process_and_leave_the_state_alone(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", FLOW)
    answers = asyncio.run(asked(mmflow.folder, *["hello"] * 30))
    assert (answers[0].model, answers[-1].model) == ("dear", "cheap")
    degraded = events(answers, BudgetDegraded)[-1]
    assert degraded.simulated_microusd == degraded.spent_microusd > 0
    (alerted,) = events(answers, Alerted)
    assert alerted.simulated_microusd == alerted.spent_microusd
    assert any("of it simulated)" in line for each in answers for line in each.trace().splitlines())
    assert asyncio.run(spent(mmflow.folder)) == 0
    assert asyncio.run(asked(mmflow.folder, "hello"))[0].model == "dear", "another process begins anew"


def test_what_is_real_is_kept_beside_what_is_simulated(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", FLOW)
    long = "a word " * 30
    answers = asyncio.run(asked(mmflow.folder, "hello", long))
    assert [each.model for each in answers] == ["dear", "own"]
    real = round(1e6 * (answers[1].cost_usd or 0))
    assert asyncio.run(spent(mmflow.folder)) == real > 0


def test_an_alert_of_simulated_money_does_not_keep_the_real_one_from_being_told(mmflow: Shell) -> None:
    mmflow.write("flow.mmf", FLOW)
    simulated = asyncio.run(asked(mmflow.folder, *["hello"] * 3))
    assert len(events(simulated, Alerted)) == 1
    real = asyncio.run(asked(mmflow.folder, *["a word " * 30] * 3))
    (alerted,) = events(real, Alerted)
    assert alerted.simulated_microusd == 0
