"""Tests in the language: `test` blocks to what a plan keeps of them. They are read last, when what they name is known."""

from collections.abc import Callable
from functools import cache

import attrs

from mmflow.check import allow, labels, names, types
from mmflow.check.expectations import Subject, expected
from mmflow.check.kinds import Fixed, Labels, TestFields
from mmflow.check.program import Program, targets_of
from mmflow.check.scope import Scope
from mmflow.check.scripts import scripts
from mmflow.check.uses import reached
from mmflow.check.values import attributes_of, constructed, fields, target, typed
from mmflow.diagnostics import did_you_mean
from mmflow.options import OneWord, Scalar, fields_of
from mmflow.plan import Expectation, Guessed, TestCase
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.units import Score, Share

UNSURE = "unsure"
"""What stands for no guess at all, where it is no label."""

_ARMS = (nodes.When, nodes.Else, nodes.Share)


def enter(block: nodes.Block, scope: Scope) -> None:
    """Remember a test under its name, which is a string."""
    name = block.name
    if name is None:
        scope.report(types.missing_field("name", "a test", block.header, "", 'write `test "what it shows" { … }`'))
    elif not block.name_span.text.startswith('"'):
        message = "the name of a test is a string, which says what it shows"
        scope.report(types.wrong_type(message, block.name_span, f'write `test "{name}" {{ … }}`'))
    elif not name.strip():
        scope.report(types.out_of_range("the name of a test is empty", block.name_span, "say what it shows"))
    elif name in scope.tests:
        scope.report(names.duplicate_name(name, block.name_span, scope.tests[name].name_span))
    else:
        scope.tests[name] = block


def cases(program: Program, scope: Scope) -> dict[str, TestCase]:
    """The tests of the file that is checked, without those that have a mistake, which is then reported."""
    scope.prefix = ""
    # With a declaration missing, what a flow reaches is not known.
    is_whole = len(program.declarations) == len(scope.blocks)
    inside = cache(lambda flow: frozenset(reached(program, [flow])) if is_whole else None)
    read = ((name, _case(name, block, program, inside, scope)) for name, block in scope.tests.items())
    return {name: case for name, case in read if case is not None}


def _case(
    name: str, block: nodes.Block, program: Program, inside: Callable[[str], frozenset[str] | None], scope: Scope
) -> TestCase | None:
    owner = f'the test "{name}"'
    before = len(scope.diagnostics)
    for path, word in ((block.using, "using"), (block.like, "like")):
        if path is not None:
            scope.report(types.unknown_field(word, owner, path.span, ()))
    attributes = attributes_of([item for item in block.body.items if not isinstance(item, _ARMS)], owner, scope)
    attributes.pop(allow.FIELD, None)
    spans = {key: each.value.span for key, each in attributes.items()}
    values = fields(attributes, fields_of(TestFields), owner, block.header, scope)
    own: TestFields | None = constructed(TestFields, values, spans, block.header, scope) if values is not None else None
    flow = _flow(own, owner, block.header, scope)
    if flow is None or own is None:
        return None
    subject = Subject(flow, inside(flow), scope)
    given = _Given(program, subject).read(own.given)
    acts = scripts([item for item in block.body.items if isinstance(item, _ARMS)], owner, subject)
    tests = [(each.node, expected(each.node, subject)) for each in own.expect]
    if len(scope.diagnostics) > before:
        return None
    asked = own.request
    return TestCase(
        name=name,
        flow=flow,
        line=block.span.position()[0],
        given=given.labels,
        draws=given.draws,
        scores=given.scores,
        spent=given.spent,
        warm=given.warm,
        tokens=int(asked.tokens) if asked and asked.tokens is not None else None,
        user=asked.user if asked else None,
        language=asked.language if asked else None,
        has_images=asked.has_images if asked else False,
        has_tools=asked.has_tools if asked else False,
        meta=dict(asked.meta or {}) if asked else {},
        input=own.input,
        scripts=acts,
        expects=tuple(
            Expectation(test, " ".join(node.span.text.split()), node.span.position()[0])
            for node, test in tests
            if test is not None
        ),
    )


def _flow(own: TestFields | None, owner: str, span: Span, scope: Scope) -> str | None:
    if own is not None and own.flow is not None:
        return str(own.flow)
    flows = scope.of_kinds(("flow",))
    if len(flows) == 1:
        return flows[0]
    if own is not None:
        help = "write `flow = " + "`, or `flow = ".join(flows) + "`" if flows else "the file has no flow: declare one"
        scope.report(types.missing_field("flow", owner, span, "", help))
    return None


# ---- what is given ------------------------------------------------------------------------------------------------------------


_GIVABLE = "a classifier, split, experiment, scorer, budget or cache"


@attrs.define
class _Given:
    """What a test fixes: by the kind of what its names are."""

    program: Program
    subject: Subject
    labels: dict[str, Guessed] = attrs.field(factory=dict)
    draws: dict[str, str] = attrs.field(factory=dict)
    scores: dict[str, float] = attrs.field(factory=dict)

    spent: dict[str, float] = attrs.field(factory=dict)
    warm: bool = False

    _KINDS = ("classify", "split", "experiment", "scorer", "budget", "cache")

    def read(self, given: Fixed | None) -> "_Given":
        scope = self.subject.scope
        for attribute in attributes_of(given.node.items, "`given`", scope).values() if given is not None else ():
            name = self._name(attribute)
            match scope.blocks[name].kind if name is not None else None:
                case "classify":
                    self._label(str(name), attribute.value)
                case "split" | "experiment":
                    self._draw(str(name), attribute.value)
                case "scorer":
                    if (score := typed(attribute.value, Scalar(Score), scope)) is not None:
                        self.scores[str(name)] = float(score)
                case "budget":
                    if (share := typed(attribute.value, Scalar(Share), scope)) is not None:
                        self.spent[str(name)] = float(share)
                case "cache":
                    self.warm = typed(attribute.value, OneWord(("warm",)), scope) is not None
        return self

    def _name(self, attribute: nodes.Attr) -> str | None:
        """The declaration that is meant: one of this file, or the only one of that name in the files that it imports."""
        scope, name = self.subject.scope, attribute.name
        known = scope.of_kinds(self._KINDS)
        if name in known:
            return name
        imported = [each for each in known if each.endswith(f".{name}")]
        if name not in scope.blocks and len(imported) == 1:
            return imported[0]
        if name in scope.blocks:
            message = f"expected {_GIVABLE}, got the {scope.blocks[name].kind} `{name}`"
            scope.report(types.wrong_type(message, attribute.name_span))
        elif name not in scope.strangers:
            scope.report(names.unknown_name(name, attribute.name_span, _GIVABLE, known))
        return None

    def _label(self, name: str, expr: nodes.Expr) -> None:
        scope = self.subject.scope
        declared = scope.labels.get(name)
        if declared is None:
            return  # its own block is broken and has been reported
        is_label = isinstance(expr, nodes.Ref) and expr.name in declared.names  # it hides a `let` of the same name
        match expr if is_label else scope.expand(expr):
            case None:
                pass
            case nodes.Ref(name=label) if label == UNSURE and UNSURE not in declared.names:
                self.labels[name] = Guessed(None)
            case nodes.Ref() as label:
                if _is_label(label, name, declared, scope):
                    self.labels[name] = Guessed(label.name)
            case nodes.Invoke(function=nodes.Ref(name="guess"), arguments=(nodes.Ref() as label, confidence)):
                sure = None if isinstance(confidence, nodes.NamedArg) else typed(confidence, Scalar(Score), scope)
                if isinstance(confidence, nodes.NamedArg):
                    scope.report(types.unknown_field(confidence.name, "`guess`", confidence.span, ()))
                if _is_label(label, name, declared, scope) and sure is not None:
                    self.labels[name] = Guessed(label.name, float(sure))
            case _:
                label = declared.names[0]
                help = f"write `{name} = {label}`, `{name} = guess({label}, 0.55)` or `{name} = {UNSURE}`"
                scope.report(types.wrong_type(f"expected a label of `{name}`", expr.span, help))

    def _draw(self, name: str, expr: nodes.Expr) -> None:
        scope = self.subject.scope
        declaration = self.program.declarations.get(name)
        found = target(expr, scope)
        if found is None or declaration is None:
            return
        arms = [each.name for each in targets_of(declaration)]
        if found.name not in arms:
            message = f"`{found.name}` is no arm of `{name}`"
            near = did_you_mean(found.name, arms)
            help = f"did you mean `{near}`?" if near else f"its arms are {', '.join(f'`{each}`' for each in arms)}"
            scope.report(types.out_of_range(message, expr.span, help))
            return
        self.draws[name] = found.name


def _is_label(label: nodes.Ref, classifier: str, declared: Labels, scope: Scope) -> bool:
    if label.name in declared.names:
        return True
    scope.report(labels.unknown_label(label.name, classifier, declared.names, label.span))
    return False
