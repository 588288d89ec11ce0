"""Random workflows, for runs without a file: small plans with every kind of step and of promise."""

from pathlib import Path
from random import Random
from typing import Any

from mmflow import plan
from mmflow.plan import Plan
from mmflow.plugin import Model, Prices, Timeouts
from mmflow.testing.simulate.traffic import Traffic
from mmflow.testing.simulate.world import Scene
from mmflow.vocabulary import Vocabulary

MODELS = ("one", "two", "three", "four")
_PRICES = (
    Prices(1_000_000, 2_000_000),
    Prices(300_000, 100_000, cache_write=900_000),
    Prices(5_000_000, 1_000_000, reasoning=4_000_001, cached_input=1),
    Prices(0, 0),
    None,
)
_ON: tuple[tuple[str, ...], ...] = (
    ("429", "5xx", "timeout", "connect", "overloaded"),
    ("429",),
    ("timeout", "connect", "invalid_output", "protocol", "4xx"),
)
_NEEDS = (
    ((plan.TargetIs("zone", "==", "own"),),),
    ((plan.TargetIs("provider", "!=", "far"),),),
    ((plan.TargetIs("name", "==", "one"),), (plan.TargetIs("region", "==", "eu"),)),
)


def random_scene(seed: int, vocabulary: Vocabulary) -> Scene:
    """A workflow of a seed."""
    found = random_plan(Random(f"plan {seed}"))
    return Scene(found, vocabulary, Path(), tuple(found.flows.values()), Traffic(found))


def random_plan(random: Random) -> Plan:
    """A plan of a few steps, each over those below it, under some promises."""
    chance = random.random
    steps: dict[str, plan.Step] = {name: plan.Ask(name, name) for name in MODELS}
    for number in range(random.randint(1, 5)):
        # What was made last is among the targets, so that steps stand within one another.
        made = list(steps)
        targets = [*(random.choice(made) for _ in range(random.randint(0, 2))), made[-1 if number else random.randrange(4)]]
        random.shuffle(targets)
        step = _step(random, f"step{number}", tuple(targets))
        steps[step.name] = step
    last = next(reversed(steps))
    steps["main"] = plan.Route("main", _arms(random, (random.choice(list(steps)),)), last)
    flow = plan.Flow(
        name="main",
        step="main",
        deadline_s=random.choice((0.5, 3.0, 10.0, 60.0)),
        max_input_tokens=random.choice((None, None, 60, 100)),
        max_output_tokens=random.choice((None, 20, 50, 50)),
        max_cost_microusd=random.choice((None, None, None, 150, 400, 2_000)),
        guards=("home",) if chance() < 0.3 else (),
        budget="money" if chance() < 0.4 else None,
        cache="kept" if chance() < 0.3 else None,
        prompt="voice" if chance() < 0.2 else None,
        output="form" if chance() < 0.2 else None,
    )
    return Plan(
        file="random.mmf",
        providers={
            "near": plan.Provider(name="near", word="near", zone="own", region="eu", limits=_limits(random, 0.3)),
            "far": plan.Provider(name="far", word="far", timeouts=Timeouts(total_s=random.choice((None, 2.0)))),
        },
        models={name: _model(random, name) for name in MODELS},
        model_limits={name: _limits(random, 1.0) for name in MODELS if chance() < 0.1},
        classifiers={
            "mood": _classifier("mood", random.choice(("up", "none", "high")), timeout_s=random.choice((0.2, 2.0))),
            "sorted": _classifier("sorted", "low", options={"model": random.choice(MODELS)}),
        },
        scorers={
            "fine": plan.Scorer(name="fine", word="fine"),
            "rating": plan.Scorer(name="rating", word="rating", options={"model": random.choice(MODELS)}),
        },
        budgets={"money": _budget(random, last)} if flow.budget else {},
        caches={"kept": _cache(random)} if flow.cache else {},
        prompts={"voice": _prompt(random)} if flow.prompt else {},
        outputs={"form": plan.Output(name="form", format=random.choice(("json", "text")), retry_times=random.randint(0, 2))}
        if flow.output
        else {},
        guards={"home": plan.Guard("home", (plan.Rule(_test(random), random.choice(_NEEDS), "when … -> …"),))}
        if flow.guards
        else {},
        steps=steps,
        flows={flow.name: flow},
    )


def _model(random: Random, name: str) -> Model:
    provider = "near" if name in ("one", "two") else "far"
    return Model(
        name=name,
        id=f"{name}-1",
        provider=provider,
        zone="own" if provider == "near" else "external",
        region="eu" if provider == "near" else None,
        prices=random.choice(_PRICES),
        context_tokens=random.choice((None, None, 60, 2_000)),
        max_output_tokens=random.choice((None, 40)),
        p95_s=random.choice((None, 0.5, 2.0)),
        quality=random.choice((None, 0.3, 0.9)),
        timeouts=Timeouts(total_s=random.choice((None, 0.7, 5.0))),
    )


def _limits(random: Random, chance: float) -> plan.Limits:
    if random.random() >= chance:
        return plan.Limits()
    return plan.Limits(
        requests=random.choice((None, plan.Rate(5, 1), plan.Rate(20, 60))),
        tokens=random.choice((None, plan.Rate(500, 60))),
        concurrency=random.choice((None, 1, 3)),
    )


def _classifier(name: str, unsure: str, timeout_s: float = 1.0, options: dict[str, Any] | None = None) -> plan.Classifier:
    return plan.Classifier(
        name=name,
        word=name,
        labels=("low", "medium", "high"),
        ordered=True,
        confidence=0.6,
        unsure=unsure,
        options=options or {},
        timeout_s=timeout_s,
    )


def _budget(random: Random, cheaper: str) -> plan.Budget:
    thresholds = [
        plan.Threshold(0.5, "alert", "ops"),
        plan.Threshold(0.6, "degrade", random.choice((*MODELS, cheaper))),
        plan.Threshold(1.0, "degrade", random.choice(MODELS)),
        plan.Threshold(random.choice((0.8, 0.95)), "reject"),
    ]
    return plan.Budget(
        name="money",
        limit_microusd=random.choice((500, 5_000, 5_000, 50_000)),
        period_s=random.choice((60, 3600)),
        per=random.choice((None, "user", "meta.team")),
        thresholds=tuple(each for each in thresholds if random.random() < 0.4),
    )


def _cache(random: Random) -> plan.Cache:
    return plan.Cache(
        name="kept",
        ttl_s=random.choice((1.0, 60.0, 3600.0)),
        scope=random.choice(("user", "team", "all", "all")),
        zone=random.choice((None, "own")),
        off=(_test(random),) if random.random() < 0.3 else (),
    )


def _prompt(random: Random) -> plan.Prompt:
    slot = plan.Slot(random.choice(("request.user", "mood", "sorted", "request.meta.team")))
    special = plan.PromptArm(random.choice(_NEEDS), ("Be brief.",))
    return plan.Prompt("voice", (special, plan.PromptArm(None, ("Be kind to ", slot, "."))))


def _test(random: Random) -> plan.Test:
    atoms: list[plan.Test] = [
        plan.LabelIs("mood", ("low",)),
        plan.LabelIs("mood", ("medium", "high")),
        plan.LabelIs("sorted", ("high",)),
        plan.RequestIs("user", "==", "ada"),
        plan.RequestIs("meta.team", "!=", "red"),
        plan.RequestIs("tokens", "<=", 15),
        plan.RequestIs("tokens", ">", 25),
        plan.RequestIs("has_tools", "==", True),
        plan.TextMatches("parcel|sum"),
    ]
    one, other = random.choice(atoms), random.choice(atoms)
    return random.choice((one, plan.All((one, other)), plan.Any_((plan.Not(one), other))))


def _arms(random: Random, targets: tuple[str, ...]) -> tuple[plan.Arm, ...]:
    return tuple(plan.Arm(_test(random), step, f"arm {number}") for number, step in enumerate(targets, 1))


def _step(random: Random, name: str, targets: tuple[str, ...]) -> plan.Step:
    scorer = random.choice(("fine", "rating"))
    slices = tuple(plan.Slice(10_000 // len(targets) + 1, each) for each in targets)
    match random.randrange(9):
        case 0:
            members = tuple(each for each in dict.fromkeys(targets) if each in MODELS) or MODELS[1:]
            return plan.Tier(name, members, random.choice(("listed", "cheapest", "fastest", "weighted", "least_busy")))
        case 1:
            return plan.Route(name, _arms(random, targets), random.choice((None, targets[-1])))
        case 2:
            return plan.Cascade(name, targets, plan.ScoreIs(scorer, ">=", 0.5), f"{scorer} >= 0.5")
        case 3:
            return plan.Fallback(name, targets, random.choice(_ON), random.randint(0, 2), random.choice((0.0, 0.5)))
        case 4:
            return plan.Split(name, slices)
        case 5:
            return plan.Experiment(name=name, slices=slices, sticky="user", metric=scorer, sample=random.choice((0.5, 1.0)))
        case 6:
            deadline_s, most = random.choice((None, 0.7, 5.0)), random.choice((None, 10))
            return plan.With(name=name, step=targets[0], deadline_s=deadline_s, max_output_tokens=most, temperature=0.5)
        case _:
            return _strategy(random, name, targets, scorer)


def _strategy(random: Random, name: str, targets: tuple[str, ...], scorer: str) -> plan.Strategy:
    all_at_once = plan.CallSummary(len(targets), parallel=True)
    match random.randrange(5):
        case 0:
            after: Any = random.choice(("p95", [0, 0.1], [0, 1.0]))
            staggered = plan.CallSummary(len(targets), parallel=True, staggered=True)
            found = plan.Strategy(name, "hedge", targets, {"after": after}, staggered, first_wins=True)
        case 1:
            found = plan.Strategy(name, "race", targets, {}, all_at_once, first_wins=True)
        case 2:
            found = plan.Strategy(name, "vote", targets, {"quorum": random.choice((1, 2))}, all_at_once)
        case 3:
            sequential = random.random() < 0.5
            summary = plan.CallSummary(len(targets), parallel=not sequential)
            options = {"scorer": scorer, "sequential": sequential, "enough": random.choice((None, 0.8))}
            options = {key: value for key, value in options.items() if value is not None}
            found = plan.Strategy(name, "best_of", targets, options, summary, (scorer,))
        case _:
            found = plan.Strategy(name, "bandit", targets, {"reward": scorer}, plan.CallSummary(1, False), (scorer,))
    return found
