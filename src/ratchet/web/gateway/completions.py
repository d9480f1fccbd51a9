"""Chat completions and responses through an app: find what was learned, ask the model, record, answer."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from ratchet.layers.layer import Answer as Reply
from ratchet.stages.capture.batch import OBSERVED
from ratchet.web.gateway import asking, chat, responses
from ratchet.web.gateway.exchange import Exchange, begin
from ratchet.web.gateway.lookup import finished, look_up, reviewed
from ratchet.web.gateway.recording import about, record
from ratchet.web.gateway.streaming import Leaving, Passing, spoken
from ratchet.web.gateway.turns import Dialect, Heard
from ratchet.web.gateway.upstream import Upstream, passed
from ratchet.web.problems import Refusal
from ratchet.web.routing import Answer, Call, Stream

CLIENT_LEFT = 499


class ChatIn(Struct, kw_only=True, frozen=True):
    """A chat completion request; fields that are not named here go to the model as they are."""

    model: str
    messages: list[dict[str, Any]]
    stream: bool | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None


class ResponsesIn(Struct, kw_only=True, frozen=True):
    """A responses request; fields that are not named here go to the model as they are."""

    model: str
    input: str | list[dict[str, Any]]
    stream: bool | None = None
    user: str | None = None
    metadata: dict[str, Any] | None = None


async def create_chat_completion(call: Call) -> Answer | Stream:
    """Answer a chat, as OpenAI's API does; `model` names the app. What was learned is put before the model, and
    `ratchet` in the answer says which release answered and what shaped it."""
    return await _complete(call, chat)


async def create_response(call: Call) -> Answer | Stream:
    """Answer as OpenAI's responses API does; `model` names the app."""
    return await _complete(call, responses)


async def _complete(call: Call, dialect: Dialect) -> Answer | Stream:
    exchange = begin(call, dialect)
    upstream = call.service.upstream_of(exchange.app.name)
    if upstream is None:
        return await _answered_here(exchange)
    await look_up(exchange, upstream.rungs)
    known = reviewed(exchange)
    if known is not None:
        reply = finished(exchange, known)
        if dialect is responses:
            before = exchange.body.get("previous_response_id")
            upstream.earlier.from_here(exchange.ids.trace_id, before, exchange.talk.question, reply.text)
        return await _deliver(exchange, reply, Heard())
    # Layers may change the answer of a classify app, so it is heard whole before its first word goes out.
    if exchange.streams and not (exchange.app.kind == "classify" and exchange.is_plain):
        return await _stream(exchange, upstream)
    return await _ask(exchange, upstream)


async def _ask(exchange: Exchange, upstream: Upstream) -> Answer | Stream:
    response = await asking.answered(exchange, upstream)
    if response.value is None:
        return asking.passed_on(response.status, response.body, response.content_type, exchange.passed)
    return await _given(exchange, upstream, response.value)


async def _given(exchange: Exchange, upstream: Upstream, answer: dict[str, Any]) -> Answer | Stream:
    """The model's whole answer, as the layers let it pass."""
    heard = exchange.dialect.heard(answer)
    if exchange.dialect is responses:
        upstream.earlier.from_provider(exchange.ids.trace_id, answer.get("id"))
    # Gates measure the text without white space around it; so that is what layers see, and what labels are.
    text = heard.text.strip()
    reply = finished(exchange, Reply(text))
    if exchange.streams:
        return await _deliver(exchange, reply, heard)
    if reply.text != (heard.text if exchange.app.kind == "classify" and exchange.is_plain else text):
        answer = exchange.dialect.replaced(answer, reply.text)
    await record(exchange, reply, heard)
    answer["id"] = exchange.ids.trace_id
    answer["ratchet"] = about(exchange, reply)
    return Answer(body=msgspec.json.encode(answer), headers=exchange.headers)


async def _deliver(exchange: Exchange, reply: Reply, heard: Heard) -> Answer | Stream:
    """A text that is whole already: as one body, or word by word to who wants a stream."""
    await record(exchange, reply, heard)
    if exchange.streams:
        return Stream(spoken(exchange, reply), exchange.headers)
    answer = exchange.dialect.whole(exchange.ids, reply.text)
    answer["ratchet"] = about(exchange, reply)
    return Answer(body=msgspec.json.encode(answer), headers=exchange.headers)


async def _answered_here(exchange: Exchange) -> Answer | Stream:
    """An app without a model: the built-in base answers, on a thread."""
    service, app = exchange.call.service, exchange.app
    if app.base == OBSERVED or app.base.startswith("function:"):
        raise Refusal(409, "not_run_here", f"{app.name} is answered by a program of its own.", "Ask that one.")
    served = await service.in_thread(service.respond, app, exchange.talk, exchange.context)
    exchange.release = served.trace.release
    return await _deliver(exchange, served.answer, Heard(model=served.trace.model))


async def _stream(exchange: Exchange, upstream: Upstream) -> Answer | Stream:
    leaving = Leaving(exchange.call)
    try:
        response = await leaving.unless(asking.opened(exchange, upstream))
        if response is None:
            return Answer(status=CLIENT_LEFT, body=b"")
        exchange.passed = passed(response.headers)
        if response.status == 200 and "text/event-stream" in response.headers.get("content-type", ""):
            return Stream(Passing(exchange, upstream, response, leaving).pieces(), exchange.headers)
        body = await upstream.rest_of(response)
    except BaseException:
        leaving.stop()
        raise
    leaving.stop()
    if response.status >= 400:
        kind = response.headers.get("content-type", "application/json")
        return asking.passed_on(response.status, body, kind, exchange.passed)
    # Some servers know no streams and send the whole answer at once.
    answer = asking.read_answer(exchange, body)
    if answer is None:
        raise upstream.garbled()
    upstream.breaker.succeeded()
    return await _given(exchange, upstream, answer)
