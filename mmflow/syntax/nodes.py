"""The tree of a file as written: frozen nodes with spans, equal when their meaning is."""

import attrs

from mmflow.source import Span

_span = attrs.field(eq=False, repr=False)


# ---- expressions --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Ref:
    """A bare name."""

    name: str
    span: Span = _span


@attrs.frozen
class Member:
    """`base.name`; `name_span` is the name alone."""

    base: "Expr"
    name: str
    span: Span = _span
    name_span: Span = _span


@attrs.frozen
class NamedArg:
    """`name = value` between the parentheses of a call."""

    name: str
    value: "Expr"
    span: Span = _span


@attrs.frozen
class Invoke:
    """`function(arguments)`."""

    function: "Expr"
    arguments: "tuple[Expr | NamedArg, ...]"
    span: Span = _span


@attrs.frozen
class Quantity:
    """A number with or without a unit, not yet typed."""

    text: str
    span: Span = _span


@attrs.frozen
class String:
    """`"…"`, its escapes resolved."""

    value: str
    span: Span = _span


@attrs.frozen
class Text:
    '''`"""…"""`, dedented; `{{ path }}` placeholders are left in place.'''

    value: str
    span: Span = _span


@attrs.frozen
class Bool:
    """`true` or `false`."""

    value: bool
    span: Span = _span


@attrs.frozen
class List:
    """`[a, b]`."""

    items: "tuple[Expr, ...]"
    span: Span = _span


@attrs.frozen
class Record:
    """`{ name = value }` as a value, or the body of a block."""

    items: "tuple[Item, ...]"
    span: Span = _span


@attrs.frozen
class Not:
    """`not x`."""

    operand: "Expr"
    span: Span = _span


@attrs.frozen
class And:
    """`a and b and c`."""

    operands: "tuple[Expr, ...]"
    span: Span = _span


@attrs.frozen
class Or:
    """`a or b or c`."""

    operands: "tuple[Expr, ...]"
    span: Span = _span


@attrs.frozen
class Compare:
    """`first op operand …`; more than one operator only where ordered labels are due."""

    first: "Expr"
    rest: "tuple[tuple[str, Expr], ...]"
    """Pairs of an operator (`== != < <= > >= in "not in" matches`) and its right side."""
    span: Span = _span


@attrs.frozen
class With:
    """`target with { … }`."""

    target: "Expr"
    settings: Record
    span: Span = _span


Expr = Ref | Member | Invoke | Quantity | String | Text | Bool | List | Record | Not | And | Or | Compare | With


# ---- items --------------------------------------------------------------------------------------------------------------


@attrs.frozen
class Attr:
    """`name = value`."""

    name: str
    value: Expr
    span: Span = _span
    name_span: Span = _span


@attrs.frozen
class When:
    """`when condition -> target`."""

    condition: Expr
    target: Expr
    span: Span = _span


@attrs.frozen
class Else:
    """`else -> target`."""

    target: Expr
    span: Span = _span


@attrs.frozen
class Share:
    """`10% -> target`."""

    share: Quantity
    target: Expr
    span: Span = _span


@attrs.frozen
class Path:
    """`a.b.c`, the name of a plugin's word or of a block to copy from."""

    parts: tuple[str, ...]
    span: Span = _span

    def __str__(self) -> str:
        return ".".join(self.parts)


@attrs.frozen
class Block:
    """`kind name using word like base { … }`. `header` spans what stands before the body; `doc` is its `##` comment."""

    kind: str
    name: str | None
    using: Path | None
    like: Path | None
    body: Record
    doc: str = attrs.field(eq=False)
    span: Span = _span
    header: Span = _span
    kind_span: Span = _span
    name_span: Span = _span


@attrs.frozen
class Broken:
    """Text that was skipped after a syntax error."""

    span: Span = _span


Item = Attr | Block | When | Else | Share | Broken


@attrs.frozen
class Use:
    """`use path@version as alias`."""

    path: Path
    version: str | None
    alias: str | None
    span: Span = _span


@attrs.frozen
class Import:
    """`import "file" as name`."""

    path: String
    name: str
    span: Span = _span
    name_span: Span = _span


@attrs.frozen
class Let:
    """`let name = value`, or `param name = value`, which a caller may set."""

    name: str
    value: Expr
    is_param: bool
    span: Span = _span
    name_span: Span = _span


@attrs.frozen
class File:
    """A parsed file. `edition` is None where the first line is missing or broken."""

    edition: str | None
    items: tuple[Use | Import | Let | Item, ...]
    span: Span = _span
