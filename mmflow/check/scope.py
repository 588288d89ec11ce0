"""What names mean in a program: declarations, lets, aliases, installed words; and the diagnostics found so far.

A name means what the file says in which it is written: every lookup asks the span of a name for its file. Names are kept as the
program has them (`lib.fast`), see `imports`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import attrs

from mmflow.check import names
from mmflow.check.imports import Module
from mmflow.check.kinds import Labels
from mmflow.check.types import out_of_range
from mmflow.diagnostics import Diagnostic
from mmflow.plugin import Word
from mmflow.source import Source, Span
from mmflow.syntax import nodes
from mmflow.vocabulary import Vocabulary, WordError, WordKind

UNKNOWN_VARIABLE = "PROVIDER_API_KEY"
_DEEPEST, _MOST_PARTS, _GIVEN_UP = 100, 10_000, 10**9


@attrs.define(eq=False)
class Scope:
    """The names of a program while it is checked. `labels` fills as classifiers are resolved."""

    vocabulary: Vocabulary
    modules: Sequence[Module]
    """The file that is checked, and those that it imports."""
    given: Mapping[str, nodes.Let] = attrs.field(factory=dict)
    """The parameters whose values a caller gives, with these values."""
    blocks: dict[str, nodes.Block] = attrs.field(factory=dict)
    lets: dict[str, nodes.Let] = attrs.field(factory=dict)
    aliases: dict[str, nodes.Path] = attrs.field(factory=dict)
    labels: dict[str, Labels | None] = attrs.field(factory=dict)
    unsure_none: set[str] = attrs.field(factory=set)
    tests: dict[str, nodes.Block] = attrs.field(factory=dict)
    """Those of the file that is checked: their names are strings, and nothing refers to them."""
    used: set[str] = attrs.field(factory=set)
    strangers: set[str] = attrs.field(factory=set)
    """Names of blocks of an unknown kind, which is reported there and not again at each use."""
    implicit_providers: dict[str, None] = attrs.field(factory=dict)
    diagnostics: list[Diagnostic] = attrs.field(factory=list)
    variable: str = UNKNOWN_VARIABLE
    """The environment variable that usually holds what the field takes whose value is read."""
    depth: int = 0
    expanded: int = 0
    prefix: str = ""
    """That of the file whose block is resolved: only its names are suggested."""
    sources: dict[Source, Module] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sources = {module.source: module for module in self.modules}
        for let in self.given.values():
            # A name in a value that a caller gives means what it means in the file of the parameter.
            self.sources.setdefault(let.value.span.source, self.module(let.span))

    def report(self, diagnostic: Diagnostic) -> None:
        if not self._is_lost(diagnostic.span):
            self.diagnostics.append(diagnostic)

    @contextmanager
    def aside(self) -> Iterator[list[Diagnostic]]:
        """Collect what is reported meanwhile in a list of its own."""
        outer, self.diagnostics = self.diagnostics, []
        try:
            yield self.diagnostics
        finally:
            self.diagnostics = outer

    def visible_labels(self) -> dict[str, tuple[str, ...]]:
        """The labels that conditions may name, of each classifier whose own are known."""
        known = {name: labels.names for name, labels in self.labels.items() if labels is not None}
        return {name: (*labels, "unsure") if name in self.unsure_none else labels for name, labels in known.items()}

    def of_kinds(self, kinds: tuple[str, ...]) -> list[str]:
        return [name for name, block in self.blocks.items() if block.kind in kinds and name.startswith(self.prefix)]

    # ---- names of several files -----------------------------------------------------------------------------------------------

    def module(self, span: Span) -> Module:
        """The file in which something is written."""
        return self.sources.get(span.source, self.modules[0])

    def full(self, name: nodes.Ref | nodes.Path) -> str:
        """What a name is called in the program: `fast` of an imported file is `lib.fast`, as is `lib.fast` itself."""
        if isinstance(name, nodes.Ref) and "." in name.name:
            return name.name  # it has been through here
        parts = (name.name,) if isinstance(name, nodes.Ref) else name.parts
        module = self.module(name.span)
        for index, part in enumerate(parts[:-1]):
            further = module.imports.get(part)
            if part in module.imports:
                self.used.add(module.prefix + part)
            if further is None:
                return module.prefix + ".".join(parts[index:])
            module = further
        return module.prefix + parts[-1]

    def qualified(self, expr: nodes.Expr) -> nodes.Expr:
        """`lib.fast` as the one name that it is, where `lib` is imported; anything else as it is."""
        if isinstance(expr, nodes.Member) and (path := path_of(expr)) and path.parts[0] in self.module(path.span).imports:
            return nodes.Ref(self.full(path), expr.span)
        return expr

    def linked(self, expr: nodes.Expr) -> nodes.Expr:
        """A condition with the names that it compares as the program has them, so that they mean the same in any file."""
        if len(self.modules) == 1:
            return expr
        match expr:
            case nodes.And(operands=operands) | nodes.Or(operands=operands):
                return attrs.evolve(expr, operands=tuple(self.linked(each) for each in operands))
            case nodes.Not(operand=operand):
                return attrs.evolve(expr, operand=self.linked(operand))
            case nodes.Compare(first=first, rest=((operator, right),)):
                is_of_callee = isinstance(first, nodes.Member) and first.base == nodes.Ref("target", first.span)
                right = self._linked_value(right, is_of_callee and first.name in ("name", "provider"))  # type: ignore[union-attr]
                return attrs.evolve(expr, first=self.linked(first), rest=((operator, right),))
            case nodes.Ref():
                return nodes.Ref(self.full(expr), expr.span)
            case _:
                return self.qualified(expr)

    def _linked_value(self, expr: nodes.Expr, is_declared: bool) -> nodes.Expr:
        """The right side of a comparison: a bare name is a label or a word, unless a let or the left side says otherwise."""
        match self.qualified(expr):
            case nodes.List(items=items, span=span) if is_declared:
                return nodes.List(tuple(self._linked_value(each, True) for each in items), span)
            case nodes.Ref() as ref if (name := self.full(ref)) in self.lets or (
                is_declared and self._is_declared(name, ref.name)
            ):
                return nodes.Ref(name, ref.span)
            case nodes.String(value=value, span=span) if is_declared:
                name = self.module(span).prefix + value
                return nodes.String(name if self._is_declared(name, value) else value, span)
            case other:
                return other

    def _is_declared(self, name: str, written: str) -> bool:
        """Whether a name is one of the program, or another file has one that is written alike and is not meant."""
        return name in self.blocks or written in self.blocks

    def _is_lost(self, span: Span) -> bool:
        """Whether a place is a name of a file that could not be read whole, which is then the cause of what is wrong with it."""
        module: Module | None = self.module(span)
        if len(self.modules) == 1 and not self.modules[0].imports:
            return False
        for part in span.text.split(".")[:-1]:
            if module is None or part not in module.imports:
                return False
            module = module.imports[part]
            if module is None or not module.is_whole:
                return True
        return False

    def as_written(self, diagnostic: Diagnostic) -> Diagnostic:
        """A diagnostic of an imported file, with the names of that file as they stand in it."""
        prefix = self.module(diagnostic.span).prefix
        if not prefix:
            return diagnostic
        own = prefix + diagnostic.span.text

        def bare(match: re.Match[str]) -> str:
            is_name = match[0] in self.blocks or match[0] in self.lets or match[0] == own
            return match[0].removeprefix(prefix) if is_name else match[0]

        def written(text: str) -> str:
            return re.sub(rf"(?<![\w.]){re.escape(prefix)}[\w.]+", bare, text)

        notes = tuple(attrs.evolve(each, message=written(each.message)) for each in diagnostic.notes)
        help = written(diagnostic.help) if diagnostic.help else None
        return attrs.evolve(diagnostic, message=written(diagnostic.message), notes=notes, help=help)

    # ---- values and words -----------------------------------------------------------------------------------------------------

    @contextmanager
    def nested(self, expr: nodes.Expr) -> Iterator[bool]:
        """Around each part of a condition: whether it is still of a size to go on with; that it is not is reported once.

        Lets that name each other twice would make a condition of any size out of a few lines.
        """
        self.expanded = self.expanded + 1 if self.depth else 0
        self.depth += 1
        try:
            is_small = self.depth <= _DEEPEST and self.expanded <= _MOST_PARTS
            if not is_small and self.expanded < _GIVEN_UP:
                self.expanded = _GIVEN_UP
                message = f"this has more than {_MOST_PARTS} parts, or is more than {_DEEPEST} deep"
                self.report(out_of_range(message, expr.span, "write a smaller one"))
            yield is_small
        finally:
            self.depth -= 1

    def value(self, expr: nodes.Expr) -> nodes.Expr | None:
        """The expression that a chain of lets stands for; None (reported) where the chain is a circle."""
        chain: list[str] = []
        expr = self.qualified(expr)
        while isinstance(expr, nodes.Ref) and (name := self.full(expr)) in self.lets:
            if name in chain:
                self.report(names.cycle([*chain, name], expr.span, "this `let`"))
                return None
            chain.append(name)
            self.used.add(name)
            expr = self.qualified(self.lets[name].value)
        return expr

    def expand(self, expr: nodes.Expr) -> nodes.Expr | None:
        """`value` for what is part of a condition."""
        value = self.value(expr)
        return self.linked(value) if isinstance(value, nodes.And | nodes.Or | nodes.Not | nodes.Compare) else value

    def word_path(self, path: nodes.Path) -> str:
        """The path of a plugin's word with a leading alias resolved."""
        alias = self.module(path.span).prefix + path.parts[0]
        if alias in self.aliases:
            self.used.add(alias)
            return ".".join((*self.aliases[alias].parts, *path.parts[1:]))
        return str(path)

    def implicit_provider(self, word: str, span: Span) -> str:
        """The name of a provider that is an installed word with its defaults.

        That is the word itself, unless the file that is checked declares something of that name, which an imported file
        does not mean.
        """
        if word not in self.blocks:
            self.implicit_providers[word] = None
            return word
        name = self.module(span).prefix + span.text
        if name not in self.blocks:
            using, body = nodes.Path(tuple(span.text.split(".")), span), nodes.Record((), span)
            self.blocks[name] = nodes.Block("provider", name, using, None, body, "", span, span, span, span)
        return name

    def word(self, kind: WordKind, path: str, span: Span) -> Word | None:
        """An installed word; None (reported) where it cannot be had."""
        try:
            return self.vocabulary.find(kind, path)
        except WordError as problem:
            self.report(names.unknown_word(problem.message, span, problem.help))
            return None


def path_of(expr: nodes.Expr) -> nodes.Path | None:
    """`a.b.c` as a path, or None where the expression is something else."""
    parts: list[str] = []
    at = expr
    while isinstance(at, nodes.Member):
        parts.append(at.name)
        at = at.base
    if not isinstance(at, nodes.Ref):
        return None
    return nodes.Path((at.name, *reversed(parts)), expr.span)
