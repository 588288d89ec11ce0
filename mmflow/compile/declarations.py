"""Providers, models, classifiers, scorers and scorecards of a plan."""

from mmflow import plan
from mmflow.catalogue import Known
from mmflow.check.kinds import LatencyFields, PriceFields
from mmflow.check.program import Declaration, Program
from mmflow.compile.plain import limits_of, options_of, real, text, timeouts_of, whole
from mmflow.plan import Model
from mmflow.plugin import Prices


def provider(declaration: Declaration) -> plan.Provider:
    """A provider of the plan."""
    own = declaration.fields
    return plan.Provider(
        name=declaration.name,
        word=declaration.word_path or declaration.name,
        options=options_of(declaration.word, declaration.options),
        zone=own.zone,
        region=text(own.region),
        timeouts=timeouts_of(own.timeout),
        without_key=own.without_key,
        limits=limits_of(own.limits),
    )


def model(declaration: Declaration, provider: plan.Provider, program: Program) -> Model:
    """A model of the plan: what the file does not say of it is from the catalogue where it is known."""
    own, known = declaration.fields, program.known(declaration)
    latency = own.latency or LatencyFields()
    return Model(
        name=declaration.name,
        id=own.id,
        provider=provider.name,
        zone=provider.zone,
        region=provider.region,
        family=text(program.family_of(declaration)),
        prices=_prices(own.price, known),
        context_tokens=whole(own.context) or (known.context_tokens if known else None),
        max_output_tokens=whole(own.max_output) or (known.max_output_tokens if known else None),
        first_token_s=real(latency.first_token),
        p95_s=real(latency.p95),
        quality=real(own.quality),
        weight=float(own.weight),
        failures=float(own.failures or 0),
        capabilities=own.capabilities or (known.capabilities if known else ()),
        timeouts=timeouts_of(own.timeout),
    )


def _prices(price: PriceFields | str | None, known: Known | None) -> Prices | None:
    match price:
        case None:
            return known.prices if known else None
        case PriceFields(input=input_, output=output, cached_input=cached, cache_write=write, reasoning=reasoning):
            return Prices(int(input_), int(output), whole(cached), whole(write), whole(reasoning))
        case _:
            return Prices(0, 0)


def classifier(declaration: Declaration) -> plan.Classifier:
    """A classifier of the plan."""
    own = declaration.fields
    return plan.Classifier(
        name=declaration.name,
        word=declaration.word_path or "",
        labels=own.labels.names,
        ordered=own.labels.ordered,
        confidence=float(own.confidence),
        unsure=str(own.unsure),
        options=options_of(declaration.word, declaration.options),
        input=own.input.turns,
        input_turns=own.input.count,
        timeout_s=float(own.timeout),
    )


def scorer(declaration: Declaration) -> plan.Scorer:
    """A scorer of the plan."""
    options = options_of(declaration.word, declaration.options)
    return plan.Scorer(name=declaration.name, word=declaration.word_path or "", options=options)


def scorecard(declaration: Declaration, program: Program) -> plan.Scorecard:
    """A scorecard of the plan."""
    by = program.classifier_of(declaration)
    return plan.Scorecard(name=declaration.name, file=str(declaration.fields.from_), by=by)
