"""The ASGI application: finds the route of each request, and has a start and an end."""

from __future__ import annotations

import gc
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.responses import Response

from ratchet.errors import UnknownName
from ratchet.web import problems
from ratchet.web.edge import Endpoint
from ratchet.web.openapi import describe
from ratchet.web.problems import Refusal
from ratchet.web.routes.table import ROUTES
from ratchet.web.service import Service

SWITCH_S = 0.0005
_PLACE = re.compile(r"\{(\w+)\}")


def _around(service: Service) -> Starlette:
    """What happens before the first request and after the last; it answers none itself."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # What is loaded now stays: collecting it again and again would cost most of the slowest answers.
        await service.in_thread(service.warm)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        # The journal's thread would otherwise hold the interpreter for up to 5 ms while requests wait.
        sys.setswitchinterval(SWITCH_S)
        if service.settings.service.learn:
            service.worker.start()
        try:
            yield
        finally:
            await service.close()
            gc.unfreeze()

    return Starlette(lifespan=lifespan)


class Application:
    """Finds what a path means. Paths without a place in them are found by name; in the others a place holds whatever
    was sent for it, slashes too if they were written as %2F."""

    def __init__(self, service: Service) -> None:
        service.description = cache(lambda: describe(ROUTES))
        self._around = _around(service)
        found = {path: _Methods(service, endpoints) for path, endpoints in _endpoints(service).items()}
        self._fixed = {path: methods for path, methods in found.items() if "{" not in path}
        self._placed = [(re.compile(_PLACE.sub(r"(?P<\1>[^/]+)", path)), methods)
                        for path, methods in found.items() if "{" in path]  # fmt: skip

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or run the lifespan."""
        if scope["type"] != "http":
            await self._around(scope, receive, send)
            return
        found = self._fixed.get(scope["path"]) or self._with_places(scope) or _lost()
        await found(scope, receive, send)

    def _with_places(self, scope: Any) -> _Methods | None:
        raw = scope["raw_path"].decode("latin-1")
        for pattern, methods in self._placed:
            if match := pattern.fullmatch(raw):
                scope["path_params"] = {name: unquote(text) for name, text in match.groupdict().items()}
                return methods
        return None


def _endpoints(service: Service) -> dict[str, dict[str, Endpoint]]:
    found: dict[str, dict[str, Endpoint]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = Endpoint(service, route)
    return found


class _Methods:
    """The operations of one path; a preflight is answered here."""

    def __init__(self, service: Service, endpoints: dict[str, Endpoint]) -> None:
        self._service = service
        self._endpoints = endpoints

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = self._endpoints.get(method)
        if endpoint is not None:
            await endpoint(scope, receive, send)
        elif scope["method"] == "OPTIONS":
            allowed = {"allow": ", ".join([*self._endpoints, "OPTIONS"])}
            if any(endpoint.route.by_token for endpoint in self._endpoints.values()):
                headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
                allowed |= self._service.cors.preflight(headers)
            await Response(status_code=204, headers=allowed)(scope, receive, send)
        else:
            refusal = _refusal(Refusal(405, "wrong_method", f"{scope['method']:.20} is not for this path.",
                                       f"Use {' or '.join(self._endpoints)}."))  # fmt: skip
            refusal.headers["allow"] = ", ".join([*self._endpoints, "OPTIONS"])
            await refusal(scope, receive, send)


def _lost() -> Response:
    return _refusal(UnknownName("There is nothing at this path.", "See /openapi.json for the routes."))


def _refusal(error: UnknownName | Refusal) -> Response:
    status, code = problems.status_of(error)
    return Response(problems.body_of(error, status, code), status, media_type="application/json")
