"""From a checked program to a plan; total: a program without errors always compiles."""

from collections.abc import Iterator, Mapping

import attrs

from mmflow import plan
from mmflow.catalogue import Known
from mmflow.check.kinds import LatencyFields, LimitFields, PriceFields, PromoteFields, Target, TimeoutFields
from mmflow.check.program import Arm, Declaration, OptionWord, Program
from mmflow.check.uses import asked_by
from mmflow.options import ScorerName, construct, plain_record, public_name
from mmflow.plan import Model, Plan, Step
from mmflow.plugin import Prices, StrategyWord, Timeouts
from mmflow.units import Rate

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
    budgets: dict[str, plan.Budget] = {}
    for declaration in of("budget"):
        budgets[declaration.name], extra = _budget(declaration)
        steps.update((step.name, step) for step in extra)
    return Plan(
        file=program.file.span.source.path,
        params=dict(program.params),
        providers=providers,
        models=models,
        classifiers={each.name: _classifier(each) for each in of("classify")},
        scorers={each.name: _scorer(each) for each in of("scorer")},
        scorecards={each.name: _scorecard(each, program) for each in of("scorecard")},
        model_limits={each.name: _limits(each.fields.limits) for each in of("model") if each.fields.limits is not None},
        budgets=budgets,
        caches={each.name: _cache(each) for each in of("cache")},
        prompts={each.name: _prompt(each) for each in of("prompt")},
        outputs={each.name: _output(each) for each in of("output")},
        guards={each.name: _guard(each) for each in of("guard")},
        steps=steps,
        flows={each.name: _flow(each) for each in of("flow")},
        tests=dict(program.tests),
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
        limits=_limits(own.limits),
    )


def _limits(limits: LimitFields | None) -> plan.Limits:
    if limits is None:
        return plan.Limits()
    return plan.Limits(requests=_rate(limits.requests), tokens=_rate(limits.tokens), concurrency=_whole(limits.concurrency))


def _rate(rate: Rate | None) -> plan.Rate | None:
    return None if rate is None else plan.Rate(int(rate.count), int(rate.period_s))


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
            models, bar = tuple(map(str, own.models)), _real(own.min_quality)
            yield plan.Tier(name, models, own.pick.word, min_quality=bar, scorecard=_word(own.scorecard))
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
        case "experiment":
            steps, extra = _targets(name, "arm", [arm.target for arm in declaration.arms])
            yield from extra
            rule = own.promote or PromoteFields()
            yield plan.Experiment(
                name=name,
                slices=_slices(declaration.arms, steps),
                sticky=own.sticky.name,
                metric=str(own.metric),
                sample=float(own.sample),
                min_samples=int(rule.min_samples),
                confidence=float(rule.confidence),
                not_worse_than=float(rule.not_worse_than),
            )
        case "strategy":
            steps, extra = _targets(name, "of", own.of)
            yield from extra
            yield plan.Strategy(
                name=name,
                word=declaration.word_path or "",
                steps=steps,
                options=_options(declaration.word, declaration.options),
                calls=_calls(declaration),
                scorers=tuple(dict.fromkeys(str(each) for each in asked_by(declaration) if isinstance(each, ScorerName))),
                first_wins=isinstance(declaration.word, StrategyWord) and declaration.word.first_wins,
            )


def _calls(declaration: Declaration) -> plan.CallSummary | None:
    """The call summary of a strategy; None where its word has none, or cannot tell it from these options."""
    word = declaration.word
    if not isinstance(word, StrategyWord) or word.calls is None:
        return None
    by_attribute = {each.name: declaration.options.get(public_name(each.name)) for each in attrs.fields(word.options)}
    try:
        options: object = construct(word.options, {name: value for name, value in by_attribute.items() if value is not None})
        calls = word.calls(options, len(declaration.fields.of))
    except Exception:  # noqa: BLE001 - anybody's code: what it cannot tell is not known
        return None
    return plan.CallSummary(int(calls.most), bool(calls.parallel), bool(calls.staggered))


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


# ---- what flows promise and use -----------------------------------------------------------------------------------------------


def _scorecard(declaration: Declaration, program: Program) -> plan.Scorecard:
    by = program.classifier_of(declaration)
    return plan.Scorecard(name=declaration.name, file=str(declaration.fields.from_), by=by)


def _budget(declaration: Declaration) -> tuple[plan.Budget, list[Step]]:
    own, name = declaration.fields, declaration.name
    degraded = [each.target for each in declaration.thresholds if each.target is not None]
    steps, extra = _targets(name, "degrade", degraded)
    rest = iter(steps)
    budget = plan.Budget(
        name=name,
        limit_microusd=int(own.limit.amount_microusd),
        period_s=int(own.limit.period_s),
        per=own.per.name if own.per is not None else None,
        thresholds=tuple(
            plan.Threshold(each.share, each.action, next(rest) if each.target is not None else each.channel)
            for each in declaration.thresholds
        ),
    )
    return budget, extra


def _cache(declaration: Declaration) -> plan.Cache:
    own = declaration.fields
    return plan.Cache(
        name=declaration.name,
        word=declaration.word_path or "",
        options=_options(declaration.word, declaration.options),
        ttl_s=float(own.ttl),
        scope=own.scope,
        zone=own.zone,
        off=tuple(each.condition.test for each in declaration.off),
    )


def _prompt(declaration: Declaration) -> plan.Prompt:
    arms: list[plan.PromptArm] = []
    for template in declaration.templates:
        arms.append(plan.PromptArm(template.condition.needs if template.condition else None, template.parts))
        if template.condition is None:
            break  # what stands below an `else` is never taken
    return plan.Prompt(declaration.name, tuple(arms))


def _output(declaration: Declaration) -> plan.Output:
    own = declaration.fields
    return plan.Output(
        name=declaration.name, format=own.format, schema_file=_word(own.schema), retry_times=own.on_invalid.retry_times
    )


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
        sla=plan.Sla(float(own.sla.p95), own.sla.of) if own.sla is not None else None,
        traffic=_rate(own.traffic),
        budget=_word(own.budget),
        cache=_word(own.cache),
        prompt=_word(own.prompt),
        output=_word(own.output),
    )
