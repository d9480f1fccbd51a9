"""``ratchet serve`` in a process of its own: started, killed, told to stop, started again on the same port."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import urllib3

from tests.command import PROGRAM, environment

PATIENCE_S = 60
TOML = '[embedder]\nname = "lexical"\n'
GONE = (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Served:
    """A project's service. ``store`` is its SQLite file; the port stays the same over restarts."""

    def __init__(self, project: Path, *, store: Path | None = None, options: Iterable[str] = ()) -> None:
        project.mkdir(parents=True, exist_ok=True)
        (project / "ratchet.toml").write_text(TOML)
        self.store = store or project / "ratchet.db"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.project = project
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._pool = urllib3.PoolManager(retries=False, timeout=PATIENCE_S)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "it was not started"
        return self._process

    def command(self) -> list[str]:
        return [*PROGRAM, "serve", "--port", str(self.port), "--store", str(self.store), *self._options]

    def start(self) -> Served:
        """Start it, without waiting until it listens."""
        with (self.project / "service.log").open("ab") as log:
            self._process = subprocess.Popen(
                self.command(), cwd=self.project, env=environment(), stdout=log, stderr=log
            )
        return self

    def ready(self) -> Served:
        """Wait until it answers."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            assert self.process.poll() is None, f"it ended: {self.log()[-2000:]}"
            assert time.monotonic() < deadline, f"it does not answer: {self.log()[-2000:]}"
            try:
                if self.call("GET", "/readyz").status == 200:
                    return self
            except GONE:
                time.sleep(0.01)

    def call(self, method: str, path: str, **more: Any) -> urllib3.BaseHTTPResponse:
        return self._pool.request(method, self.url + path, **more)

    def kill(self) -> int:
        """kill -9; the exit code."""
        self.process.kill()
        return self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """SIGTERM; the exit code once it has ended."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """End it for good, however it stands."""
        self._pool.clear()
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def log(self) -> str:
        return (self.project / "service.log").read_text()
