"""Parsing of a text with mistakes: each is reported once, in its place, and what is not part of one stays in the tree.

Brackets without a partner get one first, where the layout puts it. Then the automaton runs; where a token does not fit,
`mistakes` names the mistake and may propose the few tokens that were meant, and with these it runs on. Where that does not help,
the item around the mistake becomes `Broken`, and the parser goes on behind it.
"""

from bisect import bisect_right

import attrs

from mmflow.diagnostics import Diagnostic, Note, error
from mmflow.source import Source, Span
from mmflow.syntax import brackets, edition, mistakes, nodes
from mmflow.syntax.build import Builder
from mmflow.syntax.context import Context, Mistake
from mmflow.syntax.layout import Layout
from mmflow.syntax.lexer import CLOSERS, END, OPENERS, TOO_DEEP, Tokens
from mmflow.syntax.machine import Machine
from mmflow.syntax.tables import tables

MAX_DIAGNOSTICS = 100
_MAX_ATTEMPTS = 8  # to find which of the braces is too much, each a parse of the whole file

_BRACKETS = {"LBRACE": "{", "LSQB": "[", "LPAR": "(", "RBRACE": "}", "RSQB": "]", "RPAR": ")"}


def recover(source: Source, tokens: Tokens) -> tuple[nodes.File, list[Diagnostic]]:
    """The tree of a text that has mistakes, and at least one diagnostic."""
    heading = edition.check(source, tokens)
    tokens, diagnostics = _close_brackets(source, _with_edition(tokens, heading))
    for attempt in range(_MAX_ATTEMPTS + 1):
        recovery = _Recovery(source, tokens)
        if heading.diagnostic and heading.diagnostic.code == "two-on-a-line":
            recovery.keep_quiet_on_line_of(heading.keep)
        file = recovery.run()
        if recovery.suspect is None or attempt == _MAX_ATTEMPTS:
            break
        span = Span(source, tokens.starts[recovery.suspect], tokens.ends[recovery.suspect])
        diagnostics.append(error("unexpected-token", "unexpected `}`: there is one more than `{`", span, help="delete it"))
        tokens = _without(tokens, recovery.suspect)
    if heading.diagnostic:
        diagnostics.append(heading.diagnostic)
    if heading.diagnostic and heading.diagnostic.code == "edition-newer":  # what else is wrong may be right in that edition
        return file, [heading.diagnostic]
    if heading.diagnostic:  # where the edition is lacking, one that stands elsewhere is not one too many
        recovery.diagnostics = [each for each in recovery.diagnostics if each.message != edition.AGAIN]
    return file, diagnostics + recovery.diagnostics


def _with_edition(tokens: Tokens, heading: edition.Heading) -> Tokens:
    """The tokens behind a sound first line, one without text where there is none."""
    types, starts, ends = tokens.types, tokens.starts, tokens.ends
    keep, resume = heading.keep, heading.resume
    mended = Tokens(tokens.text, types[:keep], starts[:keep], ends[:keep])
    lacking = ["MMFLOW", "QUANTITY"] if not keep else []
    if types[resume] not in ("_NL", "COMMA", END):
        lacking.append("_NL")
    for kind in lacking:
        mended.append(kind, starts[resume], starts[resume])
    for index in range(resume, len(tokens)):
        mended.append(types[index], starts[index], ends[index])
    return mended


def _without(tokens: Tokens, index: int) -> Tokens:
    lists = (tokens.types, tokens.starts, tokens.ends)
    types, starts, ends = ([*each[:index], *each[index + 1 :]] for each in lists)
    return Tokens(tokens.text, types, starts, ends)


def _close_brackets(source: Source, tokens: Tokens) -> tuple[Tokens, list[Diagnostic]]:
    """The tokens with a partner of no width for each bracket that lacks one."""
    layout = Layout(tokens)
    found = [each for region in brackets.regions(tokens, layout) for each in region.unclosed]
    if not found or (TOO_DEEP in tokens.types and brackets.is_balanced(tokens, layout)):
        return tokens, []
    inserts: dict[int, list[str]] = {}
    diagnostics: list[Diagnostic] = []
    for each in found:
        place = each.before - (tokens.types[each.before - 1] == "_NL")
        inserts.setdefault(place, []).append(OPENERS[tokens.types[each.opener]])
        if len(diagnostics) < MAX_DIAGNOSTICS and TOO_DEEP not in tokens.types[each.opener : each.before]:
            diagnostics.append(_open_brace(source, tokens, each))
    mended = Tokens(tokens.text, [], [], [])
    for index, kind in enumerate(tokens.types):
        for closer in inserts.get(index, ()):
            at = tokens.ends[index - 1]
            mended.append(closer, at, at)
        mended.append(kind, tokens.starts[index], tokens.ends[index])
    return mended, diagnostics


def _open_brace(source: Source, tokens: Tokens, found: brackets.Unclosed) -> Diagnostic:
    opener, before = found.opener, found.before
    bracket = _BRACKETS[tokens.types[opener]]
    closer = _BRACKETS[OPENERS[tokens.types[opener]]]
    place = Span(source, tokens.starts[before], tokens.ends[before])
    where = "the end of the file" if tokens.types[before] == END else "this"
    if tokens.types[before] == END:
        place = Span(source, tokens.ends[before - 1 - (tokens.types[before - 1] == "_NL")], tokens.ends[before])
    note = Note(f"`{closer}` is probably missing before {where}", place)
    span = Span(source, tokens.starts[opener], tokens.ends[opener])
    return error("open-brace", f"this `{bracket}` is never closed", span, notes=[note], help=f"add `{closer}`")


@attrs.define(init=False)
class _Recovery:
    source: Source
    tokens: Tokens
    layout: Layout
    regions: list[brackets.Region]
    machine: Machine
    diagnostics: list[Diagnostic]
    quiet_to: int  # nothing is reported up to this token
    reported: set[int]  # lines
    suspect: int | None
    """The `}` that is probably too much, where one further on shows that one is."""

    def __init__(self, source: Source, tokens: Tokens) -> None:
        self.source, self.tokens = source, tokens
        self.layout = Layout(tokens)
        self.regions = brackets.regions(tokens, self.layout)
        self.machine = Machine(tables(), tokens, Builder(source, tokens))
        self.diagnostics = []
        self.quiet_to = -1
        self.reported = set()
        self.suspect = None

    def run(self) -> nodes.File:
        at = self.machine.run(0)
        repaired_at = -1
        while at is not None:
            region = self.regions[bisect_right(self.regions, at, key=lambda each: each.tokens.start) - 1]
            context = Context(self.machine, self.layout, at, may_open=region.spare_braces > 0)
            mistake = mistakes.find(context)
            if self.suspect is None and self.tokens.types[at] == "RBRACE" and not context.in_body:
                self.suspect = self._suspect(region, at)
            if at > self.quiet_to:
                self._report(mistake)
            resume = self._repair(mistake, at) if at > repaired_at else None
            repaired_at = at
            if resume is not None and mistake.repair and "LBRACE" in mistake.repair.feed:
                region.spare_braces -= 1
            at = self.machine.run(self._panic(context) if resume is None else resume)
        file = self.machine.result
        assert isinstance(file, nodes.File)
        return file

    def _suspect(self, region: brackets.Region, at: int) -> int | None:
        suspects = brackets.suspects(self.tokens, self.layout, range(region.tokens.start, at))
        lines = self.layout.lines
        return next((each for each in suspects if lines[each] not in self.reported and lines[each] != lines[at]), None)

    def keep_quiet_on_line_of(self, index: int) -> None:
        """Report nothing more on the line of a token: it follows from a mistake that is reported."""
        end = index
        while self.tokens.types[end] != END and self.layout.same_line(end, index):
            end += 1
        self.quiet_to = end if self.tokens.types[end] == END else end - 1

    def _report(self, mistake: Mistake) -> None:
        self.keep_quiet_on_line_of(mistake.last)
        self.reported.add(self.layout.lines[mistake.last])
        if len(self.diagnostics) >= MAX_DIAGNOSTICS:
            return
        start, end = self.tokens.starts[mistake.first], self.tokens.ends[mistake.last]
        if mistake.after:
            start = end
            end = min(end + 1, len(self.tokens.text))
        notes = [Note("syntax errors after this one are not shown")] if len(self.diagnostics) == MAX_DIAGNOSTICS - 1 else []
        span = Span(self.source, start, end)
        self.diagnostics.append(error(mistake.code, mistake.message, span, help=mistake.help, notes=notes))

    def _repair(self, mistake: Mistake, at: int) -> int | None:
        """Run the automaton over the tokens that were meant; the token to go on with, or None where they do not fit either."""
        repair = mistake.repair
        if repair is None:
            return None
        machine, types = self.machine, self.tokens.types
        resume = at + repair.skip
        again = [(types[i], i) for i in machine.lasts[len(machine.lasts) - repair.drop :]]
        if not machine.fits([*repair.feed, *(kind for kind, _ in again), types[resume]], drop=repair.drop):
            return None
        machine.pop_to(len(machine.states) - repair.drop)
        for kind in repair.feed:
            machine.take(kind, again[0][1] if again else at)
        for kind, index in again:
            machine.take(kind, index)
        return resume

    def _panic(self, context: Context) -> int:
        """Put `Broken` in the place of the item around a mistake; the token to go on with."""
        machine, types = self.machine, self.tokens.types
        at = context.at
        first = machine.firsts[context.base + 1] if context.symbols else at
        depth = context.open_brackets()
        if context.symbols:
            machine.pop_to(context.base + 1)
        else:
            machine.take("NAME", at, shift=False)
        in_body = context.in_body
        indent = self.layout.indent(first)
        end = at
        while types[end] != END:
            kind = types[end]
            if kind in OPENERS:
                depth += 1
            elif kind in CLOSERS:
                if depth == 0 and kind == "RBRACE" and in_body:
                    break
                depth = max(0, depth - 1)
            elif depth == 0 and (kind == "COMMA" or (kind == "_NL" and not self._goes_on(end + 1, indent))):
                break
            end += 1
        last = max(first, end - 1)
        start = self.tokens.starts[first]
        broken = nodes.Broken(Span(self.source, start, max(start, self.tokens.ends[last])))
        machine.push(machine.tables.actions[machine.states[-1]]["item"], broken, first, last)
        if types[end] == END:
            while not machine.fits([END]) and machine.fits(["RBRACE"]):
                machine.take("RBRACE", end)
        self.quiet_to = max(self.quiet_to, end - 1)
        return end

    def _goes_on(self, index: int, indent: int) -> bool:
        """Does a line stand deeper than the item before it, and so is a part of it?"""
        return self.tokens.types[index] not in (END, "RBRACE") and self.layout.indent(index) > indent
