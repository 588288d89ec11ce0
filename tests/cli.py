"""Running `mmflow` in a test: in this process, with its own folder, environment and streams."""

import asyncio
import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from upstream import Upstream, running

from mmflow.cli.main import main


@attrs.frozen
class Done:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str


class Terminal(io.TextIOWrapper):
    """Standard input that somebody could type into."""

    def isatty(self) -> bool:
        return True


class Shell:
    """A folder and an environment in which `mmflow` is called."""

    def __init__(self, folder: Path, capture: pytest.CaptureFixture[str], patch: pytest.MonkeyPatch) -> None:
        vendors = ("OPENAI_", "ANTHROPIC_", "AZURE_OPENAI_", "GEMINI_", "GOOGLE_", "DEEPSEEK_", "MISTRAL_", "DASHSCOPE_", "GROQ_")
        vendors += ("TOGETHER_", "OPENROUTER_", "XAI_", "AWS_")
        ours = ("MMFLOW_", *vendors, "FORCE_COLOR", "CLICOLOR", "NO_COLOR", "COLUMNS", "_MMFLOW_COMPLETE")
        self.folder, self._capture, self._patch = folder, capture, patch
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        patch.setattr(os, "environ", self.environ)
        patch.chdir(folder)

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Done:
        """Run `mmflow`; without `stdin`, standard input is a terminal."""
        stream = Terminal(io.BytesIO()) if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
        self._patch.setattr(sys, "stdin", stream)
        self._capture.readouterr()
        code = main(list(arguments))
        out, err = self._capture.readouterr()
        return Done(code, out, err)


@pytest.fixture
def mmflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`mmflow` in an empty folder, with no configuration and no key around it."""
    return Shell(tmp_path, capsys, monkeypatch)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider that misbehaves on demand, served beside the test: a command has an event loop of its own."""
    ready, stop = threading.Event(), asyncio.Event()
    started: list[tuple[asyncio.AbstractEventLoop, Upstream]] = []

    async def serve() -> None:
        async with running() as server:
            started.append((asyncio.get_running_loop(), server))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    ready.wait()
    loop, server = started[0]
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join()
