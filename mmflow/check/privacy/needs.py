"""What is known of callees and of caches, against what a rule needs."""

from collections.abc import Iterator

from mmflow.check.program import Declaration, Program, Rule
from mmflow.check.uses import asked_by
from mmflow.plan import TargetIs, compare

Needs = tuple[tuple[TargetIs, ...], ...]


def can_be_met(program: Program, rule: Rule) -> bool:
    """Whether some model of the file is what a rule needs."""
    return any(meets(program, model, rule.needs) for model in program.of_kind("model"))


def meets(program: Program, model: Declaration, needs: Needs) -> bool:
    """Whether a model is what one of the alternatives asks, on its provider and on each that this one calls in turn."""
    return breaking(program, model, needs) is None


def breaking(program: Program, model: Declaration, needs: Needs) -> str | None:
    """The provider on which a model is not what is needed; None where it is on all."""
    for provider in providers_of(program, model):
        if not any(all(_holds(program, model, provider, fact) for fact in facts) for facts in needs):
            return provider
    return None


def providers_of(program: Program, model: Declaration) -> Iterator[str]:
    """The provider of a model, and those that it calls in its stead: a tape records another."""
    passed: set[str] = set()
    open_ = [str(model.fields.provider)]
    while open_:
        name = open_.pop(0)
        if name in passed:
            continue
        passed.add(name)
        yield name
        provider = program.declarations.get(name)
        if provider is not None:
            open_ += [str(each) for each in asked_by(provider) if "provider" in each.kinds]


def _holds(program: Program, model: Declaration, provider_name: str, fact: TargetIs) -> bool:
    provider = program.declarations.get(provider_name)
    known = {
        "zone": provider.fields.zone if provider else "external",
        "region": provider.fields.region if provider else None,
        "provider": provider_name,
        "family": program.family_of(model),
        "name": model.name,
    }
    return compare(known[fact.field], fact.operator, fact.value)


def zone_meets(zone: str | None, needs: Needs) -> bool:
    """Whether a place of which nothing but its zone is known is what one of the alternatives asks."""
    return zone is not None and any(
        all(fact.field == "zone" and compare(zone, fact.operator, fact.value) for fact in facts) for facts in needs
    )
