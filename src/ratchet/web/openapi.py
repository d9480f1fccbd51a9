"""Describes every route as OpenAPI 3.1, from the same types that the service reads and writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any

import msgspec

from ratchet.web.routing import LONGEST_PLACE, Route
from ratchet.wire.keys import ErrorOut
from ratchet.wire.limits import LONGEST_NAME

REF = "#/components/schemas/{name}"
REASONS = {
    200: "Done.",
    201: "Made, and on disk.",
    304: "Nothing changed.",
    400: "The body cannot be read.",
    401: "The key or token is missing or not good.",
    403: "The key may not do this.",
    404: "There is no such thing, or not for this key.",
    408: "The body did not arrive in time.",
    409: "The present state does not allow it.",
    413: "The body is too large.",
    415: "That content type is not read here.",
    421: "Without keys the service answers to this machine's own names only.",
    422: "A value cannot be used.",
    429: "Too many requests; see Retry-After.",
    500: "The service failed.",
    502: "The provider cannot be reached.",
    503: "Not now; see Retry-After.",
    504: "The provider gave no answer in time.",
}


def describe(routes: Sequence[Route]) -> bytes:
    """The whole description as JSON."""
    types = _types(routes)
    schemas, components = msgspec.json.schema_components([*types, ErrorOut], ref_template=REF)
    shapes = dict(zip(map(id, types), schemas, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, shapes)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Ratchet",
                "version": version("ratchet-ai"),
                "description": "Capture feedback, review it, learn from it, and ask apps through a gateway.",
                "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            },
            "paths": paths,
            "components": {
                "schemas": {name: _plain(shape) for name, shape in components.items()},
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "rk_sk_..."}},
            },
            "tags": [{"name": tag} for tag in dict.fromkeys(route.tag for route in routes)],
        }
    )


def _types(routes: Iterable[Route]) -> list[Any]:
    found = [kind for route in routes for kind in (route.takes, route.gives, route.asks)]
    return [kind for kind in found if kind is not None and kind is not bytes]


def _operation(route: Route, shapes: dict[int, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_places(route), *_parameters(route)],
        "responses": _responses(route, shapes),
    }
    if route.takes is not None:
        made["requestBody"] = {"required": True, "content": _content(route.media, route.takes, shapes)}
    if route.scope is not None:
        made["security"] = [{"key": []}, {}] if route.by_token else [{"key": []}]
        made["description"] = f"Needs a key with the scope `{route.scope}`" + (
            ", or a feedback token." if route.by_token else "."
        )
    return made


def _places(route: Route) -> list[dict[str, Any]]:
    made = []
    for name in route.places:
        longest = LONGEST_NAME if name == "app" else LONGEST_PLACE
        shape = {"type": "string", "minLength": 1, "maxLength": longest}
        made.append({"name": name, "in": "path", "required": True, "schema": shape})
    return made


def _parameters(route: Route) -> list[dict[str, Any]]:
    if route.asks is None:
        return []
    (schema,), components = msgspec.json.schema_components([route.asks], ref_template=REF)
    shape = components[schema["$ref"].rpartition("/")[2]]
    needed = shape.get("required", [])
    return [{"name": name, "in": "query", "required": name in needed, "schema": _plain(field)}
            for name, field in shape["properties"].items()]  # fmt: skip


def _responses(route: Route, shapes: dict[int, Any]) -> dict[str, Any]:
    found = {str(status): _good(route, status, shapes) for status in _successes(route)}
    for status in _refusals(route):
        content = {"application/json": {"schema": {"$ref": REF.format(name="ErrorOut")}}}
        if "gateway" in route.tag or route.takes is bytes:
            # The provider's own refusal passes unchanged, and OTLP has a form of its own.
            content = {"application/json": {"schema": {}}}
            if route.takes is bytes:
                content["application/x-protobuf"] = {"schema": {}}
        found[str(status)] = {"description": REASONS.get(status, "Refused."), "content": content}
    return found


def _successes(route: Route) -> list[int]:
    return [route.status, *(status for status in route.also if status < 400)]


def _refusals(route: Route) -> list[int]:
    always = [500, 503]
    if route.scope is not None:
        always += [401, 403, 404, 421, 429]
    if route.takes is not None:
        always += [400, 408, 413, 415, 422]
    if route.asks is not None:
        always.append(422)
    if route.places:
        always.append(404)
    if route.method != "GET":
        always.append(409)
    return sorted({*always, *(status for status in route.also if status >= 400)})


def _good(route: Route, status: int, shapes: dict[int, Any]) -> dict[str, Any]:
    if status == 304:
        return {"description": REASONS[304]}
    return {"description": REASONS.get(status, "Done."), "content": _content(route.sends, route.gives, shapes)}


def _content(media: Sequence[str], kind: Any, shapes: dict[int, Any]) -> dict[str, Any]:
    # The one body that is taken as bytes is OTLP's, whose JSON is an object.
    schema = {} if kind is None else {"type": "object"} if kind is bytes else shapes[id(kind)]
    return {name: {"schema": schema if name in ("application/json", "text/plain") and kind is not None else {}}
            for name in media}  # fmt: skip


def _plain(shape: Any) -> Any:
    """The schema without defaults that JSON Schema has no use for."""
    if isinstance(shape, dict):
        return {key: _plain(value) for key, value in shape.items()}
    return [_plain(item) for item in shape] if isinstance(shape, list) else shape
