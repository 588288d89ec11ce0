"""Every benchmark runs and prints its table; what the figures are is nobody's business here."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PEERS = ("upstream.py", "litellm_router.py")
"""Started by the benchmarks, not by people."""


@pytest.mark.parametrize(
    ("script", "rows"),
    [
        ("startup.py", ["`python -c pass`", "`mmflow --version`", "`mmflow check`"]),
        ("parse.py", ["lines"]),
        ("check.py", ["fmt, 200 lines", "100 arms", "20 classifiers, 8 read"]),
        (
            "call.py",
            [
                "aiohttp + msgspec, bare",
                "mmflow, one-model flow",
                "mmflow, budget, limits, breaker, record",
                "mmflow, cascade",
                "mmflow, prompt and output contract",
                "mmflow, answered by the cache",
                "mmflow, one-model flow, streamed",
            ],
        ),
        ("deployments.py", ["one of the file", "tier, pick = listed", "tier, pick = fastest"]),
        ("concurrency.py", ["calls at a time", "calls in all"]),
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
    scripts = [path.name for path in BENCHMARKS.glob("*.py") if "__main__" in path.read_text() and path.name not in PEERS]
    assert len(scripts) >= 5
    assert [name for name in scripts if f"benchmarks/{name}" not in text] == []


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for Python is a shell script")
@pytest.mark.parametrize(
    ("is_there", "said"), [(False, "pip could not install it: ERROR: no such thing"), (True, "it could not be started")]
)
def test_a_peer_that_cannot_be_had_is_left_out_and_said_so(
    is_there: bool, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(BENCHMARKS)
    peer = importlib.import_module("peer")

    def create(folder: Path, *, with_pip: bool = True) -> None:
        python = folder / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\necho 'ERROR: no such thing' >&2\nexit 1\n")
        python.chmod(0o755)

    monkeypatch.setattr(peer.venv, "create", create)
    if is_there:
        create(tmp_path / "litellm")
    with peer.litellm("http://127.0.0.1:1", tmp_path / "litellm") as found:
        assert found is None
    assert f"litellm.Router is left out: {said}" in capsys.readouterr().err
