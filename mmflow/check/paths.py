"""The ways through a flow, with the places in the file that diagnostics of them point at."""

import attrs

from mmflow.bounds.cases import Case, cases_or_arms
from mmflow.bounds.names import arm_texts
from mmflow.check.program import Declaration, Program
from mmflow.plan import Flow, Plan
from mmflow.source import Span
from mmflow.units import Duration, Money, text_of

MOST_WAYS = 2_000
"""Past so many ways a flow is judged arm by arm."""

_LONGEST_PATH = 12
_YEAR_S = 365 * 86_400
_MOST_MICROUSD = 10**15


@attrs.frozen
class Paths:
    """A flow and its cases."""

    program: Program
    plan: Plan
    flow: Flow
    cases: tuple[Case, ...]

    @property
    def declaration(self) -> Declaration:
        return self.program.declarations[self.flow.name]

    def span(self, field: str) -> Span:
        """Where a field of the flow was written; its header where it was not."""
        return self.declaration.spans.get(field, self.declaration.block.header)

    def arm_span(self, case: Case) -> Span:
        """The arm of the flow that a case takes."""
        arms, taken = self.declaration.arms, case.choices.get(self.flow.name)
        return arms[taken].node.span if taken is not None and taken < len(arms) else self.declaration.block.header

    def when(self, case: Case) -> str:
        """`with task = code ` before what happens then; empty where it always does, the arms where nobody knows a situation."""
        if case.situations is None:
            arms = arm_texts(self.plan, case.choices)
            return f"under `{arms[0]}` " if arms else ""
        return f"with {case.witness} " if case.witness else ""


def paths_of(program: Program, plan: Plan, flow: Flow) -> Paths:
    """The cases of a flow."""
    return Paths(program, plan, flow, tuple(cases_or_arms(plan, flow, MOST_WAYS)))


def seconds_text(seconds: float) -> str:
    """`1m30s`; retries within retries come to times beyond all measure."""
    return text_of(Duration(round(seconds, 3))) if seconds < _YEAR_S else "more than a year"


def money_text(microusd: float) -> str:
    """`$0.05`."""
    return text_of(Money(round(microusd))) if microusd < _MOST_MICROUSD else f"more than {text_of(Money(_MOST_MICROUSD))}"


def field_span(program: Program, step: str, field: str) -> Span:
    """Where a field of a step's declaration was written; `answer/step 2` is of `answer`."""
    declaration = program.declarations[declared(step)]
    return declaration.spans.get(field, declaration.block.header)


def declared(step: str) -> str:
    """The declaration that a step is of."""
    return step.partition("/")[0]


def said(names: tuple[str, ...]) -> str:
    """A path in words: `support -> answer -> mini`."""
    way = list(dict.fromkeys(declared(name) for name in names))
    return " -> ".join(way if len(way) <= _LONGEST_PATH else [*way[: _LONGEST_PATH - 2], "…", way[-1]])
