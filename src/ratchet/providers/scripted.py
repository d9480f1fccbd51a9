"""A real local HTTP server that answers like an OpenAI-compatible endpoint, from a script.

For tests, documentation and demos: nothing leaves the machine, and the same script gives the same answers.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ratchet.errors import Conflict

CHAT, RESPONSES, EMBEDDINGS, MODELS = "/chat/completions", "/responses", "/embeddings", "/models"
DIMENSIONS = 32
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer; delays are in seconds.

    ``text`` is the model's answer; asked to stream, the server sends ``stream_pieces``, or else the text word by word.
    ``body`` replaces the whole body by these bytes. ``status`` other than 200 makes ``text`` an error message; 0 hangs
    up without an answer. ``delay_s`` passes before the answer, ``piece_delay_s`` before each chunk of a stream.
    ``chunk_bytes`` cuts a stream into chunks of that many bytes, through characters too. ``cut_after`` hangs up after
    that many bytes of the body. ``path`` is the request it waits for, such as ``/responses``; one without text or body
    for ``/embeddings`` or ``/models`` gives the usual answer.
    """

    text: str = ""
    stream_pieces: Sequence[str] | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    delay_s: float = 0.0
    cut_after: int | None = None
    piece_delay_s: float = 0.0
    chunk_bytes: int | None = None
    path: str = CHAT


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came: header names are in lower case, ``body`` is parsed, None without one."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: Any

    @property
    def route(self) -> str:
        """The path below ``/v1``, without a query."""
        return self.path.partition("?")[0].removeprefix("/v1")


Answer = Callable[[dict[str, Any]], Reply | str]
Step = Reply | str | Answer


class ScriptedServer:
    """Serves on a free port of 127.0.0.1 while in a ``with``; every request to a path takes that path's next step.

    A step is a `Reply`, a text, or a function that makes either from the request's body. One function in place of the
    steps answers every completion and response. One without a step left gets a 500; ``/embeddings`` (unit vectors
    made from a hash of the text) and ``/models`` answer without steps.
    """

    def __init__(self, script: Iterable[Step] | Answer = (), *, models: Sequence[str] = ("scripted",)) -> None:
        self._always = script if callable(script) else None
        self._steps: list[Step] = [] if callable(script) else list(script)
        self._models = list(models)
        self._lock = threading.Lock()
        self._requests: list[Recorded] = []
        self._server: _Server | None = None

    def __enter__(self) -> Self:
        self._server = _Server(self._answer)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.stop()

    @property
    def base_url(self) -> str:
        """The URL to give to a client, ending in ``/v1``. Raises `Conflict` outside the ``with``."""
        if self._server is None:
            raise Conflict("The scripted server is not running.", "Use it in a with statement.")
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[Recorded]:
        """The requests so far, in the order they came."""
        with self._lock:
            return list(self._requests)

    def _answer(self, request: Recorded) -> tuple[Reply, _Rendered]:
        with self._lock:
            self._requests.append(request)
            step = self._next_step(request.route)
        try:
            made = step(request.body) if callable(step) else step
            reply = Reply(made) if isinstance(made, str) else made
            return reply, _render(reply, request, self._models)
        except Exception as error:
            # The caller watches the client: a traceback in the server's thread would pass unseen.
            reply = Reply(f"The script cannot answer this request: {error!r}.", status=500)
            return reply, _render(reply, request, self._models)

    def _next_step(self, route: str) -> Step:
        for index, step in enumerate(self._steps):
            if route == (step.path if isinstance(step, Reply) else CHAT):
                return self._steps.pop(index)
        if route in (EMBEDDINGS, MODELS):
            return Reply(path=route)
        if route not in (CHAT, RESPONSES):
            return Reply(f"There is no {route} here.", status=404)
        return self._always or Reply("The script has no step left; give the server more steps.", status=500)


@dataclass(frozen=True, slots=True)
class _Rendered:
    content_type: str
    chunks: list[bytes]
    stream: bool = False


def _render(reply: Reply, request: Recorded, models: Sequence[str]) -> _Rendered:
    body = request.body if isinstance(request.body, dict) else {}
    if reply.status == 200 and request.route in (CHAT, RESPONSES) and body.get("stream"):
        return _Rendered("text/event-stream", _stream_chunks(reply, body), stream=True)
    if reply.body is not None:
        return _Rendered("application/json", [reply.body])
    if reply.status != 200:
        return _Rendered("application/json", [_error(reply.text)])
    if request.route == EMBEDDINGS:
        value = _embeddings(body)
    elif request.route == MODELS:
        value = {"object": "list", "data": [{"id": name, "object": "model", "owned_by": "ratchet"} for name in models]}
    elif request.route == RESPONSES:
        value = _response(reply.text, body)
    else:
        value = _completion(reply.text, body)
    return _Rendered("application/json", [_json(value)])


def _error(message: str) -> bytes:
    return _json({"error": {"message": message, "type": "scripted", "code": None}})


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _completion(text: str, body: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    # Words stand in for tokens: any fixed count will do for a script.
    asked = sum(len(str(message.get("content")).split()) for message in body.get("messages", []))
    usage = {"prompt_tokens": asked, "completion_tokens": len(text.split())}
    usage["total_tokens"] = sum(usage.values())
    return _head(body, "chat.completion") | {"choices": [choice], "usage": usage}


def _response(text: str, body: dict[str, Any]) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"id": "msg-scripted", "type": "message", "status": "completed", "role": "assistant", "content": [part]}
    asked, said = len(str(body.get("input")).split()), len(text.split())
    usage: dict[str, Any] = {"input_tokens": asked, "output_tokens": said, "total_tokens": asked + said}
    usage |= {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
    return {"id": "resp-scripted", "object": "response", "created_at": 0, "status": "completed",
            "model": body.get("model", "scripted"), "output": [message], "parallel_tool_calls": True,
            "tool_choice": "auto", "tools": [], "usage": usage}  # fmt: skip


def _head(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": "chatcmpl-scripted", "object": kind, "created": 0, "model": body.get("model", "scripted")}


def _stream_chunks(reply: Reply, body: dict[str, Any]) -> list[bytes]:
    events = _events if "messages" in body else _response_events
    chunks = [reply.body] if reply.body is not None else list(events(reply, body))
    size, whole = reply.chunk_bytes, b"".join(chunks)
    return [whole[start : start + size] for start in range(0, len(whole), size)] if size else chunks


def _pieces(reply: Reply) -> Sequence[str]:
    return re.findall(r"\S+\s*|\s+", reply.text) if reply.stream_pieces is None else reply.stream_pieces


def _events(reply: Reply, body: dict[str, Any]) -> Iterator[bytes]:
    head, pieces = _head(body, "chat.completion.chunk"), _pieces(reply)
    for delta in ({"role": "assistant"}, *({"content": piece} for piece in pieces)):
        yield _event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    yield _event(head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _event(head | {"choices": [], "usage": _completion("".join(pieces), body)["usage"]})
    yield b"data: [DONE]\n\n"


def _response_events(reply: Reply, body: dict[str, Any]) -> Iterator[bytes]:
    pieces = _pieces(reply)
    text = "".join(pieces)
    whole = _response(text, body)
    (message,) = whole["output"]
    (part,) = message["content"]
    place = {"item_id": message["id"], "output_index": 0, "content_index": 0}
    begun = {**message, "status": "in_progress", "content": []}
    events: list[tuple[str, dict[str, Any]]] = [
        ("created", {"response": whole | {"status": "in_progress", "output": [], "usage": None}}),
        ("output_item.added", {"output_index": 0, "item": begun}),
        ("content_part.added", {**place, "part": part | {"text": ""}}),
        *(("output_text.delta", {**place, "delta": piece, "logprobs": []}) for piece in pieces),
        ("output_text.done", {**place, "text": text, "logprobs": []}),
        ("content_part.done", {**place, "part": part}),
        ("output_item.done", {"output_index": 0, "item": message}),
        ("completed", {"response": whole}),
    ]
    for number, (name, fields) in enumerate(events):
        kind = f"response.{name}"
        yield f"event: {kind}\n".encode() + _event({"type": kind, "sequence_number": number, **fields})


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + _json(value) + b"\n\n"


def _embeddings(body: dict[str, Any]) -> dict[str, Any]:
    given, size = body.get("input", []), body.get("dimensions", DIMENSIONS)
    texts = [given] if isinstance(given, str) else given
    data = [{"object": "embedding", "index": i, "embedding": _vector(text, size)} for i, text in enumerate(texts)]
    words = sum(len(text.split()) for text in texts)
    usage = {"prompt_tokens": words, "total_tokens": words}
    return {"object": "list", "model": body.get("model", "scripted"), "data": data, "usage": usage}


def _vector(text: str, size: int) -> list[float]:
    digest = hashlib.shake_256(text.encode()).digest(size)
    values = [byte - 127.5 for byte in digest]
    length = math.hypot(*values)
    return [value / length for value in values]


class _Server(ThreadingHTTPServer):
    # Threads are joined at the end and connections hung up, so that a test leaves neither behind.
    daemon_threads = False
    # With the usual 5, a burst of new connections would wait a second for the kernel to try again.
    request_queue_size = 256

    def __init__(self, answer: Callable[[Recorded], tuple[Reply, _Rendered]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, args=(_POLL_S,), name="scripted-server")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.closing.set()
        self.shutdown()
        self._thread.join()
        for connection in self._open.copy():
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    # Headers and body are two writes; without this the second waits for the client's delayed acknowledgement.
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the requests are recorded."""

    def handle(self) -> None:
        # A client that gives up resets the connection; that is its affair and no fault of the server.
        with suppress(ConnectionError):
            super().handle()

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            body = json.loads(raw)
        except ValueError:
            self._send(Reply(status=400), _Rendered("application/json", [_error("The body is not JSON.")]))
            return
        self._serve(body)

    def _serve(self, body: Any) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        reply, rendered = self.server.answer(Recorded(self.command, self.path, headers, body))
        self.server.closing.wait(reply.delay_s)
        if not reply.status or reply.cut_after is not None:
            self.close_connection = True
        if reply.status:
            self._send(reply, rendered)

    def _send(self, reply: Reply, rendered: _Rendered) -> None:
        self.send_response(reply.status)
        size = str(sum(map(len, rendered.chunks)))
        framing = {"Transfer-Encoding": "chunked"} if rendered.stream else {"Content-Length": size}
        own = {name.title(): value for name, value in reply.headers.items()}
        for name, value in ({"Content-Type": rendered.content_type} | framing | own).items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in _cut(rendered.chunks, reply.cut_after):
            self.server.closing.wait(reply.piece_delay_s)
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk) if rendered.stream else chunk)
        if rendered.stream and reply.cut_after is None:
            self.wfile.write(b"0\r\n\r\n")


def _cut(chunks: Iterable[bytes], limit: int | None) -> Iterator[bytes]:
    left = math.inf if limit is None else limit
    for chunk in chunks:
        kept = chunk[: int(min(left, len(chunk)))]
        left -= len(kept)
        if kept:
            yield kept
