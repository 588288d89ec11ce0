"""From nodes to typed declarations: collects names, then types each block by its kind's class and its word's."""

from collections.abc import Callable, Iterator, Mapping

import attrs

from mmflow.check import allow, labels, names, safety, tests, types
from mmflow.check.arms import Item, read_arms
from mmflow.check.imports import Module
from mmflow.check.kinds import KINDS, ClassifyFields, Kind, Labels, ScorecardName
from mmflow.check.program import Arm, Declaration, Off, OptionWord, Program, Rule, Template, Threshold
from mmflow.check.scope import Scope
from mmflow.check.values import attributes_of, constructed, fields, typed
from mmflow.diagnostics import Note, error
from mmflow.options import Name, OptionError, Scalar, Secret, fields_of
from mmflow.plugin import ClassifierWord, PickWord
from mmflow.source import Span
from mmflow.syntax import nodes

_MOST_BASES = 50
_RESERVED = ("request", "target", "spent")
_KEYWORDS = ("and", "else", "false", "in", "matches", "not", "or", "true", "when", "with")


def resolve(scope: Scope, params: Mapping[str, str]) -> Program:
    """The declarations that could be typed; what could not is reported in the scope."""
    for module in scope.modules:
        _collect(module, scope)
    declarations: dict[str, Declaration] = {}
    for block in scope.blocks.values():
        if block.kind == "classify":
            _read_labels(block, scope)
    done: set[str] = set()
    # A provider that needs a name of its own is declared by its first use, so that there may be blocks to come.
    while rest := {name: block for name, block in scope.blocks.items() if name not in done}:
        for name, block in rest.items():
            scope.prefix = scope.module(block.span).prefix
            if (declaration := _declaration(block, scope)) is not None:
                declarations[name] = declaration
        done.update(rest)
    values = {let.name: params.get(let.name, let.value.span.text) for let in scope.lets.values() if let.is_param}
    return Program(scope.modules[0].file, declarations, values, tuple(scope.implicit_providers), scope.visible_labels())


# ---- names ------------------------------------------------------------------------------------------------------------------


def _collect(module: Module, scope: Scope) -> None:
    """Enter every name of a file once."""
    prefix = module.prefix
    taken: dict[str, Span] = {}

    def enter(name: str, span: Span) -> bool:
        if name in _RESERVED:
            message = f"`{name}` has a meaning of its own in conditions"
            scope.report(error("reserved-word", message, span, help="choose another name"))
        elif name in _KEYWORDS:
            message = f"`{name}` is a word of the language, so nothing is called that"
            scope.report(error("reserved-word", message, span, help="choose another name"))
        if name in taken:
            scope.report(names.duplicate_name(name, span, taken[name]))
            return False
        taken[name] = span
        return True

    for item in module.file.items:
        match item:
            case nodes.Use(path=path, alias=alias):
                if path.parts[0] == safety.PYTHON_WORD:
                    scope.report(safety.python_not_allowed(f"`use {path}`", path.span))
                if enter(alias or path.parts[-1], path.span):
                    scope.aliases[prefix + (alias or path.parts[-1])] = path
            case nodes.Import(name=name, name_span=span):
                enter(name, span)
            case nodes.Let(name=name, name_span=span):
                if enter(name, span):
                    scope.lets[prefix + name] = attrs.evolve(scope.given.get(prefix + name, item), name=prefix + name)
            case nodes.Block(kind=kind) if prefix and kind in ("flow", "test"):
                pass  # a library has none
            case nodes.Block(kind="test"):
                tests.enter(item, scope)
            case nodes.Block():
                _enter_block(item, prefix, scope, enter)
            case nodes.Attr(name=name, name_span=span) if name in KINDS:
                scope.report(types.block_due(name, span, f"write `{name} NAME {{ … }}`"))
            case nodes.Attr(name=name, name_span=span):
                message = f"`{name} = …` stands outside of a block"
                scope.report(error("unexpected-token", message, span, help=f"move it into a block, or write `let {name} = …`"))
            case nodes.When() | nodes.Else() | nodes.Share():
                message = "an arm stands outside of a block"
                scope.report(error("unexpected-token", message, item.span, help="move it into a `flow`, `route` or `split`"))


def _enter_block(block: nodes.Block, prefix: str, scope: Scope, enter: Callable[[str, Span], bool]) -> None:
    if block.kind not in KINDS:
        scope.report(names.unknown_kind(block.kind, block.kind_span))
        if block.name and block.name_span.text[:1] != '"':
            enter(block.name, block.name_span)
            scope.strangers.add(prefix + block.name)
        return
    if block.name is None:
        scope.report(types.missing_field("name", f"a {block.kind}", block.header, "", f"write `{block.kind} NAME {{ … }}`"))
    elif block.name_span.text.startswith('"'):
        message = f"the name of a {block.kind} is a word, not a string"
        name = block.name if block.name.isidentifier() else "NAME"
        scope.report(types.wrong_type(message, block.name_span, f"write `{block.kind} {name} {{ … }}`"))
        if name == "NAME":
            return
    if block.name is not None and enter(block.name, block.name_span):
        scope.blocks[prefix + block.name] = attrs.evolve(block, name=prefix + block.name)


# ---- blocks -----------------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Merged:
    """A block's attributes with those that it lacks from the block that it is `like`."""

    attributes: dict[str, nodes.Attr]
    using: nodes.Path | None
    arms: tuple[Item, ...]


def _merge(block: nodes.Block, scope: Scope) -> _Merged | None:
    """The block with what it copies; None (reported) where the base is unknown, of another kind, or a circle."""
    owner = f"the {block.kind} `{block.name}`"
    is_arm = (nodes.When, nodes.Else, nodes.Share)
    own = attributes_of([item for item in block.body.items if not isinstance(item, is_arm)], owner, scope)
    arms = tuple(item for item in block.body.items if isinstance(item, is_arm))
    own.pop(allow.FIELD, None)  # what a block allows it allows for itself alone
    if block.like is None:
        return _Merged(own, block.using, arms)
    base_name = scope.full(block.like)
    base = scope.blocks.get(base_name)
    if base is not None and base.kind != block.kind:
        message = f"expected a {block.kind}, got the {base.kind} `{base_name}`"
        notes = [Note(f"`{base_name}` is declared here", base.header)]
        scope.report(types.wrong_type(message, block.like.span, "`like` copies from a block of the same kind", notes))
        return None
    if base is None:
        known = scope.of_kinds((block.kind,))
        scope.report(
            names.unknown_name(base_name, block.like.span, f"a {block.kind}", (each for each in known if each != block.name))
        )
        return None
    if circle := _circle(block, scope):
        if block.name == min(circle, key=list(scope.blocks).index):
            scope.report(names.cycle([*circle, circle[0]], block.like.span, "`like`"))
        return None
    if (bases := _bases(block, scope)) > _MOST_BASES + 1:
        return None  # reported at the first
    if bases > _MOST_BASES:
        message = f"more than {_MOST_BASES} blocks are copied by `like`, one from the other"
        scope.report(types.out_of_range(message, block.like.span, "copy from one that says more itself"))
        return None
    scope.used.add(base_name)
    with scope.aside():
        merged = _merge(base, scope)
    if merged is None:
        return None
    return _Merged({**merged.attributes, **own}, block.using or merged.using, arms or merged.arms)


def _bases(block: nodes.Block, scope: Scope) -> int:
    count, at = 0, block
    while at.like is not None and (base := scope.blocks.get(scope.full(at.like))) is not None:
        count, at = count + 1, base
    return count


def _circle(block: nodes.Block, scope: Scope) -> list[str]:
    """The names on the way by `like` from a block back to a name that was passed; empty where the way ends."""
    trail: list[str] = []
    at: nodes.Block | None = block
    while at is not None and at.like is not None:
        if at.name in trail:
            return trail[trail.index(at.name) :]
        trail.append(at.name or "")
        at = scope.blocks.get(scope.full(at.like))
    return []


def _declaration(block: nodes.Block, scope: Scope) -> Declaration | None:
    kind, owner = KINDS[block.kind], f"the {block.kind} `{block.name}`"
    merged = _merge(block, scope)
    if merged is None:
        return None
    arms = read_arms(kind.arms, merged.arms, owner, scope)
    path, word, ok = _word(kind, block, merged.using, scope)
    own = fields_of(kind.fields)
    if not ok:
        for field in own:
            if field.name in merged.attributes:
                typed(merged.attributes[field.name].value, field.type, scope)
        return None
    of_word = () if word is None else tuple(f for f in fields_of(word.options) if f.name not in {each.name for each in own})
    is_copy = block.like is not None and block.using is None
    values = fields(merged.attributes, (*own, *of_word), owner, block.header, scope, is_copy=is_copy)
    if values is None:
        return None
    spans = {name: each.value.span for name, each in merged.attributes.items()}
    known = {each.name for each in own}
    whole = constructed(kind.fields, {k: v for k, v in values.items() if k in known}, spans, block.header, scope)
    options = {k: v for k, v in values.items() if k not in known}
    if word is not None and not _options_hold(word.options, options, spans, block, scope):
        return None
    if whole is None or arms is None:
        return None
    declaration = Declaration(
        kind=kind,
        name=block.name or "",
        fields=whole,
        arms=tuple(each for each in arms if isinstance(each, Arm)),
        rules=tuple(each for each in arms if isinstance(each, Rule)),
        word_path=path,
        word=word,
        options=options,
        block=block,
        spans=spans,
        thresholds=tuple(each for each in arms if isinstance(each, Threshold)),
        off=tuple(each for each in arms if isinstance(each, Off)),
        templates=tuple(each for each in arms if isinstance(each, Template)),
    )
    return _HOLDS.get(kind.name, _always)(declaration, scope)


def _word(kind: Kind, block: nodes.Block, using: nodes.Path | None, scope: Scope) -> tuple[str | None, OptionWord | None, bool]:
    """The word of a block: its path, the word, and whether it could be had."""
    if kind.word is None:
        if using is not None:
            message = f"a {kind.name} takes no plugin"
            scope.report(error("unknown-word", message, using.span, help=f"remove `using {using}`"))
            return None, None, False
        return None, None, True
    if using is None and kind.default_word is not None:
        path, span = kind.default_word, block.header
    elif using is None:
        if kind.word_required:
            example = f"write `{kind.name} {block.name} using WORD {{ … }}`"
            scope.report(types.missing_field("using", f"the {kind.name} `{block.name}`", block.header, f"a {kind.word}", example))
            return None, None, False
        path, span = block.name_span.text, block.name_span
    else:
        path, span = scope.word_path(using), using.span
    if path.partition(".")[0] == safety.PYTHON_WORD:
        scope.report(safety.python_not_allowed(f"`using {using}`", span))
        return None, None, False
    word = scope.word(kind.word, path, span)
    return path, None if isinstance(word, PickWord) else word, word is not None


def _read_labels(block: nodes.Block, scope: Scope) -> None:
    """Enter a classifier's labels before conditions are read; its mistakes are reported with the block's."""
    with scope.aside():
        merged = _merge(block, scope)
        attributes = merged.attributes if merged else {}
        declared = attributes.get("labels")
        scope.labels[block.name or ""] = typed(declared.value, Scalar(Labels), scope) if declared else None
        unsure = attributes.get("unsure")
        if unsure is not None and typed(unsure.value, Scalar(Name), scope) == "none":
            scope.unsure_none.add(block.name or "")


def _options_hold(cls: type, options: Mapping[str, object], spans: Mapping[str, Span], block: nodes.Block, scope: Scope) -> bool:
    """Whether a word's class takes these values: tried here, so that it cannot refuse them at run time."""
    values = dict(options)
    for field in fields_of(cls):
        if field.name not in values and field.required is False and field.default is None and field.env is not None:
            if field.type != Scalar(Secret):
                return True  # it comes from the environment, which the checker does not read
            values[field.name] = Secret(field.env, "")
    return constructed(cls, values, spans, block.header, scope) is not None


# ---- classifiers --------------------------------------------------------------------------------------------------------------


def _checked_classifier(declaration: Declaration, scope: Scope) -> Declaration | None:
    return declaration if _classifier_holds(declaration, scope) else None


def _classifier_holds(declaration: Declaration, scope: Scope) -> bool:
    """Report labels that a classifier does not declare, and an order that it does not have."""
    own: ClassifyFields = declaration.fields
    span = declaration.spans.get("unsure", declaration.block.header)
    taken = {"up": ("up",), "none": ("none", "unsure")}.get(own.unsure, ())
    if strange := [name for name in own.labels.names if name in taken]:
        message = f"`{strange[0]}` is a label, and has a meaning of its own under `unsure = {own.unsure}`"
        scope.report(error("reserved-word", message, declaration.spans["labels"], help="choose another label"))
        return False
    if own.unsure == "up":
        if not own.labels.ordered:
            message = f"`unsure = up` needs an order, and the labels of `{declaration.name}` have none"
            order = " < ".join(own.labels.names)
            scope.report(labels.unordered_label(message, span, f"name a label, or declare `labels = {order}`"))
            return False
    elif own.unsure != "none" and own.unsure not in own.labels.names:
        scope.report(labels.unknown_label(own.unsure, declaration.name, (*own.labels.names, "up", "none"), span))
        return False
    return _word_labels_hold(declaration, scope)


def _word_labels_hold(declaration: Declaration, scope: Scope) -> bool:
    word = declaration.word
    if not isinstance(word, ClassifierWord):
        return True
    options = constructed(word.options, declaration.options, {}, declaration.block.header, scope)
    if options is None:
        return False
    declared = declaration.fields.labels.names
    try:
        word.accept(options, declared)
    except OptionError as problem:
        span = declaration.spans.get(problem.field, declaration.block.header)
        scope.report(types.out_of_range(problem.message, span, problem.help))
        return False
    strange = [label for label in word.labels(options) or () if label not in declared]
    span = next(iter(declaration.spans[name] for name in declaration.options), declaration.block.header)
    keys = {key.name: key.name_span for key in _keys(declaration.block)}
    for label in strange:
        scope.report(labels.unknown_label(label, declaration.name, declared, keys.get(label, span)))
    return not strange


def _keys(block: nodes.Block) -> Iterator[nodes.Attr]:
    """What the records of a block's fields set."""
    for item in block.body.items:
        if isinstance(item, nodes.Attr) and isinstance(item.value, nodes.Record):
            yield from (each for each in item.value.items if isinstance(each, nodes.Attr))


# ---- what the fields of one kind say together ---------------------------------------------------------------------------------


def _tier(declaration: Declaration, scope: Scope) -> Declaration:
    """A tier with its scorecard: the one that it names, or under `min_quality` the only one of its file."""
    own = declaration.fields
    if own.min_quality is None or own.scorecard is not None:
        return declaration
    prefix = scope.module(declaration.block.span).prefix
    beside = [
        name for name, block in scope.blocks.items() if block.kind == "scorecard" and name.rpartition(".")[0] == prefix[:-1]
    ]
    if len(beside) != 1:
        return declaration
    return attrs.evolve(declaration, fields=attrs.evolve(own, scorecard=ScorecardName(beside[0])))


def _experiment(declaration: Declaration, scope: Scope) -> Declaration | None:
    if len(declaration.arms) > 1:
        return declaration
    message = f"`{declaration.name}` compares nothing: an experiment has at least two arms"
    scope.report(
        types.out_of_range(message, declaration.block.header, "add `10% -> TARGET`, and `else -> TARGET` as the control")
    )
    return None


def _prompt(declaration: Declaration, scope: Scope) -> Declaration | None:
    if declaration.templates:
        return declaration
    message = f"`{declaration.name}` has no arms, so it says nothing"
    scope.report(types.out_of_range(message, declaration.block.header, 'add `else -> "…"`'))
    return None


def _output(declaration: Declaration, scope: Scope) -> Declaration | None:
    own = declaration.fields
    if own.schema is None or own.format == "json":
        return declaration
    message = f"`schema` says what JSON is like, and the answers of `{declaration.name}` are text"
    scope.report(types.wrong_type(message, declaration.spans["schema"], "add `format = json`, or remove `schema`"))
    return None


def _always(declaration: Declaration, scope: Scope) -> Declaration:
    return declaration


_HOLDS: dict[str, Callable[[Declaration, Scope], Declaration | None]] = {
    "classify": _checked_classifier,
    "tier": _tier,
    "experiment": _experiment,
    "prompt": _prompt,
    "output": _output,
}
