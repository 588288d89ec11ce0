"""What names mean in one file: declarations, lets, aliases, installed words; and the diagnostics found so far."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs

from mmflow.check import names
from mmflow.check.kinds import Labels
from mmflow.diagnostics import Diagnostic
from mmflow.plugin import Word
from mmflow.source import Span
from mmflow.syntax import nodes
from mmflow.vocabulary import Vocabulary, WordError, WordKind


@attrs.define(eq=False)
class Scope:
    """The names of a file while it is checked. `labels` fills as classifiers are resolved."""

    vocabulary: Vocabulary
    blocks: dict[str, nodes.Block] = attrs.field(factory=dict)
    lets: dict[str, nodes.Let] = attrs.field(factory=dict)
    aliases: dict[str, nodes.Path] = attrs.field(factory=dict)
    labels: dict[str, Labels | None] = attrs.field(factory=dict)
    unsure_none: set[str] = attrs.field(factory=set)
    used: set[str] = attrs.field(factory=set)
    implicit_providers: dict[str, None] = attrs.field(factory=dict)
    diagnostics: list[Diagnostic] = attrs.field(factory=list)

    def report(self, diagnostic: Diagnostic) -> None:
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
        return [name for name, block in self.blocks.items() if block.kind in kinds]

    def expand(self, expr: nodes.Expr) -> nodes.Expr | None:
        """The expression that a chain of lets stands for; None (reported) where the chain is a circle."""
        chain: list[str] = []
        while isinstance(expr, nodes.Ref) and expr.name in self.lets:
            if expr.name in chain:
                self.report(names.cycle([*chain, expr.name], expr.span, "this `let`"))
                return None
            chain.append(expr.name)
            self.used.add(expr.name)
            expr = self.lets[expr.name].value
        return expr

    def word_path(self, path: nodes.Path) -> str:
        """The path of a plugin's word with a leading alias resolved."""
        if path.parts[0] in self.aliases:
            self.used.add(path.parts[0])
            return ".".join((*self.aliases[path.parts[0]].parts, *path.parts[1:]))
        return str(path)

    def word(self, kind: WordKind, path: str, span: Span) -> Word | None:
        """An installed word; None (reported) where it cannot be had."""
        try:
            return self.vocabulary.find(kind, path)
        except WordError as problem:
            self.report(names.unknown_word(problem, span))
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


Params = Mapping[str, str]
