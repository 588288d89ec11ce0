"""Diagnostics of time passing: models that their vendors end, and prices that may have changed since."""

from collections.abc import Iterator
from datetime import date

from mmflow import library
from mmflow.catalogue import Known
from mmflow.check.kinds import PriceFields
from mmflow.check.program import Declaration, Program
from mmflow.check.uses import reached
from mmflow.diagnostics import Diagnostic, error, note, warning
from mmflow.source import Span
from mmflow.units import Price, text_of

OLD_DAYS = 90


def ending_models(program: Program, today: date) -> Iterator[Diagnostic]:
    """`retired-model` and `deprecated-model`, by what the catalogue knows of a day."""
    for model in _models(program):
        known = program.known(model)
        if known is None:
            continue
        if known.retired is not None and known.retired <= today:
            yield retired_model(model, known)
        elif known.retired is not None or (known.deprecated is not None and known.deprecated <= today):
            yield deprecated_model(model, known)


def _models(program: Program) -> list[Declaration]:
    """The models of the program, but for those of a library that comes with mmflow and that no flow of it reaches."""
    models = program.of_kind("model")
    if not any(library.is_library(each.name_span.source.path) for each in models):
        return models
    inside = reached(program, [flow.name for flow in program.of_kind("flow")])
    return [each for each in models if each.name in inside or not library.is_library(each.name_span.source.path)]


def retired_model(model: Declaration, known: Known) -> Diagnostic:
    """A model that its vendor does not serve any more."""
    message = f"`{model.name}` is `{known.id}`, which its vendor ended on {known.retired}: it does not answer any more"
    return error("retired-model", message, _id_span(model), help=_instead(known))


def deprecated_model(model: Declaration, known: Known) -> Diagnostic:
    """A model whose end its vendor has announced."""
    end = f"on {known.retired}" if known.retired is not None else f"(announced on {known.deprecated})"
    message = f"`{model.name}` is `{known.id}`, which its vendor ends {end}"
    return warning("deprecated-model", message, _id_span(model), help=_instead(known))


def _instead(known: Known) -> str:
    if known.replacement is None:
        return "choose another model of the vendor"
    return f'its vendor names `id = "{known.replacement}"` in its stead'


def _id_span(model: Declaration) -> Span:
    return model.spans.get("id", model.block.header)


def old_prices(program: Program, today: date) -> Iterator[Diagnostic]:
    """`old-price` for a price that nobody has looked at for `OLD_DAYS`: of the file, where it is dated, or the catalogue's."""
    told: set[Span] = set()
    for model in _models(program):
        price, known = model.fields.price, program.known(model)
        if isinstance(price, PriceFields) and price.as_of is not None:
            as_of, span = date.fromisoformat(price.as_of), model.spans["price"]
            help = f'compare it with the vendor\'s, and write `as_of = "{today}"`'
        elif price is None and known is not None and known.prices is not None:
            as_of, span = known.as_of, _id_span(model)
            help = "upgrade mmflow, or write `price = { … }` as the vendor has it now"
        else:
            continue
        if (today - as_of).days > OLD_DAYS and span not in told:
            told.add(span)
            yield old_price(model, as_of, today, span, help)


def old_price(model: Declaration, as_of: date, today: date, span: Span, help: str) -> Diagnostic:
    """A price that may have changed since it was written down."""
    message = f"the price of `{model.name}` is of {as_of}, {(today - as_of).days} days ago"
    return note("old-price", message, span, help=help)


def other_prices(program: Program) -> Iterator[Diagnostic]:
    """`other-price` for a price in the file that is not the catalogue's; `free` is a decision, and nothing to compare."""
    told: set[Span] = set()
    for model in program.of_kind("model"):
        price, known = model.fields.price, program.known(model)
        if not isinstance(price, PriceFields) or known is None or known.prices is None or model.spans["price"] in told:
            continue
        kinds = [kind for kind in known.prices.__struct_fields__ if getattr(price, kind) is not None]
        theirs = {kind: cost for kind in kinds if (cost := getattr(known.prices, kind)) not in (None, getattr(price, kind))}
        if theirs:
            told.add(model.spans["price"])
            yield other_price(model, known, theirs)


def other_price(model: Declaration, known: Known, theirs: dict[str, int]) -> Diagnostic:
    """A price that the catalogue has otherwise."""
    price = model.fields.price
    costs = ", ".join(f"{kind} {text_of(Price(cost))}, not {text_of(getattr(price, kind))}" for kind, cost in theirs.items())
    message = f"the catalogue has another price for `{known.id}`: {costs} ({known.source}, {known.as_of})"
    help = 'correct it, leave `price` out, or say why it is yours: `allow = [other_price("our contract")]`'
    before = [each for each in known.history[:-1] if (each.input, each.output) == (price.input, price.output)]
    if before:
        on = f" of {before[-1].since}" if before[-1].since else ""
        help = f"it is an earlier price ({before[-1].source}{on}); {help}"
    return note("other-price", message, model.spans["price"], help=help)
