"""Chat completions and responses through an app: find what was learned, ask the model, record, answer."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import msgspec
from msgspec import Struct

from ratchet.errors import InvalidInput, RatchetError
from ratchet.layers import layer
from ratchet.layers.layer import Answer as Reply
from ratchet.layers.layer import Bundle, Learned, Request
from ratchet.records.app import App
from ratchet.records.trace import Context, Trace, Turn
from ratchet.stages.capture.batch import OBSERVED, Prepared
from ratchet.stages.capture.validate import LONGEST_TEXT
from ratchet.web.gateway import chat, responses
from ratchet.web.gateway.connections import Streaming, UpstreamError
from ratchet.web.gateway.turns import Conversation, Ids
from ratchet.web.gateway.upstream import Upstream, events_of
from ratchet.web.problems import Refusal
from ratchet.web.routing import Answer, Call, Stream
from ratchet.web.stamps import answer_headers

logger = logging.getLogger("ratchet.gateway")
CONTEXT = ("role", "session", "segment", "task_type", "environment")
HEADERS = ("x-ratchet-user", *(f"x-ratchet-{name.replace('_', '-')}" for name in CONTEXT))
NOBODY = Context()
_WORDS = re.compile(r"\S+\s*|\s+")


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


@dataclass(slots=True)
class Exchange:
    """One request on its way: what was asked, of which app, and what is known so far. ``started`` is the wall clock."""

    call: Call
    dialect: ModuleType
    body: dict[str, Any]
    app: App
    talk: Conversation
    context: Context
    ids: Ids
    token: str
    started: float
    clock: float
    bundle: Bundle | None = None
    request: Request | None = None
    learned: Learned | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        return answer_headers(self.ids.trace_id, self.bundle.number if self.bundle else 0, self.token)


async def create_chat_completion(call: Call) -> Answer | Stream:
    """Answer a chat, as OpenAI's API does; `model` names the app. What was learned is put before the model, and
    `ratchet` in the answer says which release answered and what shaped it."""
    return await _complete(call, chat)


async def create_response(call: Call) -> Answer | Stream:
    """Answer as OpenAI's responses API does; `model` names the app."""
    return await _complete(call, responses)


async def _complete(call: Call, dialect: ModuleType) -> Answer | Stream:
    exchange = _exchange(call, dialect)
    upstream = call.service.upstream_of(exchange.app.name)
    if upstream is None:
        return await _answered_here(exchange)
    await _prepare(exchange)
    reviewed = layer.reviewed_answer(exchange.learned) if exchange.learned else None
    if reviewed is not None:
        return await _deliver(exchange, _finished(exchange, reviewed))
    if exchange.body.get("stream"):
        return await _stream(exchange, upstream)
    return await _ask(exchange, upstream)


def _exchange(call: Call, dialect: ModuleType) -> Exchange:
    body: dict[str, Any] = call.value
    service = call.service
    app = service.app(call.body.model, call.caller)
    talk = dialect.conversation(body)
    if not talk.question.strip():
        raise InvalidInput("Nobody asks anything: there is no text of a user.", "Send a user message with text.")
    context = _context(call)
    now = service.house.outside.clock.now()
    ids = Ids(service.house.outside.ids.new("tr"), app.name, int(now))
    token = service.tokens.make(app.name, ids.trace_id, context.user)
    return Exchange(call, dialect, body, app, talk, context, ids, token, now, time.perf_counter())


def _context(call: Call) -> Context:
    """Who asks, from OpenAI's own fields, else from headers; what is too long for a context is cut."""
    metadata = call.body.metadata
    if not metadata and not any(name in call.headers for name in HEADERS):
        return Context(user=_storable(call.body.user, 1000)) if call.body.user else NOBODY
    metadata = metadata or {}
    found = {
        name: metadata.get(name) or call.headers.get(f"x-ratchet-{name.replace('_', '-')}", "") for name in CONTEXT
    }
    found["user"] = call.body.user or metadata.get("user") or call.headers.get("x-ratchet-user", "")
    text = {name: _storable(value, 1000) for name, value in found.items() if isinstance(value, str)}
    return Context(
        user=text.get("user", ""), role=text.get("role", ""), task_type=text.get("task_type", ""),
        session=text.get("session", ""), environment=text.get("environment", ""), segment=text.get("segment", ""),
    )  # fmt: skip


def _storable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text as it can be stored: recording must never be what fails a request."""
    if len(text) > longest:
        text = text[:longest]
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


async def _prepare(exchange: Exchange) -> None:
    """Find what was learned within the app's time budget; without it the bare prompt goes to the model."""
    service, app = exchange.call.service, exchange.app
    try:
        exchange.bundle = service.active_bundle(app)
        if exchange.bundle is not None and exchange.bundle.is_bare:
            exchange.learned = Learned(prompt=app.prompt, release=exchange.bundle.number)
            return
        budget = service.app_settings(app.name).learned_budget_s
        await asyncio.wait_for(service.in_thread(_look_up, exchange), budget)
    except Exception as error:
        reason = "too slow" if isinstance(error, TimeoutError) else "failed"
        service.metrics.event("ratchet_fallbacks_total", reason)
        logger.warning("What %s learned could not be used (%s, %s).", app.name, reason, type(error).__name__)
        exchange.bundle = exchange.request = None
        exchange.learned = Learned(prompt=app.prompt)


def _look_up(exchange: Exchange) -> None:
    house = exchange.call.service.house
    vector = house.outside.vectors.embed([exchange.talk.question])[0]
    bundle = house.bundles.active(exchange.app)
    request = Request(exchange.app, exchange.talk.question, vector, exchange.context, exchange.talk.history)
    learned = layer.before(bundle, request)
    exchange.bundle, exchange.request, exchange.learned = bundle, request, learned


def _finished(exchange: Exchange, reply: Reply) -> Reply:
    """The reply as the layers let it pass; as it was when they fail, or when there are none."""
    if exchange.bundle is None or exchange.request is None or exchange.learned is None:
        return reply if exchange.bundle is not None else replace(reply, source="fallback")
    try:
        return layer.after(exchange.bundle, exchange.request, exchange.learned, reply)
    except Exception:
        logger.exception("The layers of %s failed after the answer.", exchange.app.name)
        return replace(reply, source="fallback")


async def _ask(exchange: Exchange, upstream: Upstream) -> Answer:
    response = await upstream.post(exchange.dialect.PATH, _outgoing(exchange, upstream))
    if response.status != 200:
        return _passed_on(exchange, response.status, response.body, response.content_type, response.retry_after)
    try:
        answer = msgspec.json.decode(response.body)
        text = exchange.dialect.answer_text(answer)
    except (msgspec.DecodeError, AttributeError):
        raise Refusal(
            502, "provider_garbled", "The provider's answer is not what it should be.", "Try again."
        ) from None
    reply = _finished(exchange, Reply(text))
    if reply.text != text:
        answer = exchange.dialect.replaced(answer, reply.text)
    tokens = exchange.dialect.usage(answer)
    await _record(exchange, reply, str(answer.get("model") or ""), *tokens)
    answer["id"] = exchange.ids.trace_id
    answer["ratchet"] = _about(exchange, reply)
    return Answer(body=msgspec.json.encode(answer), headers=exchange.headers)


def _outgoing(exchange: Exchange, upstream: Upstream) -> bytes:
    settings = exchange.call.service.app_settings(exchange.app.name)
    body = exchange.dialect.with_learned(exchange.body, exchange.talk.asked, exchange.learned)
    body["model"] = settings.model
    body.pop("metadata", None) if not body.get("store") else None
    return msgspec.json.encode(body)


def _passed_on(exchange: Exchange, status: int, body: bytes, content_type: str, retry_after: str) -> Answer:
    """The provider's own refusal, unchanged; a redirect or the like would mean nothing to the client."""
    headers = {**exchange.headers, **({"retry-after": retry_after} if retry_after else {})}
    return Answer(status=status if status >= 400 else 502, body=body, content_type=content_type, headers=headers)


async def _deliver(exchange: Exchange, reply: Reply) -> Answer | Stream:
    """An answer that is whole already: as one body, or word by word to who wants a stream."""
    await _record(exchange, reply, "")
    if exchange.body.get("stream"):
        return Stream(_spoken(exchange, reply), exchange.headers)
    answer = exchange.dialect.whole(exchange.ids, reply.text)
    answer["ratchet"] = _about(exchange, reply)
    return Answer(body=msgspec.json.encode(answer), headers=exchange.headers)


async def _spoken(exchange: Exchange, reply: Reply) -> AsyncIterator[bytes]:
    for piece in exchange.dialect.pieces(exchange.ids, _words(reply.text)):
        yield piece
    yield exchange.dialect.ending(exchange.ids, _about(exchange, reply))


def _words(text: str) -> Iterator[str]:
    return (match.group() for match in _WORDS.finditer(text))


async def _answered_here(exchange: Exchange) -> Answer | Stream:
    """An app without a model: the built-in base answers, on a thread."""
    service = exchange.call.service
    if exchange.app.base == OBSERVED or exchange.app.base.startswith("function:"):
        raise Refusal(409, "not_run_here", f"{exchange.app.name} is answered by a program of its own.", "Ask that one.")
    served = await service.in_thread(service.respond, exchange.app, exchange.talk, exchange.context)
    trace = served.trace
    exchange.ids = replace(exchange.ids, trace_id=trace.id)
    exchange.token = service.tokens.make(exchange.app.name, trace.id, trace.context.user)
    exchange.bundle = service.active_bundle(exchange.app)
    await _stored(exchange, trace)
    if exchange.body.get("stream"):
        return Stream(_spoken(exchange, served.answer), exchange.headers)
    answer = exchange.dialect.whole(exchange.ids, trace.output)
    answer["ratchet"] = _about(exchange, served.answer)
    return Answer(body=msgspec.json.encode(answer), headers=exchange.headers)


async def _stream(exchange: Exchange, upstream: Upstream) -> Answer | Stream:
    body = _outgoing(exchange, upstream)
    response = await upstream.open_stream(exchange.dialect.PATH, body)
    content_type = response.headers.get("content-type", "")
    if response.status != 200 or "text/event-stream" not in content_type:
        with closing(response):
            read = await response.read()
        status = response.status if response.status != 200 else 502
        return _passed_on(exchange, status, read, content_type, response.headers.get("retry-after", ""))
    if exchange.app.kind == "classify":
        return await _held_back(exchange, response)
    return Stream(_passing(exchange, response), exchange.headers)


async def _held_back(exchange: Exchange, response: Streaming) -> Answer | Stream:
    """The layers may change this answer, so it is heard whole before its first word goes out."""
    text = ""
    with closing(response):
        async for event in events_of(response):
            text += exchange.dialect.piece_text(_data(event) or {})
    return await _deliver(exchange, _finished(exchange, Reply(text.strip())))


async def _passing(exchange: Exchange, response: Streaming) -> AsyncIterator[bytes]:
    """The provider's stream with our id in it, recorded at its end, also when it breaks off or nobody listens."""
    heard: list[str] = []
    last: dict[str, Any] = {}
    complete = False
    try:
        with closing(response):
            async for event in events_of(response):
                data = _data(event)
                if data is None:
                    complete = complete or event.strip() == b"data: [DONE]"
                    continue
                heard.append(exchange.dialect.piece_text(data))
                exchange.dialect.stamp(data, exchange.ids)
                last = data if data.get("usage") or data.get("model") or data.get("response") else last
                yield exchange.dialect.event(data)
    except (UpstreamError, TimeoutError) as error:
        logger.warning("The stream of %s broke off (%s).", exchange.app.name, type(error).__name__)
        yield exchange.dialect.breaks_off("The provider's stream broke off.")
    finally:
        reply = _finished(exchange, Reply("".join(heard)))
        about = last.get("response") or last
        await asyncio.shield(_record(exchange, reply, str(about.get("model") or ""), *exchange.dialect.usage(about)))
    yield exchange.dialect.ending(exchange.ids, _about(exchange, reply))


def _data(event: bytes) -> dict[str, Any] | None:
    """The JSON object of an event; ``None`` for anything else."""
    lines = [line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")]
    try:
        value = msgspec.json.decode(b"\n".join(lines))
    except msgspec.DecodeError:
        return None
    return value if isinstance(value, dict) else None


async def _record(
    exchange: Exchange, reply: Reply, model: str, tokens_in: int | None = None, tokens_out: int | None = None
) -> None:
    trace = Trace(
        id=exchange.ids.trace_id,
        app=exchange.app.name,
        at=exchange.started,
        input=_storable(exchange.talk.question),
        output=_storable(reply.text),
        context=exchange.context,
        release=exchange.bundle.number if exchange.bundle else 0,
        source=reply.source,
        confidence=reply.confidence,
        passage_id=reply.passage_id,
        influences=reply.influences,
        latency_ms=(time.perf_counter() - exchange.clock) * 1000,
        history=tuple(Turn(_storable(turn.role, 100), _storable(turn.text)) for turn in exchange.talk.history),
        model=_storable(model, 1000),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
    )
    await _stored(exchange, trace)


async def _stored(exchange: Exchange, trace: Trace) -> None:
    """Wait until the trace is on disk; a store that fails must not fail the answer."""
    service = exchange.call.service
    try:
        if service.settings.service.record == "soon":
            service.take_soon(Prepared([trace]))
        else:
            await service.take_quietly(Prepared([trace]))
    except RatchetError as error:
        logger.warning("The trace %s was not recorded: %s", trace.id, error.what)


def _about(exchange: Exchange, reply: Reply) -> Mapping[str, Any]:
    return {
        "trace_id": exchange.ids.trace_id,
        "release": exchange.bundle.number if exchange.bundle else 0,
        "source": reply.source,
        "influences": reply.influences,
        "feedback_token": exchange.token,
    }
