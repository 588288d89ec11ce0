"""What a plan promises against what it may come to: money, time, windows and capabilities, decided case by case."""

from collections.abc import Iterator

from mmflow.check import cascades, cost, fallbacks, latency, retries, windows
from mmflow.check.paths import Paths, paths_of
from mmflow.check.program import Program
from mmflow.diagnostics import Diagnostic
from mmflow.plan import Plan


def promises(program: Program, plan: Plan) -> Iterator[Diagnostic]:
    """The diagnostics that need the plan of a program."""
    flows = [paths_of(program, plan, flow) for flow in plan.flows.values()]
    for flow in flows:
        yield from _of_flow(flow)
    yield from cost.traffic_over_budget(flows)
    yield from cascades.cascade_order(program, plan)
    # A step that several flows lead to says the same for each.
    yield from dict.fromkeys(each for flow in flows for each in _of_steps(flow))


def _of_flow(flow: Paths) -> Iterator[Diagnostic]:
    yield from cost.worst_cost(flow)
    yield from cost.degrade_not_cheaper(flow)
    yield from latency.worst_time(flow)
    yield from latency.sla_estimate(flow)
    yield from latency.unknown_latencies(flow)
    yield from windows.context_overflow(flow)
    yield from windows.missing_capability(flow)


def _of_steps(flow: Paths) -> Iterator[Diagnostic]:
    yield from latency.late_first_token(flow)
    yield from fallbacks.same_provider(flow)
    yield from fallbacks.dead_fallback(flow)
    yield from retries.retry_product(flow)
