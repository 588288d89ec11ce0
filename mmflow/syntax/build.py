"""From reductions to nodes: one method for each grammar rule that has a node."""

import re
import textwrap
from collections.abc import Callable
from typing import Any

from mmflow.source import Source, Span
from mmflow.syntax import nodes
from mmflow.syntax.lexer import OPEN_STRING, OPEN_TEXT, Tokens

_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPES = {'"': '"', "\\": "\\", "n": "\n", "t": "\t"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class Builder:
    """Makes nodes. A child is a node, or the index of a token; `first` and `last` are the tokens at both ends of the rule."""

    def __init__(self, source: Source, tokens: Tokens) -> None:
        self._source, self._tokens = source, tokens
        self._text, self._starts, self._ends = tokens.text, tokens.starts, tokens.ends

    def maker(self, rule: str) -> Callable[[list[Any], int, int], Any]:
        method: Callable[[list[Any], int, int], Any] = getattr(self, "_text_node" if rule == "text" else f"_{rule}")
        return method

    def span(self, first: int, last: int) -> Span:
        return Span(self._source, self._starts[first], self._ends[last])

    def _token(self, index: int) -> str:
        return self._text[self._starts[index] : self._ends[index]]

    # ---- the file

    def _start(self, children: list[Any], first: int, last: int) -> nodes.File:
        edition, *items = children
        return nodes.File(edition or None, tuple(items), Span(self._source, 0, len(self._source.text)))

    def _edition(self, children: list[Any], first: int, last: int) -> str:
        return self._token(children[0])

    def _use(self, children: list[Any], first: int, last: int) -> nodes.Use:
        path, version, alias = children
        return nodes.Use(
            path,
            None if version is None else self._token(version),
            None if alias is None else self._token(alias),
            self.span(first, last),
        )

    def _import(self, children: list[Any], first: int, last: int) -> nodes.Import:
        path, name = children
        literal = self._string([path], path, path)
        return nodes.Import(literal, self._token(name), self.span(first, last), self.span(name, name))

    def _let(self, children: list[Any], first: int, last: int, *, is_param: bool = False) -> nodes.Let:
        name, value = children
        return nodes.Let(self._token(name), value, is_param, self.span(first, last), self.span(name, name))

    def _param(self, children: list[Any], first: int, last: int) -> nodes.Let:
        return self._let(children, first, last, is_param=True)

    # ---- items

    def _attr(self, children: list[Any], first: int, last: int) -> nodes.Attr:
        name, value = children
        return nodes.Attr(self._token(name), value, self.span(first, last), self.span(name, name))

    def _block(self, children: list[Any], first: int, last: int) -> nodes.Block:
        kind, name, using, like, body = children
        label = None
        if name is not None:
            label = self._unquoted(name) if self._token(name).startswith('"') else self._token(name)
        start = self._starts[first]
        header_end = len(self._text[start : body.span.start].rstrip()) + start
        return nodes.Block(
            kind=self._token(kind),
            name=label,
            using=using,
            like=like,
            body=body,
            doc=self._doc(first),
            span=self.span(first, last),
            header=Span(self._source, start, header_end),
            kind_span=self.span(kind, kind),
            name_span=self.span(kind if name is None else name, kind if name is None else name),
        )

    def _doc(self, index: int) -> str:
        """The `##` lines directly above a token, which stand in the separator before it."""
        before = self._text[self._ends[index - 1] if index else 0 : self._starts[index]]
        if self._tokens.types[index - 1] == "_NL" and index:
            before = self._token(index - 1) + before
        if "##" not in before:
            return ""
        lines: list[str] = []
        above = before.split("\n")[1:-1]
        while above and (line := above.pop().strip()).startswith("##"):
            lines.append(line.removeprefix("##").removeprefix(" "))
        return "\n".join(reversed(lines))

    def _when(self, children: list[Any], first: int, last: int) -> nodes.When:
        condition, target = children
        return nodes.When(condition, target, self.span(first, last))

    def _else(self, children: list[Any], first: int, last: int) -> nodes.Else:
        return nodes.Else(children[0], self.span(first, last))

    def _share(self, children: list[Any], first: int, last: int) -> nodes.Share:
        share, target = children
        return nodes.Share(self._quantity([share], share, share), target, self.span(first, last))

    def _path(self, children: list[Any], first: int, last: int) -> nodes.Path:
        return nodes.Path(tuple(map(self._token, children)), self.span(first, last))

    def _body(self, children: list[Any], first: int, last: int) -> nodes.Record:
        return nodes.Record(tuple(children), self.span(first, last))

    # ---- expressions

    def _or(self, children: list[Any], first: int, last: int) -> nodes.Or:
        return nodes.Or(tuple(children), self.span(first, last))

    def _and(self, children: list[Any], first: int, last: int) -> nodes.And:
        return nodes.And(tuple(children), self.span(first, last))

    def _not(self, children: list[Any], first: int, last: int) -> nodes.Not:
        return nodes.Not(children[0], self.span(first, last))

    def _compare(self, children: list[Any], first: int, last: int) -> nodes.Compare:
        operand, *rest = children
        return nodes.Compare(operand, tuple(zip(rest[::2], rest[1::2], strict=True)), self.span(first, last))

    def _operator(self, children: list[Any], first: int, last: int) -> str:
        if first != last:
            return f"{self._token(first)} {self._token(last)}"
        word = self._token(first)
        return "==" if word == "=" else word  # the error recovery reads `=` in a condition as it was meant

    def _with(self, children: list[Any], first: int, last: int) -> nodes.With:
        target, settings = children
        return nodes.With(target, settings, self.span(first, last))

    def _member(self, children: list[Any], first: int, last: int) -> nodes.Member:
        base, name = children
        return nodes.Member(base, self._token(name), self.span(first, last), self.span(name, name))

    def _invoke(self, children: list[Any], first: int, last: int) -> nodes.Invoke:
        function, *arguments = children
        return nodes.Invoke(function, tuple(arguments), self.span(first, last))

    def _named_arg(self, children: list[Any], first: int, last: int) -> nodes.NamedArg:
        name, value = children
        return nodes.NamedArg(self._token(name), value, self.span(first, last))

    def _ref(self, children: list[Any], first: int, last: int) -> nodes.Ref:
        return nodes.Ref(self._text[self._starts[first] : self._ends[first]], self.span(first, first))

    def _quantity(self, children: list[Any], first: int, last: int) -> nodes.Quantity:
        return nodes.Quantity(self._text[self._starts[first] : self._ends[first]], self.span(first, first))

    def _string(self, children: list[Any], first: int, last: int) -> nodes.String:
        return nodes.String(self._unquoted(first), self.span(first, last))

    def _text_node(self, children: list[Any], first: int, last: int) -> nodes.Text:
        raw = self._token(first)[3:]
        if self._tokens.types[first] != OPEN_TEXT:
            raw = raw[:-3]
        return nodes.Text(_dedent(raw), self.span(first, last))

    def _true(self, children: list[Any], first: int, last: int) -> nodes.Bool:
        return nodes.Bool(True, self.span(first, last))

    def _false(self, children: list[Any], first: int, last: int) -> nodes.Bool:
        return nodes.Bool(False, self.span(first, last))

    def _record(self, children: list[Any], first: int, last: int) -> nodes.Record:
        record: nodes.Record = children[0]
        return record

    def _list(self, children: list[Any], first: int, last: int) -> nodes.List:
        return nodes.List(tuple(children), self.span(first, last))

    def _unquoted(self, index: int) -> str:
        raw = self._token(index)[1:]
        if self._tokens.types[index] != OPEN_STRING:
            raw = raw[:-1]
        return raw if "\\" not in raw else _unescape(raw)


def _unescape(raw: str) -> str:
    """The text of a string; an escape that the language does not know stays as it is, for patterns are full of them."""

    def resolve(match: re.Match[str]) -> str:
        code, letter = match.groups()
        return chr(int(code, 16)) if code else _ESCAPES.get(letter, match[0])

    value = _ESCAPE.sub(resolve, raw)
    if _SURROGATE.search(value):  # a pair is one character; half a pair is none
        value = value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def _dedent(raw: str) -> str:
    """A text without the line ends at both sides and the indentation that all its lines share."""
    text = raw.replace("\r\n", "\n").replace('\\"', '"')
    first, line_end, rest = text.partition("\n")
    if first.strip():
        return (first.lstrip() + line_end + textwrap.dedent(rest)).rstrip()
    return textwrap.dedent(rest).rstrip()
