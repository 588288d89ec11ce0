"""Diagnostics of what a model takes and can do: its context window and its capabilities; one function for each code."""

from collections.abc import Iterator

from mmflow.bounds.asks import Asked, asks, judges
from mmflow.bounds.cases import Case
from mmflow.bounds.estimate import is_buffered
from mmflow.bounds.prompts import prompt_tokens
from mmflow.check.paths import Paths, said
from mmflow.diagnostics import Diagnostic, Note, error
from mmflow.units import Tokens, text_of

_CLASSES = {"request.has_images": "images", "request.has_tools": "tools"}
"""What a request may have, and what a model needs to answer it."""

_STRUCTURED = ("json", "json_schema", "tools")
"""What makes a model keep to JSON."""


def context_overflow(paths: Paths) -> Iterator[Diagnostic]:
    """Requests and answers that the flow admits, and that are longer together than the window of a model they reach."""
    told: set[str] = set()
    for case in paths.cases:
        if case.longest is None:
            continue
        for asked in _calls(paths, case):
            window, wrote = asked.model.context_tokens, asked.max_output_tokens or 0
            own = prompt_tokens(paths.plan, paths.flow, asked.model) if asked.purpose == "answer" else 0
            if window is None or case.longest + own + wrote <= window or asked.model.name in told:
                continue
            told.add(asked.model.name)
            parts = [f"a request of {text_of(Tokens(case.longest))}"]
            parts += [f"a prompt of {text_of(Tokens(own))}"] if own else []
            parts += [f"an answer of {text_of(Tokens(wrote))}"] if wrote else []
            message = (
                f"{paths.when(case)}{' and '.join(parts)} tokens may reach `{asked.model.name}`, "
                f"whose window is {text_of(Tokens(window))}"
            )
            help = "lower `max_input` or `max_output`, or route long requests to a model with a larger window"
            yield error("context-overflow", message, paths.arm_span(case), notes=[_path(asked)], help=help)


def _calls(paths: Paths, case: Case) -> Iterator[Asked]:
    yield from asks(paths.plan, paths.flow, case.choices)
    yield from judges(paths.plan, paths.flow, case.choices)


def missing_capability(paths: Paths) -> Iterator[Diagnostic]:
    """A model that is known not to do what the class of a request, or the contract of the flow, needs."""
    plan, flow = paths.plan, paths.flow
    told: set[tuple[str, str]] = set()
    for case in paths.cases:
        for asked in asks(plan, flow, case.choices):
            for lacks, needs in _lacking(paths, case, asked):
                if (asked.model.name, lacks) in told:
                    continue
                told.add((asked.model.name, lacks))
                message = f"{needs}, and `{asked.model.name}` cannot do {lacks}"
                help = "route such requests to a model that can, or add it to its `capabilities`"
                yield error("missing-capability", message, paths.arm_span(case), notes=[_path(asked)], help=help)


def _lacking(paths: Paths, case: Case, asked: Asked) -> Iterator[tuple[str, str]]:
    """What a model lacks, and who needs it. Of one without declared capabilities nothing is known."""
    known = asked.model.capabilities
    if not known:
        return
    for field, capability in _CLASSES.items():
        if capability not in known and case.situations and all(values.get(field) is True for values in case.situations):
            yield capability, f"with {field} = true a request needs `{capability}`"
    if is_buffered(paths.plan, paths.flow) and not any(each in known for each in _STRUCTURED):
        yield "JSON", f"output `{paths.flow.output}` of `{paths.flow.name}` needs `json`"


def _path(asked: Asked) -> Note:
    return Note(f"path: {said(asked.path)}")
