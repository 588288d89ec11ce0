"""A program to its plan."""

from mmflow import plan
from mmflow.check.program import Program
from mmflow.compile.declarations import classifier, model, provider, scorecard, scorer
from mmflow.compile.flows import budget, cache, flow, guard, output, prompt
from mmflow.compile.plain import limits_of
from mmflow.compile.steps import steps_of
from mmflow.plan import Plan, Step


def compile(program: Program) -> Plan:  # the verb of this layer; the builtin is not used here
    """The plan of a program that was checked without an error."""
    of = program.of_kind
    providers = {each.name: provider(each) for each in of("provider")}
    providers |= {word: plan.Provider(name=word, word=word) for word in program.implicit_providers}
    models = {each.name: model(each, providers[each.fields.provider], program) for each in of("model")}
    steps: dict[str, Step] = {}
    for declaration in program.declarations.values():
        steps.update((step.name, step) for step in steps_of(declaration))
    budgets: dict[str, plan.Budget] = {}
    for declaration in of("budget"):
        budgets[declaration.name], extra = budget(declaration)
        steps.update((step.name, step) for step in extra)
    return Plan(
        file=program.file.span.source.path,
        params=dict(program.params),
        providers=providers,
        models=models,
        classifiers={each.name: classifier(each) for each in of("classify")},
        scorers={each.name: scorer(each) for each in of("scorer")},
        scorecards={each.name: scorecard(each, program) for each in of("scorecard")},
        model_limits={each.name: limits_of(each.fields.limits) for each in of("model") if each.fields.limits is not None},
        budgets=budgets,
        caches={each.name: cache(each) for each in of("cache")},
        prompts={each.name: prompt(each) for each in of("prompt")},
        outputs={each.name: output(each) for each in of("output")},
        guards={each.name: guard(each) for each in of("guard")},
        steps=steps,
        flows={each.name: flow(each) for each in of("flow")},
        tests=dict(program.tests),
    )
