"""What one classifier says of a request, without running the flow that would ask it."""

from pathlib import Path

import msgspec

from mmflow.plan import Arm, Ask, Flow, LabelIs, Plan, Route
from mmflow.plugin import Request
from mmflow.runtime.events import SignalRead
from mmflow.runtime.executor import Executor
from mmflow.runtime.given import Given
from mmflow.runtime.signals import Signal
from mmflow.vocabulary import Vocabulary


async def read_signal(plan: Plan, vocabulary: Vocabulary, folder: Path, name: str, request: Request, given: Given) -> Signal:
    """The signal of a classifier; one that needs a model is unsure, because none is asked."""
    asked = Ask("model", next(iter(plan.models), ""))
    # An arm that never holds reads the classifier and goes on.
    table = Route("table", (Arm(LabelIs(name, ()), asked.name, name),), asked.name)
    steps = {asked.name: asked, table.name: table}
    flow = Flow(name="reading", step=table.name, deadline_s=plan.classifiers[name].timeout_s + 1)
    alone = msgspec.structs.replace(
        plan, steps=steps, flows={flow.name: flow}, budgets={}, caches={}, outputs={}, prompts={}, guards={}, tests={}
    )
    executor = Executor(alone, vocabulary, folder=folder)
    try:
        result = await executor.decide(flow.name, request, given=given)
    finally:
        await executor.close()
    read = next(each for each in result.events if isinstance(each, SignalRead))
    return Signal(read.label, read.guess, read.confidence, read.unsure)
