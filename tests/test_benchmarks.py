"""Every benchmark runs and prints its table; what the figures are is nobody's business here."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("startup.py", ["`python -c pass`", "`mmflow --version`", "`mmflow check`"]),
        ("parse.py", ["lines"]),
        ("call.py", ["aiohttp + msgspec, bare", "mmflow, one-model flow"]),
    ],
)
def test_a_benchmark_prints_its_table(script: str, rows: list[str]) -> None:
    done = subprocess.run([sys.executable, BENCHMARKS / script, "--quick"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    assert len(table) >= 3
    assert [row for row in rows if row not in done.stdout] == []


def test_the_table_in_the_readme_names_every_benchmark() -> None:
    text = (BENCHMARKS / "README.md").read_text()
    scripts = [path.name for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text() and path.name != "upstream.py"]
    assert len(scripts) >= 3
    assert [name for name in scripts if f"benchmarks/{name}" not in text] == []
