"""A real Redis of a test: started on a socket and a free port of its own, frozen, killed and started again."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

BINARY = shutil.which("redis-server") or shutil.which("valkey-server")

PASSWORD = "correct-horse-battery"


class RedisServer:
    """Keeps nothing on a disk: a restart has lost all keys."""

    def __init__(self, folder: Path, *extra: str) -> None:
        self.folder, self.extra = folder, extra
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        assert BINARY is not None
        command = [
            BINARY, "--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.folder / "redis.sock"),
            "--save", "", "--appendonly", "no", "--dir", str(self.folder), "--requirepass", PASSWORD, *self.extra,
        ]  # fmt: skip
        with open(self.folder / "redis.log", "ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        ends_at = time.monotonic() + 20
        while b"PONG" not in self.ask("PING"):
            assert time.monotonic() < ends_at, (self.folder / "redis.log").read_text()
            assert self._process.poll() is None, (self.folder / "redis.log").read_text()
            time.sleep(0.01)

    def ask(self, *words: str) -> bytes:
        """What the server says to one command, in its own protocol; empty where it is not there."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as wire:
                for each in (("AUTH", PASSWORD), words):
                    wire.sendall(
                        b"*%d\r\n" % len(each) + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in each)
                    )
                    said = wire.recv(65536)
                return said
        except OSError:
            return b""

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw_if_running(self) -> None:
        if self._process is not None:
            self.thaw()

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self.thaw()
            self._process.kill()
            self._process.wait()
            self._process = None

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)


def running(*extra: str) -> Iterator[RedisServer]:
    """A server for the length of a test; skipped where the machine has no Redis, which CI must have."""
    if BINARY is None:
        if os.environ.get("MMFLOW_CI"):
            pytest.fail("CI must have redis-server")
        pytest.skip("redis-server is not installed here")
    with tempfile.TemporaryDirectory(prefix="mmflow-redis-") as folder:
        server = RedisServer(Path(folder), *extra)
        server.start()
        try:
            yield server
        finally:
            server.kill()
