"""A service that runs: the real application behind a real socket, in a thread of the test."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import urllib3
import uvicorn

from ratchet.project.read import read_project
from ratchet.settings import Settings
from ratchet.web.application import Application
from ratchet.web.service import Service
from ratchet.wiring import open_project

PROJECT = """
[embedder]
name = "lexical"

[apps.support]
kind = "answer"
knowledge = "knowledge"

[apps.triage]
kind = "classify"

[apps.triage.labels]
refund = "refund money back"
delivery = "delivery parcel shipping"
"""
KNOWLEDGE = {
    "returns.md": "# Returns\nYou can return an item within 30 days of delivery.\n",
    "delivery.md": "# Delivery\nA parcel takes 2 to 4 working days.\n",
    "password.md": "# Password\nReset your password from the sign-in page.\n",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back over the wire."""

    status: int
    headers: Mapping[str, str]
    data: bytes

    def json(self) -> Any:
        import json

        return json.loads(self.data)


@dataclass(slots=True)
class Running:
    """A service, and how to call it."""

    url: str
    service: Service
    pool: urllib3.PoolManager

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
    ) -> Answered:
        """One request; ``body`` goes as JSON, ``raw`` as it is."""
        import json

        sent = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {})}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        response = self.pool.request(method, self.url + path, body=data, headers={**sent, **(headers or {})})
        return Answered(response.status, {k.lower(): v for k, v in response.headers.items()}, response.data)

    def get(self, path: str, **more: Any) -> Answered:
        return self.call("GET", path, **more)

    def post(self, path: str, body: object = None, **more: Any) -> Answered:
        return self.call("POST", path, body, **more)


def make_project(folder: Path, toml: str = PROJECT, environment: Mapping[str, str] | None = None) -> Settings:
    """A project in ``folder``, on a free port."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "knowledge").mkdir(exist_ok=True)
    for name, text in KNOWLEDGE.items():
        (folder / "knowledge" / name).write_text(text)
    (folder / "ratchet.toml").write_text(toml)
    settings = read_project({"RATCHET_CACHE": str(folder / "cache"), **(environment or {})}, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return replace(settings, service=replace(settings.service, port=port))


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """The service of a project, until the end of the ``with``."""
    service = Service(open_project(settings), settings)
    config = uvicorn.Config(
        Application(service),
        host=settings.service.host,
        port=settings.service.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=3,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="service", daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert thread.is_alive(), "the service did not start"
        assert time.monotonic() < deadline, "the service did not start in time"
        time.sleep(0.01)
    pool = urllib3.PoolManager(maxsize=16, retries=False, timeout=30)
    try:
        yield Running(f"http://127.0.0.1:{settings.service.port}", service, pool)
    finally:
        pool.clear()
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the service did not stop"


def wait_until(what: Any, seconds: float = 10.0) -> Any:
    """The first true value of ``what()``."""
    deadline = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return value
