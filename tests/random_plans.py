"""Random small plans with every kind of step, for the properties of bounds and of the behaviour diff."""

from hypothesis import strategies as st
from msgspec.structs import replace
from plans import all_of, classifier, model, plan_of

from mmflow import plan
from mmflow.plugin import Prices, Timeouts

MODELS = ("one", "two", "three")

prices = st.sampled_from(
    [
        Prices(1_000_000, 2_000_000),
        Prices(1_000_000, 2_000_000),
        Prices(300_000, 100_000, cache_write=900_000),
        Prices(1, 1, reasoning=2_000_001),
        Prices(0, 0),
        None,
    ]
)


@st.composite
def conditions(draw: st.DrawFn) -> plan.Test:
    atoms: list[plan.Test] = [
        plan.LabelIs("mood", ("low",)),
        plan.LabelIs("mood", ("medium", "high")),
        plan.LabelIs("sorted", ("high",)),
        plan.RequestIs("user", "==", "ada"),
        plan.RequestIs("tokens", "<=", 10),
        plan.RequestIs("tokens", ">", 25),
        plan.TextMatches("x"),
    ]
    one, other = draw(st.sampled_from(atoms)), draw(st.sampled_from(atoms))
    return draw(st.sampled_from([one, plan.All((one, other)), plan.Any_((plan.Not(one), other))]))


@st.composite
def random_plans(draw: st.DrawFn) -> plan.Plan:
    """A plan of a few steps, each over those below it."""
    names = list(MODELS)
    steps: list[plan.Step] = []
    for number in range(draw(st.integers(0, 3))):
        # What was made last is among the targets, so that steps stand within one another.
        targets = (*draw(st.lists(st.sampled_from(names), max_size=2)), names[-1])
        name, targets = f"step{number}", tuple(draw(st.permutations(targets)))
        steps.insert(0, draw(random_step(name, targets)))
        names.append(name)
    if draw(st.booleans()):
        steps.insert(0, plan.Route("main", (plan.Arm(draw(conditions()), draw(st.sampled_from(names)), "main"),), names[-1]))
    models = [
        model(
            each,
            prices=draw(prices),
            context_tokens=draw(st.sampled_from([None, None, 60, 2_000])),
            max_output_tokens=draw(st.sampled_from([None, 40])),
            timeouts=Timeouts(total_s=draw(st.sampled_from([None, 0.7]))),
        )
        for each in MODELS
    ]
    lab = plan.Provider(name="lab", word="lab", timeouts=Timeouts(total_s=draw(st.sampled_from([None, 2.0, 2.0]))))
    output = draw(st.sampled_from([None, None, plan.Output(name="reply", format="json", retry_times=draw(st.integers(0, 2)))]))
    prompt = draw(
        st.sampled_from([None, None, plan.Prompt("voice", (plan.PromptArm(None, ("Be kind to ", plan.Slot("request.user"))),))])
    )
    found = plan_of(
        *steps,
        models=models,
        classifiers=[
            classifier("mood", timeout_s=draw(st.sampled_from([0.2, 1.0]))),
            classifier("sorted", word="sorter", options={"model": "two"}, timeout_s=1.0),
        ],
        scorers=["fine", plan.Scorer(name="rating", word="judge", options={"model": "three"})],
        providers=[lab],
        deadline_s=draw(st.sampled_from([2.0, 100.0, 1000.0])),
        max_input_tokens=draw(st.sampled_from([None, 8, 100, 100])),
        max_output_tokens=draw(st.sampled_from([None, 20, 50])),
        max_cost_microusd=draw(st.sampled_from([None, None, None, None, 0, 70, 400])),
        output=output and output.name,
        prompt=prompt and prompt.name,
    )
    return replace(
        found,
        outputs={output.name: output} if output is not None else {},
        prompts={prompt.name: prompt} if prompt is not None else {},
    )


@st.composite
def random_step(draw: st.DrawFn, name: str, targets: tuple[str, ...]) -> plan.Step:
    arms = tuple(plan.Arm(draw(conditions()), step, "an arm") for step in targets)
    models = tuple(each for each in dict.fromkeys(targets) if each in MODELS) or MODELS
    scorer = draw(st.sampled_from(["fine", "rating"]))
    every: list[plan.Step] = [
        plan.Cascade(name, targets, plan.ScoreIs(scorer, ">=", 0.5), f"{scorer} >= 0.5"),
        plan.Fallback(name, targets, ("429", "5xx", "timeout", "connect"), draw(st.integers(0, 2)), 0.5),
        plan.Route(name, arms, draw(st.sampled_from([None, targets[-1]]))),
        plan.Tier(name, models, "cheapest"),
        plan.Split(name, tuple(plan.Slice(10_000 // len(targets) + 1, each) for each in targets)),
        plan.With(
            name=name,
            step=targets[0],
            deadline_s=draw(st.sampled_from([None, 0.7, 2.0])),
            max_output_tokens=draw(st.sampled_from([None, 10])),
        ),
        plan.Experiment(
            name=name,
            slices=tuple(plan.Slice(10_000 // len(targets) + 1, each) for each in targets),
            sticky="user",
            metric=scorer,
            sample=draw(st.sampled_from([0.5, 1.0])),
        ),
        all_of(name, targets, parallel=draw(st.booleans()), scorer=scorer),
    ]
    return draw(st.sampled_from(every))
