"""How an app's model is asked, if need be without what was learned; what is passed on when it refuses."""

from __future__ import annotations

from typing import Any

import msgspec

from ratchet.layers.layer import Learned
from ratchet.web.gateway.connections import Streaming
from ratchet.web.gateway.exchange import Exchange
from ratchet.web.gateway.upstream import Response, Upstream
from ratchet.web.problems import Refusal, body_of
from ratchet.web.routing import Answer

TOO_MUCH = frozenset({400, 413, 422})


def outgoing(exchange: Exchange, upstream: Upstream, *, whole: bool = False) -> bytes:
    """The body as it goes to the model. ``whole`` asks for one answer where the client wants pieces."""
    made = exchange.dialect.with_learned(exchange.body, exchange.talk.asked, exchange.learned)
    if "previous_response_id" in made:
        # Last, for what went before moves the place where the question stands.
        made = upstream.earlier.resolved(made)
    made["model"] = exchange.call.service.app_settings(exchange.app.name).model
    if whole:
        made.pop("stream", None)
        made.pop("stream_options", None)
    return msgspec.json.encode(made)


async def answered(exchange: Exchange, upstream: Upstream) -> Response:
    """The model's whole answer; its ``value`` is ``None`` when the provider refuses."""

    def read(body: bytes) -> dict[str, Any] | None:
        return read_answer(exchange, body)

    path = exchange.dialect.PATH
    response = await upstream.post(path, outgoing(exchange, upstream, whole=True), read)
    if response.status in TOO_MUCH and has_context(exchange.learned):
        # What was learned may be what the model has no room for: that must not fail the caller.
        exchange.fall_back("refused")
        response = await upstream.post(path, outgoing(exchange, upstream, whole=True), read)
    exchange.passed = response.headers
    return response


async def opened(exchange: Exchange, upstream: Upstream) -> Streaming:
    """The model's answer as soon as it begins."""
    path = exchange.dialect.PATH
    response = await upstream.open_stream(path, outgoing(exchange, upstream))
    if response.status in TOO_MUCH and has_context(exchange.learned):
        response.close()
        upstream.judge(response.status)
        # What was learned may be what the model has no room for: that must not fail the caller.
        exchange.fall_back("refused")
        response = await upstream.open_stream(path, outgoing(exchange, upstream))
    return response


def has_context(learned: Learned) -> bool:
    """Whether anything was put above the question."""
    return bool(learned.passages) or any(lesson.answer for lesson in learned.examples)


def read_answer(exchange: Exchange, body: bytes) -> dict[str, Any] | None:
    """The answer in a body; ``None`` for what is none."""
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return answer if isinstance(answer, dict) and exchange.dialect.is_answer(answer) else None


def passed_on(status: int, body: bytes, content_type: str, headers: dict[str, str]) -> Answer:
    """The provider's own refusal, unchanged; only one that says nothing gets words."""
    if not body.strip():
        refusal = Refusal(status, "provider_refused", f"The provider answered {status} without a word.", "Try again.")
        return Answer(status=status, body=body_of(refusal, status, refusal.code), headers=headers)
    return Answer(status=status, body=body, content_type=content_type, headers=headers)
