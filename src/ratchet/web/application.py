"""The ASGI application: the routes behind one router, with start and end."""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as Path

from ratchet.errors import UnknownName
from ratchet.web import problems
from ratchet.web.edge import Endpoint
from ratchet.web.openapi import describe
from ratchet.web.problems import Refusal
from ratchet.web.routes.table import ROUTES
from ratchet.web.service import Service

SWITCH_S = 0.0005


def application(service: Service) -> Starlette:
    """The service as an ASGI application; its end closes the service."""

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

    made = Starlette(routes=_paths(service), lifespan=lifespan, exception_handlers={404: _lost, 405: _wrong_method})
    # A path with a slash too many is another path: a redirect would lose the body, and name whatever host it was told.
    made.router.redirect_slashes = False
    return made


class Application:
    """Paths without a place in them are found by name, before the router tries its patterns one by one."""

    def __init__(self, service: Service) -> None:
        service.description = cache(lambda: describe(ROUTES))
        self._routed = application(service)
        self._fixed = {path: _Methods(service, endpoints) for path, endpoints in _endpoints(service).items()
                       if "{" not in path}  # fmt: skip

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request, or run the lifespan."""
        found = self._fixed.get(scope["path"]) if scope["type"] == "http" else None
        await (self._routed if found is None else found)(scope, receive, send)


def _endpoints(service: Service) -> dict[str, dict[str, Endpoint]]:
    found: dict[str, dict[str, Endpoint]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = Endpoint(service, route)
    return found


def _paths(service: Service) -> list[Path]:
    return [Path(path, _Methods(service, endpoints)) for path, endpoints in _endpoints(service).items()]


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


async def _lost(request: Request, error: Exception) -> Response:
    return _refusal(UnknownName("There is nothing at this path.", "See /openapi.json for the routes."))


async def _wrong_method(request: Request, error: Exception) -> Response:
    return _refusal(Refusal(405, "wrong_method", "This method is not for this path.", "See /openapi.json."))


def _refusal(error: UnknownName | Refusal) -> Response:
    status, code = problems.status_of(error)
    return Response(problems.body_of(error, status, code), status, media_type="application/json")
