"""From a checked program to a plan; total: a program without errors always compiles."""

from collections.abc import Iterator, Mapping

from mmflow import plan
from mmflow.catalogue import Known
from mmflow.check.kinds import LatencyFields, PriceFields, Target, TimeoutFields
from mmflow.check.program import Arm, Declaration, OptionWord, Program
from mmflow.options import plain_record
from mmflow.plan import Model, Plan, Step
from mmflow.plugin import Prices, Timeouts

_BUCKETS = 10_000


def compile(program: Program) -> Plan:  # the verb of this layer; the builtin is not used here
    """The plan of a program that was checked without an error."""
    of = program.of_kind
    providers = {each.name: _provider(each) for each in of("provider")}
    providers |= {word: plan.Provider(name=word, word=word) for word in program.implicit_providers}
    models = {each.name: _model(each, providers[each.fields.provider], program) for each in of("model")}
    steps: dict[str, Step] = {}
    for declaration in program.declarations.values():
        steps.update((step.name, step) for step in _steps(declaration))
    return Plan(
        file=program.file.span.source.path,
        params=dict(program.params),
        providers=providers,
        models=models,
        classifiers={each.name: _classifier(each) for each in of("classify")},
        scorers={each.name: _scorer(each) for each in of("scorer")},
        guards={each.name: _guard(each) for each in of("guard")},
        steps=steps,
        flows={each.name: _flow(each) for each in of("flow")},
    )


def _real(value: float | None) -> float | None:
    """A quantity as the plain number that a plan stores."""
    return None if value is None else float(value)


def _whole(value: int | None) -> int | None:
    return None if value is None else int(value)


def _word(value: str | None) -> str | None:
    return None if value is None else str(value)


# ---- providers, models, signals -----------------------------------------------------------------------------------------------


def _provider(declaration: Declaration) -> plan.Provider:
    own = declaration.fields
    return plan.Provider(
        name=declaration.name,
        word=declaration.word_path or declaration.name,
        options=_options(declaration.word, declaration.options),
        zone=own.zone,
        region=_word(own.region),
        timeouts=_timeouts(own.timeout),
        without_key=own.without_key,
    )


def _options(word: OptionWord | None, options: Mapping[str, object]) -> dict[str, object]:
    return plain_record(word.options, options) if word is not None else {}


def _timeouts(timeout: TimeoutFields | float | None) -> Timeouts:
    match timeout:
        case None:
            return Timeouts()
        case TimeoutFields(connect=connect, first_token=first_token, idle=idle, total=total):
            return Timeouts(_real(connect), _real(first_token), _real(idle), _real(total))
        case seconds:
            return Timeouts(total_s=float(seconds))


def _model(declaration: Declaration, provider: plan.Provider, program: Program) -> Model:
    own, known = declaration.fields, program.known(declaration)
    latency = own.latency or LatencyFields()
    return Model(
        name=declaration.name,
        id=own.id,
        provider=provider.name,
        zone=provider.zone,
        region=provider.region,
        family=_word(program.family_of(declaration)),
        prices=_prices(own.price, known),
        context_tokens=_whole(own.context) or (known.context_tokens if known else None),
        max_output_tokens=_whole(own.max_output) or (known.max_output_tokens if known else None),
        first_token_s=_real(latency.first_token),
        p95_s=_real(latency.p95),
        quality=_real(own.quality),
        weight=float(own.weight),
        failures=float(own.failures or 0),
        capabilities=own.capabilities or (known.capabilities if known else ()),
        timeouts=_timeouts(own.timeout),
    )


def _prices(price: PriceFields | str | None, known: Known | None) -> Prices | None:
    match price:
        case None:
            return known.prices if known else None
        case PriceFields(input=input_, output=output, cached_input=cached, cache_write=write, reasoning=reasoning):
            return Prices(int(input_), int(output), _whole(cached), _whole(write), _whole(reasoning))
        case _:
            return Prices(0, 0)


def _classifier(declaration: Declaration) -> plan.Classifier:
    own = declaration.fields
    return plan.Classifier(
        name=declaration.name,
        word=declaration.word_path or "",
        labels=own.labels.names,
        ordered=own.labels.ordered,
        confidence=float(own.confidence),
        unsure=str(own.unsure),
        options=_options(declaration.word, declaration.options),
        input=own.input.turns,
        input_turns=own.input.count,
        timeout_s=float(own.timeout),
    )


def _scorer(declaration: Declaration) -> plan.Scorer:
    options = _options(declaration.word, declaration.options)
    return plan.Scorer(name=declaration.name, word=declaration.word_path or "", options=options)


# ---- steps --------------------------------------------------------------------------------------------------------------------


def _steps(declaration: Declaration) -> Iterator[Step]:
    """The step of a declaration that is a target or a flow, after those of the targets under `with` in it."""
    name, own = declaration.name, declaration.fields
    match declaration.kind.name:
        case "model":
            yield plan.Ask(name, name)
        case "tier":
            yield plan.Tier(name, tuple(map(str, own.models)), own.pick.word)
        case "route" | "flow":
            yield from _route(declaration)
        case "cascade":
            steps, extra = _targets(name, "step", own.steps)
            yield from extra
            yield plan.Cascade(name, steps, own.accept.test, own.accept.text)
        case "fallback":
            steps, extra = _targets(name, "try", own.try_)
            yield from extra
            on = tuple(each.name for each in own.on)
            retry = own.retry
            yield plan.Fallback(name, steps, on, int(retry.times) if retry else 0, float(retry.backoff) if retry else 0.2)
        case "split":
            steps, extra = _targets(name, "arm", [arm.target for arm in declaration.arms])
            yield from extra
            yield plan.Split(name, _slices(declaration.arms, steps), own.sticky.name)


def _targets(owner: str, position: str, targets: "list[Target] | tuple[Target, ...]") -> tuple[tuple[str, ...], list[Step]]:
    """The names of the steps of some targets, and the steps that `with` makes, named by their place: `answer/step 2`."""
    names: list[str] = []
    extra: list[Step] = []
    for index, target in enumerate(targets, 1):
        if target.settings is None:
            names.append(target.name)
            continue
        settings, name = target.settings, f"{owner}/{position} {index}"
        limits = (_real(settings.deadline), _whole(settings.max_output), _real(settings.temperature))
        extra.append(plan.With(name, target.name, *limits))
        names.append(name)
    return tuple(names), extra


def _route(declaration: Declaration) -> Iterator[Step]:
    names, extra = _targets(declaration.name, "arm", [arm.target for arm in declaration.arms])
    yield from extra
    arms: list[plan.Arm] = []
    otherwise: str | None = None
    for arm, step in zip(declaration.arms, names, strict=True):
        if arm.condition is None:
            otherwise = step
            break  # what stands below an `else` is never taken
        arms.append(plan.Arm(arm.condition.test, step, arm.condition.text))
    yield plan.Route(declaration.name, tuple(arms), otherwise)


def _slices(arms: tuple[Arm, ...], steps: tuple[str, ...]) -> tuple[plan.Slice, ...]:
    given = [round(arm.share * _BUCKETS) if arm.share is not None else None for arm in arms]
    rest = _BUCKETS - sum(each or 0 for each in given)
    return tuple(plan.Slice(rest if each is None else each, step) for each, step in zip(given, steps, strict=True))


def _guard(declaration: Declaration) -> plan.Guard:
    rules = (plan.Rule(rule.condition.test, rule.needs, rule.text) for rule in declaration.rules)
    return plan.Guard(declaration.name, tuple(rules))


def _flow(declaration: Declaration) -> plan.Flow:
    own = declaration.fields
    return plan.Flow(
        name=declaration.name,
        step=declaration.name,
        deadline_s=float(own.deadline),
        max_input_tokens=_whole(own.max_input),
        max_output_tokens=_whole(own.max_output),
        max_cost_microusd=_whole(own.max_cost),
        guards=tuple(map(str, own.guards or ())),
    )
