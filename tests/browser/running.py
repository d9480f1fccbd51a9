"""The real service, as a process of its own on a free port."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.command import PROGRAM

APP = "support"
PROJECT = f"""
[apps.{APP}]
kind = "answer"
knowledge = "knowledge.jsonl"
"""
LONGEST_START_S = 60.0
KNOWLEDGE = {"passage_id": "delivery", "title": "Delivery", "text": "Parcels take 2 to 4 working days."}


class Service:
    """Hands out tokens, and tells what came with them. No keys: who asks from this machine may do everything."""

    def __init__(self, url: str) -> None:
        self.url = url

    def token(self, answer: str) -> str:
        """A feedback token for the answer of that id."""
        request = Request(self.url + "/v1/feedback/tokens", json.dumps({"trace_id": answer, "app": APP}).encode())
        request.add_header("Content-Type", "application/json")
        return str(self._read(request)["token"])

    def received(self, answer: str) -> list[dict[str, Any]]:
        """The feedback on that answer, oldest first."""
        page = self._read(Request(f"{self.url}/v1/feedback?app={APP}&trace_id={answer}"))
        return list(reversed(page["feedback"]))

    def _read(self, request: Request) -> dict[str, Any]:
        with urlopen(request, timeout=10) as response:
            found: dict[str, Any] = json.load(response)
        return found


@contextmanager
def serving(folder: Path) -> Iterator[Service]:
    """``ratchet serve`` on a fresh store in ``folder``, for as long as the block runs."""
    (folder / "ratchet.toml").write_text(PROJECT, encoding="utf-8")
    (folder / "knowledge.jsonl").write_text(json.dumps(KNOWLEDGE), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
    environment = {**kept, "RATCHET_EMBEDDER": "lexical", "RATCHET_CACHE": str(folder / "cache")}
    port = _free_port()
    command = [*PROGRAM, "serve", "--no-learn", "--port", str(port)]
    said = folder / "said.txt"
    with said.open("w") as output:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}"
        until = time.monotonic() + LONGEST_START_S
        while not _is_ready(url):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        yield Service(url)
    finally:
        process.terminate()
        process.wait(timeout=20)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _is_ready(url: str) -> bool:
    try:
        with urlopen(url + "/readyz", timeout=5) as response:
            return bool(response.status == 200)
    except OSError:
        return False
