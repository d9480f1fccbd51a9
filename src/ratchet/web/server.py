"""Runs the service in this process until it is told to stop."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from types import FrameType
from typing import NoReturn

import uvicorn

from ratchet.errors import InvalidInput
from ratchet.settings import Settings
from ratchet.web.access import LOOPBACK
from ratchet.web.application import Application
from ratchet.web.service import Service
from ratchet.wiring import open_project

SHUTDOWN_S = 15


def serve(settings: Settings, said: Callable[[str], None] = lambda url: None) -> None:
    """Open the project's store, declare its apps, and listen; returns after a graceful end. ``said`` hears the URL.

    Raises ``StorageError`` when another process owns the store, ``InvalidInput`` when the service would be open to
    other machines without a key.
    """
    if threading.current_thread() is threading.main_thread():
        # The server ends gracefully at SIGTERM and then raises it once more: a service that was stopped has not failed.
        signal.signal(signal.SIGTERM, _leave)
    host = settings.service.host
    if host not in LOOPBACK and _is_loopback(host):
        settings = replace(settings, service=replace(settings.service, host="127.0.0.1"))
    house = open_project(settings)
    try:
        keys = [key for key in house.store.keys.all() if key.revoked_at is None and key.kind == "secret"]
        if settings.service.host not in LOOPBACK and not keys:
            raise InvalidInput(
                f"The service would be open to everybody who reaches {host}.",
                "Make a key first with `ratchet keys create NAME --scope admin`, or listen on 127.0.0.1.",
            )
        with _bound(settings) as listening:
            port = int(listening.getsockname()[1])
            url = f"http://{_shown(settings.service.host)}:{port}"
            house.store.announce(url)
            said(url)
            _listen(Service(house, settings), settings, listening)
    finally:
        house.close()


def _bound(settings: Settings) -> socket.socket:
    """A socket at the address of the settings; port 0 takes a free one. Raises ``InvalidInput`` for one in use."""
    host, port = settings.service.host, settings.service.port
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
    except OSError as error:
        raise InvalidInput(
            f"The service cannot listen on {host}:{port}: {error.strerror}.",
            "Stop what listens there, or name another --port (0 takes a free one).",
        ) from None
    return listening


def _listen(service: Service, settings: Settings, listening: socket.socket) -> None:
    config = uvicorn.Config(
        Application(service),
        log_config=None,
        access_log=False,
        lifespan="on",
        server_header=False,
        proxy_headers=False,
        date_header=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
        timeout_keep_alive=75,
        h11_max_incomplete_event_size=64 * 1024,
        backlog=2048,
        limit_concurrency=2000,
    )
    uvicorn.Server(config).run(sockets=[listening])


def _leave(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
