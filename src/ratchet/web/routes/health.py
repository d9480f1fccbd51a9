"""Whether the service is well, its figures, its description, and the browser snippet."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from msgspec import Struct

from ratchet.errors import Unavailable
from ratchet.web.metrics import CONTENT_TYPE
from ratchet.web.routing import Answer, Call


class Health(Struct, kw_only=True, frozen=True):
    """The service, its version, and whether it is in open mode (no key needed on this machine)."""

    service: str
    version: str
    open: bool


async def get_health(call: Call) -> Health:
    """Say that the process is alive."""
    return Health(service="ratchet", version=version("ratchet-ai"), open=call.service.access.is_open())


def get_readiness(call: Call) -> dict[str, Any]:
    """Say whether requests can be served: the store answers, every app of the project is loaded, no shutdown began."""
    if call.service.stopping:
        raise Unavailable("The service is shutting down.", "Use another node.")
    missing = [app.name for app in call.service.settings.apps if app.name not in call.service.house.bases]
    if missing:
        raise Unavailable(f"The app {missing[0]} is not loaded.", "Wait, or see the log.")
    return {"ready": True, "apps": [app.name for app in call.service.house.store.apps.all()]}


def get_metrics(call: Call) -> Answer:
    """Figures in the text format of Prometheus."""
    return Answer(body=call.service.metrics.text(call.service).encode(), content_type=CONTENT_TYPE)


async def get_openapi(call: Call) -> Answer:
    """This description."""
    return Answer(body=call.service.description())


async def get_snippet(call: Call) -> Answer:
    """The browser snippet."""
    return Answer(
        body=_snippet(),
        content_type="text/javascript; charset=utf-8",
        headers={"cache-control": "public, max-age=3600", "cross-origin-resource-policy": "cross-origin",
                 "access-control-allow-origin": "*"},
    )  # fmt: skip


@cache
def _snippet() -> bytes:
    return (files("ratchet.web") / "static" / "ratchet.js").read_bytes()
