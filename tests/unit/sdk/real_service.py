"""The real service on a local port, which tests start, stop and slow down."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import uvicorn

from ratchet.settings import ServiceSettings, Settings
from ratchet.web.application import Application
from ratchet.web.service import Service
from ratchet.wiring import House, open_project


class RealService:
    """Start it, stop it, start it again on the same port. ``slow_s`` delays every answer; ``seen`` are the requests."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.port = 0
        self.slow_s = 0.0
        self.seen: list[tuple[str, str]] = []
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._house: House | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def house(self) -> House:
        assert self._house is not None
        return self._house

    def start(self) -> RealService:
        settings = Settings(store=self.store, embedder="lexical", service=ServiceSettings(learn=False))
        self._house = open_project(settings)
        app = self._watched(Application(Service(self._house, settings)))
        config = uvicorn.Config(
            app, host="127.0.0.1", port=self.port, log_config=None, access_log=False, lifespan="on",
            timeout_graceful_shutdown=1,
        )  # fmt: skip
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        until = time.monotonic() + 20.0
        while not self._server.started:
            assert time.monotonic() < until, "the service did not start"
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]
        return self

    def stop(self) -> None:
        if self._server is not None and self._thread is not None:
            self._server.should_exit = True
            self._thread.join(20.0)
            self._server = self._thread = None
            self.house.close()

    def _watched(self, app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def watching(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                self.seen.append((scope["method"], scope["path"]))
                await asyncio.sleep(self.slow_s)
            await app(scope, receive, send)

        return watching
