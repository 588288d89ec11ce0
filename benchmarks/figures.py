"""What the benchmarks share: interleaved rounds, medians, and a table of ratios."""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any


def arguments(description: str, rounds: int, **more: Mapping[str, Any]) -> argparse.Namespace:
    """The options that every benchmark has, and `more`; `--quick` is for a test that it still runs, not for figures."""
    parser = argparse.ArgumentParser(description=description)
    for name, option in more.items():
        parser.add_argument(f"--{name}", **option)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"how often each row is measured (default: {rounds})")
    parser.add_argument("--quick", action="store_true", help="measure next to nothing: shows that it runs")
    found = parser.parse_args()
    if found.quick:
        found.rounds = 1
    return found


def interleaved(rows: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """The median of each row over rounds in which every row has its turn, so that a busy moment hits all of them alike."""
    samples: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, measure in rows.items():
            samples[name].append(measure())
    return {name: median(each) for name, each in samples.items()}


def show(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a Markdown table whose first column is text and whose others are figures."""
    print("| " + " | ".join(header) + " |")
    print("|---|" + "--:|" * (len(header) - 1))
    for row in rows:
        print("| " + " | ".join(row) + " |")
