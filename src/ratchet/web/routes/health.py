"""Whether the service is well, its figures, its description, and the browser snippet."""

from __future__ import annotations

import gzip
import hashlib
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
    plain, packed, etag = _snippet()
    headers = {"cache-control": "public, max-age=300", "cross-origin-resource-policy": "cross-origin",
               "access-control-allow-origin": "*", "etag": etag, "vary": "Accept-Encoding"}  # fmt: skip
    if call.headers.get("if-none-match", "") == etag:
        return Answer(status=304, headers=headers)
    takes_packed = "gzip" in call.headers.get("accept-encoding", "")
    if takes_packed:
        headers["content-encoding"] = "gzip"
    return Answer(
        body=packed if takes_packed else plain, content_type="text/javascript; charset=utf-8", headers=headers
    )


@cache
def _snippet() -> tuple[bytes, bytes, str]:
    """The script, plain and packed, and its ETag."""
    plain = (files("ratchet.web") / "static" / "ratchet.js").read_bytes()
    return plain, gzip.compress(plain, mtime=0), f'"{hashlib.sha256(plain).hexdigest()[:16]}"'
