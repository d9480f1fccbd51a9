"""Starts servers for a benchmark, and says what they cost: CPU and memory of the whole process tree."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]

from benchmarks.project import Record, write_project

REPOSITORY = Path(__file__).resolve().parent.parent
LONGEST_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Running:
    """A server at ``url``, ``ready_s`` seconds after its process was started."""

    process: psutil.Popen
    url: str
    ready_s: float

    def cpu_s(self) -> float:
        """User and system seconds of the process and its children so far."""
        return float(sum(times.user + times.system for times in (one.cpu_times() for one in self._tree())))

    def rss_mb(self) -> float:
        """Resident memory in MB."""
        return float(sum(one.memory_info().rss for one in self._tree())) / 1e6

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@contextmanager
def service(folder: Path, upstream: str = "http://127.0.0.1:9/v1", record: Record = "durable") -> Iterator[Running]:
    """`ratchet serve` on the store in ``folder``, new or kept; RATCHET_BIN names another build of it."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    write_project(folder, port, upstream, record)
    command = os.environ.get("RATCHET_BIN") or str(Path(sys.executable).with_name("ratchet"))
    with _started([command, "serve"], folder, port, "/readyz", {"OPENAI_API_KEY": "sk-none"}) as running:
        yield running


@contextmanager
def floor(app: str, upstream_port: int = 9) -> Iterator[Running]:
    """One of the apps of `floor_app`, on the same server and event loop as the service."""
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.floor_app:{app}", "--port", str(port), "--lifespan", "off"]
    command += ["--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--http", "httptools"]
    with _started(command, REPOSITORY, port, "/", {"UPSTREAM": str(upstream_port)}) as running:
        yield running


@contextmanager
def upstream() -> Iterator[Running]:
    """The endpoint that stands for a language model."""
    port = free_port()
    with _started([sys.executable, "-m", "benchmarks.upstream", str(port)], REPOSITORY, port, "/", {}) as running:
        yield running


def free_port() -> int:
    """A port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _started(command: list[str], folder: Path, port: int, path: str, settings: dict[str, str]) -> Iterator[Running]:
    # An inherited PYTHONDONTWRITEBYTECODE would have every start compile every module anew.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = psutil.Popen(command, cwd=folder, env={**environment, **settings}, stdout=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(url + path, process, began)
        yield Running(process, url, time.perf_counter() - began)
    finally:
        process.terminate()
        with suppress(psutil.TimeoutExpired):
            process.wait(10)
        if process.is_running():
            process.kill()
            process.wait()


def _wait(url: str, process: psutil.Popen, began: float) -> None:
    while True:
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        if process.poll() is not None:
            raise RuntimeError(f"{process.args[0]} ended with code {process.returncode} before it was ready.")
        if time.perf_counter() - began > LONGEST_START_S:
            raise TimeoutError(f"{url} did not answer in {LONGEST_START_S:.0f} s.")
        time.sleep(0.005)
