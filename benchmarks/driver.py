"""Sends requests to a server on this machine as cheaply as it can: wrk where it is installed, else plain sockets."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import uvloop

_WRK_SCRIPT = """
wrk.method = "POST"
wrk.headers["content-type"] = "application/json"
local file = io.open(os.getenv("WRK_BODY"), "rb")
wrk.body = file:read("*a")
file:close()
function done(summary, latency)
  local e = summary.errors
  print(string.format('{"requests":%d,"us":%d,"refused":%d}', summary.requests, summary.duration,
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(slots=True)
class Driven:
    """What a run of requests came to; ``latencies_s`` is empty where wrk drove."""

    requests: int = 0
    seconds: float = 0.0
    refused: int = 0
    first_refusal: str = ""
    latencies_s: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def sound(self) -> Driven:
        """Itself; raises ``RuntimeError`` when anything was refused, for then it measured something else."""
        if self.refused or not self.requests:
            raise RuntimeError(f"{self.refused} of {self.requests} requests were refused: {self.first_refusal}")
        return self


def post(path: str, body: object) -> bytes:
    """A whole request, encoded before the clock starts."""
    content = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content


def drive(url: str, requests: Iterable[bytes], lanes: int) -> Driven:
    """Send all the requests over ``lanes`` connections, each waiting for its answer before the next."""
    return uvloop.run(_drive(url, iter(requests), lanes))


def hammer(url: str, path: str, body: object, lanes: int, seconds: float) -> Driven:
    """Send the same request for so many seconds."""
    if shutil.which("wrk"):
        return _wrk(url + path, body, lanes, seconds)
    until = time.perf_counter() + seconds
    request = post(path, body)
    return drive(url, itertools.takewhile(lambda _: time.perf_counter() < until, itertools.repeat(request)), lanes)


def _wrk(url: str, body: object, lanes: int, seconds: float) -> Driven:
    with tempfile.TemporaryDirectory() as folder:
        script, content = Path(folder) / "post.lua", Path(folder) / "body"
        script.write_text(_WRK_SCRIPT)
        content.write_bytes(json.dumps(body).encode())
        command = ["wrk", "-t1", f"-c{lanes}", f"-d{round(seconds)}s", "-s", str(script), url]
        ran = subprocess.run(
            command, env={**os.environ, "WRK_BODY": str(content)}, capture_output=True, text=True, check=True
        )
    found = json.loads(ran.stdout.strip().splitlines()[-1])
    return Driven(found["requests"], found["us"] / 1e6, found["refused"], ran.stdout if found["refused"] else "")


async def _drive(url: str, requests: Iterator[bytes], lanes: int) -> Driven:
    driven = Driven()
    where = urlsplit(url)
    started = time.perf_counter()
    loop = asyncio.get_running_loop()
    ended = []
    for _ in range(lanes):
        lane = _Lane(requests, driven)
        await loop.create_connection(partial(_same, lane), where.hostname or "", where.port or 80)
        ended.append(lane.ended)
    await asyncio.gather(*ended)
    driven.seconds = time.perf_counter() - started
    return driven


def _same(lane: _Lane) -> _Lane:
    return lane


class _Lane(asyncio.Protocol):
    """One connection: sends a request, waits for the whole answer, sends the next."""

    def __init__(self, requests: Iterator[bytes], driven: Driven) -> None:
        self._requests = requests
        self._driven = driven
        self._held = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def data_received(self, data: bytes) -> None:
        self._held += data
        head, found, rest = self._held.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        if len(rest) < length:
            return
        self._held = b""
        self._count(head, rest)
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(error or ConnectionError("The server closed the connection."))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)

    def _count(self, head: bytes, body: bytes) -> None:
        driven = self._driven
        driven.latencies_s.append(time.perf_counter() - self._sent)
        driven.requests += 1
        if not head.startswith(b"HTTP/1.1 2"):
            driven.refused += 1
            driven.first_refusal = driven.first_refusal or f"{head[:20]!r} {body[:300]!r}"
