"""Does what the README tells a newcomer to do, line by line, against the real program."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3

from tests.command import PROGRAM, environment, ratchet
from tests.docs.pages import ROOT
from tests.faults.serving import free_port

URL = "http://127.0.0.1:8400"
SET_UP = ("make install", ". .venv/bin/activate")
PATIENCE_S = 60
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PROMPT = re.compile(r"^(?:\[r\]ight .*uit|.+\)): ?(.*)$", re.MULTILINE)
_CLOSED = (urllib3.exceptions.HTTPError, ConnectionError)


@dataclass(frozen=True, slots=True)
class Curl:
    """A request as a page writes it for ``curl``."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None

    @classmethod
    def read(cls, line: str) -> Curl:
        """The request of one line. Options that are not known here fail: the pages keep to a few."""
        words = shlex.split(line)[1:]
        method, urls, headers, body = "", [], {}, None
        while words:
            word = words.pop(0)
            if word == "-X":
                method = words.pop(0)
            elif word == "-H":
                name, _, value = words.pop(0).partition(":")
                headers[name.strip().lower()] = value.strip()
            elif word == "-d":
                body = words.pop(0).encode()
            else:
                assert not word.startswith("-"), f"{line!r} uses {word}"
                urls.append(word)
        (url,) = urls
        return cls(method or ("GET" if body is None else "POST"), url, headers, body)

    @property
    def path(self) -> str:
        """The path below the service, with its query."""
        return self.url.removeprefix(URL)

    def send(self, pool: urllib3.PoolManager, url: str) -> urllib3.BaseHTTPResponse:
        """Send it to the service at ``url``, wherever the page says that it is."""
        return pool.request(self.method, url + self.path, headers=self.headers, body=self.body)


@dataclass
class Walk:
    """One newcomer: a folder, a service, what a Python session holds, and how an answer is rated."""

    here: Path
    rates_with: str
    held: ExitStack
    url: str = ""
    question: str = ""
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "readme"})
    did: list[str] = field(default_factory=list)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False, timeout=PATIENCE_S))

    def through(self, section: str) -> None:
        """Do all that the section's blocks say, in order."""
        blocks = _FENCE.findall(section)
        self.question = re.findall(r'first = ask\("(.+?)"\)', section)[0]
        for place, (language, body) in enumerate(blocks):
            if language == "python":
                self.run(body)
            elif language == "console":
                typed = blocks[place + 1][1] if place + 1 < len(blocks) and blocks[place + 1][0] == "text" else ""
                for line in body.splitlines():
                    self.type(line.removeprefix("$ "), typed)

    def run(self, code: str) -> None:
        """Run a block in the one Python session."""
        exec(compile(code.replace(URL, self.url), "README.md", "exec"), self.names)

    def type(self, line: str, typed: str) -> None:
        """Do what one line of a terminal does."""
        self.did.append(line)
        if line in SET_UP:
            return
        if line == "mkdir shop && cd shop":
            self.here /= "shop"
            self.here.mkdir()
        elif line == "ratchet serve":
            self.url = self.held.enter_context(served(self.here, self.pool))
        elif line.startswith("ratchet review "):
            self.review(line, typed)
        elif line.startswith("ratchet "):
            done = ratchet(*shlex.split(line)[1:], cwd=self.here)
            assert done.returncode == 0, done.stdout + done.stderr
        elif line.startswith("python "):
            self.rate_in_page(line)
        else:
            assert line.startswith("curl "), f"nobody knows how to do {line!r}"
            self.rate_with_curl(line)

    def review(self, line: str, typed: str) -> None:
        """Answer the prompts as the page shows it, then wait for the release that comes of it."""
        answers = _PROMPT.findall(typed)
        assert answers[0] == "w"
        done = ratchet(*shlex.split(line)[1:], cwd=self.here, typed="\n".join(answers) + "\n")
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Learned." in done.stdout
        deadline = time.monotonic() + PATIENCE_S
        while self.pool.request("GET", f"{self.url}/v1/apps/support").json()["release"] != 1:
            assert time.monotonic() < deadline, "nothing was released"
            time.sleep(0.05)

    def rate_with_curl(self, line: str) -> None:
        if self.rates_with == "curl":
            answered = Curl.read(line.replace('"ID"', json.dumps(self.names["first"].id))).send(self.pool, self.url)
            assert answered.status == 201, answered.data
            assert answered.json()["review_id"]

    def rate_in_page(self, line: str) -> None:
        """Ask in the example page and press its thumb: what the snippet sends then, with the page's origin."""
        if self.rates_with != "page":
            return
        with example(ROOT / line.split()[1], self.url) as page:
            html = self.pool.request("GET", page, fields={"question": self.question}).data.decode()
            token = re.findall(r'data-ratchet-token="([^"]+)"', html)[0]
            body = json.dumps({"token": token, "event_id": "thumb-1", "thumb": "down"}).encode()
            headers = {"content-type": "text/plain;charset=UTF-8", "origin": page.rstrip("/")}
            answered = self.pool.request("POST", f"{self.url}/v1/feedback", body=body, headers=headers)
            assert answered.status == 201, answered.data
            assert answered.headers["access-control-allow-origin"] == headers["origin"]


@contextmanager
def walking(folder: Path, rates_with: str) -> Iterator[Walk]:
    """A newcomer in an empty folder; what was started is stopped at the end."""
    with ExitStack() as held:
        walk = Walk(folder, rates_with, held)
        held.callback(walk.pool.clear)
        held.callback(lambda: walk.names["client"].close() if "client" in walk.names else None)
        yield walk


@contextmanager
def served(folder: Path, pool: urllib3.PoolManager) -> Iterator[str]:
    """``ratchet serve`` in ``folder``, on a free port."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*PROGRAM, "serve"], cwd=folder, env={**environment(), "RATCHET_PORT": str(port)}, stdout=log, stderr=log
        )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not _answers(pool, url):
            assert process.poll() is None, (folder / "serve.log").read_text()
            assert time.monotonic() < deadline, "it does not answer"
            time.sleep(0.05)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, (folder / "serve.log").read_text()


def _answers(pool: urllib3.PoolManager, url: str) -> bool:
    try:
        return pool.request("GET", f"{url}/readyz").status == 200
    except _CLOSED:
        return False


@contextmanager
def example(script: Path, url: str) -> Iterator[str]:
    """The example page, asking the service at ``url``; its address."""
    around = {**os.environ, "RATCHET_URL": url, "PORT": "0"}
    with subprocess.Popen([sys.executable, str(script)], env=around, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[0] + "/"
        finally:
            process.terminate()
