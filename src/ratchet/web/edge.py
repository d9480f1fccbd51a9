"""Where requests come in: who calls, how much, in what form."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import msgspec

from ratchet.errors import InvalidInput, RatchetError, Unauthorized, UnknownName
from ratchet.web import problems
from ratchet.web.access import Caller
from ratchet.web.problems import Refusal
from ratchet.web.routing import LONGEST_PLACE, Answer, Call, Route, Stream
from ratchet.web.strict_json import as_kind, refuse_nul, value_in

if TYPE_CHECKING:
    from ratchet.web.service import Service

logger = logging.getLogger("ratchet.web")
SLOWEST_BODY_S = 30.0
SMALL_BODY = 16 * 1024
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


_NO_SNIFFING = (b"x-content-type-options", b"nosniff")


class Endpoint:
    """One route as an ASGI application."""

    def __init__(self, service: Service, route: Route) -> None:
        self._service = service
        self.route = route
        self._places = route.places
        self._is_async = inspect.iscoroutinefunction(route.handler)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        caller = Caller("", ())
        try:
            caller = self._admit(scope, headers)
            raw = b"" if self.route.takes is None else await self._body(headers, receive)
            answer = await self._answer(scope, headers, caller, raw, receive)
        except RatchetError as error:
            answer = _refused(error)
        except Exception:
            logger.exception("%s %s failed", self.route.method, self.route.path)
            answer = _refused(problems.INTERNAL)
        await self._deliver(answer, headers, caller, send)
        status = answer.status if isinstance(answer, Answer) else 200
        self._service.metrics.count(self.route, status, time.perf_counter() - started)

    def _admit(self, scope: Scope, headers: Mapping[str, str]) -> Caller:
        route, access = self.route, self._service.access
        address = (scope.get("client") or ("unknown",))[0]
        if route.scope is None:
            return Caller(address, (), origin=headers.get("origin", ""))
        caller = access.caller(headers, address)
        self._service.rates.spend(caller.name)
        if caller.may(route.scope) or route.by_token:
            return caller
        if caller.key is not None and caller.key.kind == "browser":
            # A browser key is public: it is not told what else there is.
            raise UnknownName("There is nothing here.", "See /openapi.json for the routes.")
        if caller.key is not None:
            raise Refusal(403, "forbidden", f"The key {caller.key.id} has no scope {route.scope!r}.",
                          f"Make one with `ratchet keys create NAME --scope {route.scope}`.")  # fmt: skip
        raise Unauthorized("This needs a key.", "Send it as `Authorization: Bearer rk_sk_...`.")

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        largest = self.route.largest
        declared = headers.get("content-length", "")
        if declared.isdigit() and int(declared) > largest:
            raise _too_large(largest)
        if declared.isdigit() and int(declared) <= SMALL_BODY:
            # The server hands a small body over with its request nearly always: no timer is needed for that.
            message = await receive()
            if message["type"] == "http.request" and not message.get("more_body"):
                return bytes(message.get("body", b""))
            receive = _again(message, receive)
        try:
            async with asyncio.timeout(SLOWEST_BODY_S):
                return await _read(receive, largest)
        except TimeoutError:
            raise Refusal(408, "too_slow", "The body did not arrive in time.", "Send it faster.") from None

    async def _answer(
        self, scope: Scope, headers: Mapping[str, str], caller: Caller, raw: bytes, receive: Receive
    ) -> Answer | Stream:
        route = self.route
        body = value = None
        if route.takes is not None:
            _refuse_media(route, headers)
            if route.takes is not bytes:
                value = value_in(raw)
                if not route.any_text:
                    refuse_nul(raw, value)
                body = as_kind(value, route.takes)
        call = Call(
            self._service,
            caller,
            headers,
            scope.get("path_params", {}),
            _query(route, scope),
            body,
            value,
            raw,
            scope,
            receive,
        )
        for place in self._places:
            _refuse_place(place, call.path[place], caller)
        if self._is_async:
            result = await route.handler(call)
        else:
            result = await self._service.in_thread(route.handler, call)
        return result if isinstance(result, Answer | Stream) else Answer(result, route.status)

    async def _deliver(self, answer: Answer | Stream, headers: Mapping[str, str], caller: Caller, send: Send) -> None:
        more = self._service.cors.headers(self.route, headers, caller) if "origin" in headers else {}
        if isinstance(answer, Stream):
            await _send_stream(answer, more, send)
            return
        body = msgspec.json.encode(answer.value) if answer.body is None else answer.body
        if answer.status in (204, 304):
            body = b""
        start = _start(answer.status, {**more, **answer.headers}, answer.content_type, len(body))
        await send(start)
        await send({"type": "http.response.body", "body": body})


async def _send_stream(answer: Stream, more: Mapping[str, str], send: Send) -> None:
    await send(_start(200, {**more, **answer.headers, "cache-control": "no-store"}, answer.content_type, None))
    async with aclosing(answer.pieces) as pieces:  # type: ignore[type-var]
        async for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _start(status: int, headers: Mapping[str, str], content_type: str, length: int | None) -> dict[str, Any]:
    found = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in headers.items()]
    found.append(_NO_SNIFFING)
    found.append((b"content-type", content_type.encode()))
    if length is not None:
        found.append((b"content-length", b"%d" % length))
    return {"type": "http.response.start", "status": status, "headers": found}


def _again(first: MutableMapping[str, Any], receive: Receive) -> Receive:
    """``receive`` with a message that was taken already put back in front."""
    waiting = [first]

    async def again() -> MutableMapping[str, Any]:
        return waiting.pop() if waiting else await receive()

    return again


async def _read(receive: Receive, largest: int) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body") or len(body) > largest:
        pieces, size = [body], len(body)
        while message.get("more_body"):
            if size > largest:
                raise _too_large(largest)
            message = await receive()
            pieces.append(message.get("body", b""))
            size += len(pieces[-1])
        if size > largest:
            raise _too_large(largest)
        body = b"".join(pieces)
    if message["type"] == "http.disconnect":
        raise InvalidInput("The connection ended before the body did.", "Send all of it.")
    return body


def _too_large(largest: int) -> Refusal:
    return Refusal(413, "too_large", f"The body is larger than {largest:,} bytes.", "Send it in smaller parts.")


def _refuse_media(route: Route, headers: Mapping[str, str]) -> None:
    given = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if given not in route.media:
        raise Refusal(415, "media_type", f"The content type {given!r:.80} is not read here.",
                      f"Send {' or '.join(route.media)}.")  # fmt: skip
    if headers.get("content-encoding", "identity").lower() != "identity" and route.takes is not bytes:
        raise Refusal(415, "encoding", "A compressed body is not read here.", "Send it as it is.")


def _query(route: Route, scope: Scope) -> Any:
    if route.asks is None:
        return None
    text = scope.get("query_string", b"")
    try:
        pairs = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
        given = dict(pairs)
        if len(given) != len(pairs):
            raise ValueError("a parameter stands there twice")
        for value in given.values():
            if "\x00" in value:
                raise ValueError("it holds a NUL character")
        return msgspec.convert(given, route.asks, strict=False)
    except (ValueError, msgspec.ValidationError) as error:
        raise InvalidInput(f"The query cannot be used: {error}.", "See /openapi.json for its parameters.") from None


def _refuse_place(name: str, value: str, caller: Caller) -> None:
    if "\x00" in value or len(value) > LONGEST_PLACE:
        raise UnknownName(f"There is no {name} of that name.", "See /openapi.json.")
    if name == "app" and not caller.may_use(value):
        raise UnknownName(f"There is no app named {value!r} for this key.", "Use a key that is for it.")


def _refused(error: RatchetError) -> Answer:
    status, code = problems.status_of(error)
    if status >= 500 and not isinstance(error, Refusal):
        logger.warning("refused with %d: %s", status, error.what)
    return Answer(status=status, headers=problems.headers_of(error, status), body=problems.body_of(error, status, code))
