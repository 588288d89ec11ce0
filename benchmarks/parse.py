"""Lines a second that are parsed, and that are parsed and checked, for short and long files."""

import time
from collections.abc import Callable

from figures import arguments, interleaved, show
from generate import workflow

from mmflow.api import build
from mmflow.registry import Registry
from mmflow.source import Source
from mmflow.syntax.parse import parse

SIZES = (200, 2_000, 10_000)


def cpu_s(work: Callable[[Source], object], text: str) -> float:
    """CPU of one go over a text, in seconds."""
    source = Source("generated.mmf", text)
    before = time.process_time()
    work(source)
    return time.process_time() - before


def main() -> None:
    options = arguments(__doc__, rounds=7)
    vocabulary = Registry.installed()
    texts = [workflow(lines) for lines in (SIZES[:2] if options.quick else SIZES)]

    def whole(source: Source) -> None:
        built = build(source, vocabulary)
        assert built.plan is not None, built.diagnostics[0]

    whole(Source("generated.mmf", texts[0]))  # the grammar's tables and the plugins are loaded once, unmeasured
    steps: dict[str, Callable[[Source], object]] = {"parse": parse, "whole": whole}

    def row(step: str, text: str) -> Callable[[], float]:
        return lambda: cpu_s(steps[step], text)

    rows = {f"{step} {len(text)}": row(step, text) for text in texts for step in steps}
    found = interleaved(rows, options.rounds)
    table = []
    for text in texts:
        lines = text.count("\n")
        rates = [lines / found[f"{step} {len(text)}"] for step in steps]
        if not table:
            first = rates
        shares = [f"{rate / base:.2f}" for rate, base in zip(rates, first, strict=True)]
        table.append([f"{lines:,} lines", *(f"{rate:,.0f}" for rate in rates), *shares])
    show(
        ["file", "parsed, lines/s", "checked and compiled, lines/s", "× the shortest: parsed", "checked and compiled"],
        table,
    )


if __name__ == "__main__":
    main()
