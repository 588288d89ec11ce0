"""The fields of flows, and of what they use: guards, budgets, caches, prompts, contracts of output."""

from typing import Literal

from mmflow.check.kinds.ranges import above_zero, some_money
from mmflow.check.kinds.records import SlaFields
from mmflow.check.kinds.written import OnInvalid, RequestField
from mmflow.options import File, Reference, option, options
from mmflow.units import Budget, Duration, Money, Rate, Tokens


@options
class GuardFields:
    """What must hold of every model that a request reaches."""


class GuardName(Reference):
    """The name of a guard."""

    kinds = ("guard",)


@options
class BudgetFields:
    """Money in a period; past the limit requests are refused, unless an arm says otherwise."""

    limit: Budget = option(doc="how much, and in what time", check=some_money)
    per: RequestField | None = option(None, doc="each value of this field of the request has a limit of its own")


class BudgetName(Reference):
    """The name of a budget."""

    kinds = ("budget",)


@options
class CacheFields:
    """Answers that are kept."""

    ttl: Duration = option(Duration(3600), doc="how long", check=above_zero)
    scope: Literal["user", "team", "all"] = option(
        "user", doc='who may get them: the same user, the same `meta("team")`, anybody'
    )
    zone: Literal["own", "external"] | None = option(None, doc="whose machines keep them; guarded data needs to know")


class CacheName(Reference):
    """The name of a cache."""

    kinds = ("cache",)


@options
class PromptFields:
    """The system message, by model."""


class PromptName(Reference):
    """The name of a prompt."""

    kinds = ("prompt",)


@options
class OutputFields:
    """What an answer must be."""

    format: Literal["text", "json"] = option("text", doc="its form")
    schema: File | None = option(None, doc="the JSON Schema that it satisfies")
    on_invalid: OnInvalid = option(OnInvalid(0), doc="what to do when it is not: `fail`, or ask the same model again")


class OutputName(Reference):
    """The name of an output contract."""

    kinds = ("output",)


@options
class FlowFields:
    """An entry point."""

    deadline: Duration = option(Duration(60), doc="time for the whole request, whatever happens", check=above_zero)
    max_input: Tokens | None = option(None, doc="longer requests are rejected before any call", check=above_zero)
    max_output: Tokens | None = option(None, doc="tokens of an answer", check=above_zero)
    max_cost: Money | None = option(None, doc="what one request may cost, rejected answers and judges included")
    guards: tuple[GuardName, ...] | None = option(None, doc="what must hold of every model that its requests reach")
    sla: SlaFields | None = option(None, doc="how long answers may take; `check` compares it with an estimate")
    traffic: Rate | None = option(None, doc="the requests that are expected; `check` compares them with the budget")
    budget: BudgetName | None = option(None, doc="the money that its requests share")
    cache: CacheName | None = option(None, doc="where its answers are kept")
    prompt: PromptName | None = option(None, doc="the system message")
    output: OutputName | None = option(None, doc="what its answers must be")


class FlowName(Reference):
    """The name of a flow."""

    kinds = ("flow",)
