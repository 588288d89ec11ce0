"""From nodes to typed declarations: each block is typed by its kind's class and its word's."""

from collections.abc import Mapping

from mmflow.check import names, safety, types
from mmflow.check.arms import read_arms
from mmflow.check.collect import collect
from mmflow.check.kinds import KINDS, Kind, Labels
from mmflow.check.like import merge
from mmflow.check.program import Arm, Declaration, Off, OptionWord, Program, Rule, Template, Threshold
from mmflow.check.scope import Scope
from mmflow.check.together import together
from mmflow.check.values import constructed, fields, typed
from mmflow.options import Name, Scalar, Secret, fields_of
from mmflow.plugin import PickWord
from mmflow.source import Span
from mmflow.syntax import nodes


def resolve(scope: Scope, params: Mapping[str, str]) -> Program:
    """The declarations that could be typed; what could not is reported in the scope."""
    for module in scope.modules:
        collect(module, scope)
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


def _declaration(block: nodes.Block, scope: Scope) -> Declaration | None:
    kind, owner = KINDS[block.kind], f"the {block.kind} `{block.name}`"
    merged = merge(block, scope)
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
    return together(declaration, scope)


def _word(kind: Kind, block: nodes.Block, using: nodes.Path | None, scope: Scope) -> tuple[str | None, OptionWord | None, bool]:
    """The word of a block: its path, the word, and whether it could be had."""
    if kind.word is None:
        if using is not None:
            message = f"a {kind.name} takes no plugin"
            scope.report(names.unknown_word(message, using.span, f"remove `using {using}`"))
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
        merged = merge(block, scope)
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
