"""The OpenAI wire format: requests as JSON, answers as values, event streams as pieces of text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Annotated, Any, Generic, TypeVar

import msgspec
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError, ReadTimeoutError

from ratchet.errors import InvalidInput, ProviderError
from ratchet.interfaces import Completion
from ratchet.providers.calls import FIX_SERVER, TOO_DEEP, Call

LARGEST_BODY_BYTES = 64 * 1024 * 1024
_READ_BYTES = 64 * 1024
_SETTLE_S = 0.1

_FIX_BODY = "Check that base_url {url} is an OpenAI-compatible API and that it serves this model."
_FIX_CUT = "Try again; if it stays so, raise read_timeout_s or check what stands between here and base_url {url}."

_Schema = TypeVar("_Schema", bound=msgspec.Struct)
_Item = TypeVar("_Item")


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Chat(msgspec.Struct):
    choices: Annotated[list[_Choice], msgspec.Meta(min_length=1)]
    model: str | None = None
    usage: _Usage | None = None


class _Part(msgspec.Struct):
    delta: _Message | None = None
    index: int = 0
    finish_reason: str | None = None


class _Chunk(msgspec.Struct):
    choices: list[_Part] | None = None
    error: Any = None


class _Vector(msgspec.Struct):
    index: int
    embedding: Annotated[list[float], msgspec.Meta(min_length=1)]


class _Model(msgspec.Struct):
    id: str


class _List(msgspec.Struct, Generic[_Item]):
    data: list[_Item]


def chat_body(model: str, messages: Sequence[Mapping[str, str]], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The request for a completion. Raises `InvalidInput` for no messages and for a ``stream`` parameter."""
    if "stream" in parameters:
        raise InvalidInput("stream is not a parameter.", "Call complete() for a whole answer, stream() for pieces.")
    if not messages or not all(isinstance(message, Mapping) for message in messages):
        raise InvalidInput("messages is no list of messages.", 'Pass [{"role": "user", "content": "..."}].')
    return {"model": model, "messages": list(messages), **parameters}


def encode(body: Mapping[str, Any]) -> bytes:
    """``body`` as JSON. Raises `InvalidInput` for what JSON cannot carry, such as NaN."""
    try:
        return json.dumps(body, ensure_ascii=False, allow_nan=False, default=dict).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(f"The request is not JSON: {error}.", "Pass strings, finite numbers and lists.") from error


def read_completion(call: Call, response: BaseHTTPResponse, model: str) -> Completion:
    """The first answer, from ``model`` where the provider names none; raises `ProviderError`, as all that reads."""
    chat = _parse(call, b"".join(_chunks(call, response)), _Chat, response.status)
    choice, usage = chat.choices[0], chat.usage or _Usage()
    return Completion(
        text=choice.message.content or "",
        model=chat.model or model,
        finish_reason=choice.finish_reason or "",
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
    )


def read_pieces(call: Call, response: BaseHTTPResponse) -> Iterator[str]:
    """The pieces of the first answer's text, none of them empty, from an event stream or a whole answer."""
    if "json" in response.headers.get("Content-Type", ""):
        # Some servers know no streams and send the whole answer at once.
        yield read_completion(call, response, "").text
        return
    finished = False
    for name, data in _events(_chunks(call, response)):
        if data == b"[DONE]":
            _settle(response)
            return
        text, last = _delta(call, name, data)
        finished = finished or last
        if text:
            yield text
    if not finished:
        raise call.error("ended the stream before the answer was complete", _FIX_CUT, retryable=True, status=200)


def read_vectors(call: Call, response: BaseHTTPResponse, count: int) -> list[list[float]]:
    """The embeddings of ``count`` texts in their order, all of one length."""
    found = _parse(call, b"".join(_chunks(call, response)), _List[_Vector], response.status).data
    ordered = sorted(found, key=lambda vector: vector.index)
    if [vector.index for vector in ordered] != list(range(count)):
        raise call.error(f"answered 200 with {len(ordered)} vectors for {count} texts", _FIX_BODY, status=200)
    if len({len(vector.embedding) for vector in ordered}) > 1:
        raise call.error("answered 200 with vectors of different lengths", _FIX_BODY, status=200)
    return [vector.embedding for vector in ordered]


def read_models(call: Call, response: BaseHTTPResponse) -> list[str]:
    """The names of the models, in the order they came."""
    return [model.id for model in _parse(call, b"".join(_chunks(call, response)), _List[_Model], response.status).data]


def read_refusal(call: Call, response: BaseHTTPResponse) -> bytes:
    """As much of the body as comes: a refusal that breaks off is still that refusal."""
    body = b""
    with suppress(ProviderError):
        for chunk in _chunks(call, response):
            body += chunk
    return body


def _parse(call: Call, body: bytes, schema: type[_Schema], status: int) -> _Schema:
    try:
        if TOO_DEEP.search(body):
            raise ValueError("it is nested more than 200 levels deep")
        return msgspec.json.decode(body, type=schema)
    except (ValueError, RecursionError) as error:
        said = call.quote_body(body) or "nothing"
        text = f"answered {status} with an unexpected body ({error}): {said}"
        raise call.error(text, _FIX_BODY, status=status) from None


def _delta(call: Call, name: bytes, data: bytes) -> tuple[str, bool]:
    chunk = _parse(call, data, _Chunk, 200)
    if chunk.error or name == b"error":
        said = call.quote_body(data)
        raise call.error(f"answered 200 and then failed: {said}", FIX_SERVER, retryable=True, status=200)
    parts = [part for part in chunk.choices or [] if part.index == 0]
    text = "".join(part.delta.content or "" for part in parts if part.delta)
    return text, any(part.finish_reason for part in parts)


def _events(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The (event, data) pairs of a server-sent event stream; an empty line ends each, its end the last."""
    name, data = b"", list[bytes]()
    for line in chain(_lines(chunks), [b""]):
        label, _, value = line.partition(b":")
        if label == b"data":
            data.append(value.removeprefix(b" "))
        elif label == b"event":
            name = value.strip()
        elif not line:
            if data:
                yield name, b"\n".join(data)
            name, data = b"", []


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    # Cut as bytes: a chunk may end within a character, a line never does.
    rest: list[bytes] = []
    for chunk in chunks:
        *whole, tail = chunk.split(b"\n")
        for line in whole:
            yield b"".join((*rest, line)).removesuffix(b"\r")
            rest = []
        rest.append(tail)
    yield b"".join(rest).removesuffix(b"\r")


def _chunks(call: Call, response: BaseHTTPResponse) -> Iterator[bytes]:
    received = 0
    while chunk := _read(call, response, received):
        received += len(chunk)
        if received > LARGEST_BODY_BYTES:
            text = f"answered {response.status} with more than {LARGEST_BODY_BYTES} bytes"
            raise call.error(text, _FIX_BODY, status=response.status)
        yield chunk


def _read(call: Call, response: BaseHTTPResponse, received: int) -> bytes:
    _limit_wait(response, min(call.read_timeout_s, call.left()))
    # From None: no traceback may show urllib3's text with the provider's bytes in it.
    try:
        return response.read1(_READ_BYTES)
    except ReadTimeoutError:
        text = f"answered {response.status} but after {received} bytes sent nothing more"
        raise call.timed_out(text) from None
    except HTTPError as error:
        text = f"answered {response.status} but broke off after {received} bytes: {call.quote_failure(error)}"
        raise call.error(text, _FIX_CUT, retryable=True, status=response.status) from None


def _limit_wait(response: BaseHTTPResponse, seconds: float) -> bool:
    # A provider that closes after its answer has no socket here: then a read may pass the deadline by one timeout.
    sock = getattr(response.connection, "sock", None)
    if sock is not None:
        sock.settimeout(seconds)
    return sock is not None


def _settle(response: BaseHTTPResponse) -> None:
    # Only the mark of the body's end is missing after [DONE]; once it is read the connection can be used again.
    with suppress(HTTPError):
        if _limit_wait(response, _SETTLE_S):
            response.read1(_READ_BYTES)
