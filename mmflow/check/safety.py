"""Diagnostics of what a file would run: Python that it brings, conditions without a promise, strategies without a bound."""

from collections.abc import Iterator

from mmflow.check.program import Declaration, Program
from mmflow.diagnostics import Diagnostic, error, warning
from mmflow.plan import Test, signals_of
from mmflow.plugin import ClassifierWord, StrategyWord
from mmflow.source import Span

_CODE = (".py", ".pyc", ".pyo", ".pyw", ".pyd", ".pyx", ".so", ".dylib", ".dll")
_PICKLES = (".pkl", ".pickle", ".joblib", ".dill", ".cloudpickle")
PYTHON_WORD = "python"


def is_python(path: str) -> bool:
    """Whether a file is Python, what Python loads as code, or a pickle, by its name."""
    return path.lower().endswith((*_CODE, *_PICKLES))


def python_not_allowed(what: str, span: Span) -> Diagnostic:
    """Python, or a pickle, that a workflow brings along: to check a file must never run it, nor to read it."""
    is_pickle = what.strip("`").lower().endswith(_PICKLES)
    help = "publish it as a plugin, which is installed and named like any other: plugins/README.md leads there"
    if is_pickle:
        help = "export the weights as JSON, as `mmflow train` does: a pickle runs code when it is opened"
    return error("python-not-allowed", f"a workflow brings no Python along, and {what} is", span, help=help)


def impure_conditions(program: Program) -> Iterator[Diagnostic]:
    """`impure-condition` where a condition reads a classifier whose plugin does not promise the same guess for the same text."""
    for declaration in program.declarations.values():
        for test, span in _conditions(declaration):
            for name in signals_of(test):
                classifier = program.declarations.get(name)
                word = classifier.word if classifier is not None else None
                if classifier is not None and isinstance(word, ClassifierWord) and not word.pure:
                    yield impure_condition(classifier, span)


def _conditions(declaration: Declaration) -> Iterator[tuple[Test, Span]]:
    for arm in declaration.arms:
        if arm.condition is not None:
            yield arm.condition.test, arm.node.span
    for rule in declaration.rules:
        yield rule.condition.test, rule.node.span
    for off in declaration.off:
        yield off.condition.test, off.node.span


def impure_condition(classifier: Declaration, span: Span) -> Diagnostic:
    """A condition that may decide otherwise for the same request."""
    message = f"`{classifier.name}` may guess otherwise for the same text: `{classifier.word_path}` does not promise to be pure"
    help = "conditions read pure classifiers alone: choose another word, or ask the plugin's author for the promise"
    return error("impure-condition", message, span, help=help)


def opaque_strategies(program: Program) -> Iterator[Diagnostic]:
    """`opaque-strategy` for each strategy whose plugin does not say how often it calls its targets."""
    for declaration in program.of_kind("strategy"):
        if isinstance(declaration.word, StrategyWord) and declaration.word.calls is None:
            yield opaque_strategy(declaration)


def opaque_strategy(strategy: Declaration) -> Diagnostic:
    """A strategy without a call summary: no worst case can be told of what reaches it."""
    message = (
        f"`{strategy.word_path}` does not say how often it calls its targets, so nothing bounds what `{strategy.name}` costs"
    )
    using = strategy.block.using
    span = using.span if using is not None else strategy.block.header
    return warning("opaque-strategy", message, span, help="ask its author for a call summary (`StrategyWord.calls`)")
