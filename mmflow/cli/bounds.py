"""The bounds of a flow for people: a table, or where the terminal is too narrow for it, a record for each way."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence

from mmflow.bounds import Bound, CallCount, Cost, FlowBounds, PerToken, Row, Time
from mmflow.cli.terminal import is_terminal
from mmflow.units import Duration, Money, Price, text_of

MAX_ROWS = 200
SITUATIONS_SHOWN = 2
NARROWEST = 40

ESTIMATES = "est. p95 is an estimate from the declared p95 of models: quantiles do not add up"


def width() -> int | None:
    """How many columns there are; None where nobody looks at a terminal."""
    if is_terminal(sys.stdout) or os.environ.get("COLUMNS", "").isdigit():
        return max(NARROWEST, shutil.get_terminal_size().columns)
    return None


def lines_of(found: FlowBounds, columns: int | None) -> Iterator[str]:
    """The ways through a flow, what they cost by tokens, and what there is to remark."""
    rows = found.rows[:MAX_ROWS]
    cells = [_cells(row) for row in rows]
    table = list(_table([_HEAD, *cells]))
    if columns is None or max(map(len, table)) <= columns:
        yield from table
    else:
        for each in cells:
            yield from _record(each, columns)
    if len(found.rows) > len(rows):
        yield f"  … and {len(found.rows) - len(rows)} ways more (`--bounds --json` has them all)"
    yield ""
    yield from wrapped("at most, by tokens of the request and of an answer:", columns, 2)
    for target, bound in {row.target: row.bound for row in rows}.items():
        calls = calls_text(bound.calls_by_model)
        said = "" if calls in (f"1 {target}", "no call") else f"{calls}; "
        yield from wrapped(f"{target}: {said}{per_token_text(bound.cost.per_token)}", columns, 4)
    for remark in found.remarks:
        yield from wrapped(f"note: {remark}", columns, 2)
    if found.worst.estimated_p95_s is not None or any(row.bound.estimated_p95_s is not None for row in rows):
        yield from wrapped(f"note: {ESTIMATES}", columns, 2)


_HEAD = ("situation", "arm", "target", "calls", "worst $", "worst time", "est. p95", "first token", "zones", "share")


def _cells(row: Row) -> tuple[str, ...]:
    bound = row.bound
    return (
        situations_text(row.situations),
        " > ".join(row.arms),
        row.target,
        str(bound.calls) if bound.calls < 10**9 else f"{min(bound.calls, 10**300):.2e}",
        cost_text(bound.cost),
        time_text(bound.time),
        seconds_text(bound.estimated_p95_s),
        seconds_text(bound.estimated_first_token_s),
        zones_text(bound),
        _share_text(row.share),
    )


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield ("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip()


def _record(cells: tuple[str, ...], columns: int) -> Iterator[str]:
    widest = max(map(len, _HEAD))
    for index, (name, cell) in enumerate(zip(_HEAD, cells, strict=True)):
        lead = "  - " if index == 0 else "    "
        yield from textwrap.wrap(
            cell, columns, initial_indent=f"{lead}{name.ljust(widest)}  ", subsequent_indent=" " * (widest + 6)
        )


def wrapped(text: str, columns: int | None, indent: int) -> list[str]:
    """A text in lines that fit, those after the first two columns further in."""
    if columns is None:
        return [" " * indent + text]
    return textwrap.wrap(text, columns, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2))


# ---- cells --------------------------------------------------------------------------------------------------------------------


def situations_text(situations: Sequence[str] | None, shown: int = SITUATIONS_SHOWN) -> str:
    """The first of the situations, and how many more there are."""
    if situations is None:
        return "too many to tell"
    if not situations:
        return "any"
    more = len(situations) - shown
    return "; ".join(situations[:shown]) + (f"; {more} more" if more > 0 else "")


def calls_text(calls: Sequence[CallCount]) -> str:
    """`2 mini, 1 judge to judge`."""
    said = [f"{each.count} {each.model}" + ("" if each.purpose == "answer" else f" to {each.purpose}") for each in calls]
    return ", ".join(said) if said else "no call"


def cost_text(cost: Cost) -> str:
    """`$0.05 (max_cost)`; `?` where it is unknown."""
    return money_text(cost.worst_microusd) + (" (max_cost)" if cost.by == "max_cost" else "")


def money_text(microusd: int | None) -> str:
    """`$0.05`; `?` where it is unknown."""
    return "?" if microusd is None else text_of(Money(microusd))


def time_text(time: Time) -> str:
    """`20s (deadline)`."""
    return text_of(Duration(time.worst_s)) + ("" if time.by == "time-outs" else f" ({time.by})")


def seconds_text(seconds: float | None) -> str:
    """`420ms`; `?` where it is unknown."""
    return "?" if seconds is None else text_of(Duration(seconds))


def zones_text(bound: Bound) -> str:
    """`external, own/eu`."""
    return ", ".join(dict.fromkeys(map(str, bound.places))) or "none"


def per_token_text(per_token: PerToken | None) -> str:
    """`$3.15/1M in + $15.60/1M out`."""
    if per_token is None:
        return "price unknown"
    parts = [f"{text_of(Price(per_token.input))} in"] if per_token.input else []
    parts += [f"{text_of(Price(per_token.output))} out"] if per_token.output else []
    parts += [text_of(Money(per_token.fixed_microusd))] if per_token.fixed_microusd else []
    return " + ".join(parts) or "free"


def _share_text(share: float | None) -> str:
    return "?" if share is None else "<1%" if 0 < share < 0.01 else f"{share:.0%}"
