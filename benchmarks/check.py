"""What it takes to check a workflow: CPU and memory by its length, by the arms of a flow and by its classifiers."""

import time
import tracemalloc
from collections.abc import Callable

from figures import arguments, interleaved, show
from generate import workflow

from mmflow.api import build
from mmflow.registry import Registry
from mmflow.source import Source
from mmflow.syntax.format import format
from mmflow.syntax.parse import parse

LINES = (200, 2_000, 10_000)
ARMS = (10, 100, 500, 2_000)
DECLARED, READ = 20, 8

_HEAD = """\
mmflow 1

provider lab using sim {}
model small { provider = lab, id = "s", context = 128k, price = { input = $1/1M, output = $1/1M } }
model large { provider = lab, id = "l", context = 128k, price = { input = $2/1M, output = $2/1M } }
"""

_CLASSIFIER = """
classify c{n} using heuristic {{
  labels = low < medium < high
  unsure = up
}}
"""


def with_arms(count: int) -> str:
    """A flow of so many arms over two classifiers and a field of the request, each of which some request takes."""
    lines = [_HEAD, _CLASSIFIER.format(n=0), _CLASSIFIER.format(n=1), "flow main {"]
    lines += [f'  when request.user == "user{n}" and c{n % 2} >= high -> {"small" if n % 3 else "large"}' for n in range(count)]
    return "\n".join([*lines, "  else -> small", "}", ""])


def with_classifiers(declared: int, read: int) -> str:
    """A flow that reads some of the classifiers of its file, all of them in one table."""
    lines = [_HEAD, *(_CLASSIFIER.format(n=n) for n in range(declared)), "flow main {"]
    lines += [f"  when c{n} >= high and c{(n + 1) % read} == low -> {'small' if n % 2 else 'large'}" for n in range(read)]
    return "\n".join([*lines, "  else -> small", "}", ""])


def main() -> None:
    options = arguments(__doc__, rounds=5)
    vocabulary = Registry.installed()
    lengths, arms = (LINES[:1], ARMS[:2]) if options.quick else (LINES, ARMS)

    def checked(source: Source) -> None:
        found = build(source, vocabulary)
        assert found.plan is not None, found.diagnostics[0]

    def formatted(source: Source) -> None:
        assert format(source).text is not None

    texts = {f"{count:,} lines": workflow(count) for count in lengths}
    works: dict[str, tuple[Callable[[Source], object], str]] = {}
    for name, text in texts.items():
        works[f"parse, {name}"] = (parse, text)
        works[f"check and compile, {name}"] = (checked, text)
        works[f"fmt, {name}"] = (formatted, text)
    works |= {f"check and compile, {count:,} arms": (checked, with_arms(count)) for count in arms}
    works[f"check and compile, {DECLARED} classifiers, {READ} read"] = (checked, with_classifiers(DECLARED, READ))
    for work, text in works.values() if options.quick else list(works.values())[:3]:
        work(Source("warm.mmf", text))  # the grammar's tables and the plugins are loaded once, unmeasured

    def measured(work: Callable[[Source], object], text: str) -> Callable[[], float]:
        def once() -> float:
            source = Source("generated.mmf", text)
            before = time.process_time()
            work(source)
            return time.process_time() - before

        return once

    found = interleaved({name: measured(*each) for name, each in works.items()}, options.rounds)
    rows = []
    for name, (work, text) in works.items():
        count = text.count("\n")
        cpu = f"{1e3 * found[name]:,.0f}", f"{1e6 * found[name] / count:,.0f}"
        rows.append([name, f"{count:,}", *cpu, _peak(work, text, count)])
    show(["work", "lines", "CPU, ms", "µs a line", "peak memory, KB a line"], rows)


def _peak(work: Callable[[Source], object], text: str, lines: int) -> str:
    source = Source("generated.mmf", text)
    tracemalloc.start()
    work(source)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return f"{peak / 1024 / lines:.1f}"


if __name__ == "__main__":
    main()
