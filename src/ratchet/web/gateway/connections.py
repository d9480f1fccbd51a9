"""A small pooled HTTP/1.1 client for providers: the upstream call is most of what a gateway costs.

Nothing here knows of OpenAI. Measured beside a full client library, a call costs a fifth of the processor time
(docs/decisions/0012-upstream-client.md).
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httptools

IDLE_S = 30.0
LARGEST_ANSWER = 64 * 1024 * 1024
_HIGH_WATER = 1024 * 1024


class UpstreamError(Exception):
    """The call failed; ``begun`` says whether any of an answer had arrived, ``stale`` whether the connection was an
    old one that the other side had given up."""

    def __init__(self, what: str, *, begun: bool = False, stale: bool = False) -> None:
        super().__init__(what)
        self.begun = begun
        self.stale = stale


@dataclass(slots=True)
class Incoming:
    """An answer as it arrives. ``headers`` have lower-case names."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: deque[bytes] = field(default_factory=deque)
    size: int = 0
    complete: bool = False


class _Connection(asyncio.Protocol):
    """One connection: one call at a time."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.idle_since = 0.0
        self.closed = False
        self.fresh = True
        self.streams = False
        self._parser: Any = None
        self._incoming = Incoming()
        self._waiter: asyncio.Future[None] | None = None
        self._error = ""
        self._paused = False
        self._keeps_alive = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self._error = "it sent what nobody asked for"
            self.transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._error = f"its answer is not HTTP ({type(error).__name__})"
            self.transport.abort()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._parser is not None and not self._incoming.complete:
            # An answer without a length ends with the connection.
            ends_here = self._incoming.status and "content-length" not in self._incoming.headers
            if ends_here and "chunked" not in self._incoming.headers.get("transfer-encoding", "") and not error:
                self._incoming.complete = True
            else:
                self._error = self._error or "it closed the connection"
        self._wake()

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        self._incoming.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._incoming.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        incoming = self._incoming
        incoming.pieces.append(body)
        incoming.size += len(body)
        if self.streams and incoming.size > _HIGH_WATER and not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if 100 <= self._incoming.status < 200:
            self._incoming = Incoming()
            return
        self._incoming.complete = True
        self._keeps_alive = bool(self._parser.should_keep_alive())

    # What the client calls.

    def send(self, request: bytes) -> Incoming:
        self._incoming = Incoming()
        self._parser = httptools.HttpResponseParser(self)
        self._error = ""
        self.transport.write(request)
        return self._incoming

    async def more(self, seconds: float) -> None:
        """Wait until something arrives."""
        if self._error or (self.closed and not self._incoming.complete):
            raise UpstreamError(self._error or "it closed the connection", begun=bool(self._incoming.status),
                                stale=not self.fresh)  # fmt: skip
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        limit = loop.call_later(seconds, self._too_late)
        try:
            await self._waiter
        finally:
            limit.cancel()
            self._waiter = None

    def incoming(self) -> Incoming:
        """The answer, which an interim one (100 Continue) may have been put in the place of."""
        return self._incoming

    def resume(self) -> None:
        """Read on after what had arrived was taken."""
        if not self._paused:
            return
        self._incoming.size = sum(map(len, self._incoming.pieces))
        if self._paused and self._incoming.size <= _HIGH_WATER:
            self._paused = False
            self.transport.resume_reading()

    def is_reusable(self) -> bool:
        """Whether another call may follow on it."""
        return not self.closed and self._incoming.complete and self._keeps_alive

    def done(self) -> None:
        """The call is over."""
        self._parser = None
        self.streams = False
        self.fresh = False

    def _too_late(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(TimeoutError())

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Connections:
    """Calls of one server, over connections that are kept. Raises :class:`UpstreamError` and ``TimeoutError``.

    ``connect_s`` bounds connecting, ``read_s`` each wait for more of an answer, ``whole_s`` all of a call up to its end
    (of a stream: up to its beginning); in seconds.
    """

    def __init__(
        self, base_url: str, headers: Mapping[str, str], *, connect_s: float, read_s: float, whole_s: float
    ) -> None:
        parts = urlsplit(base_url)
        self._host = parts.hostname or "127.0.0.1"
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._path = parts.path.rstrip("/")
        host = parts.netloc.rpartition("@")[2]
        lines = {"host": host, "accept": "*/*", "accept-encoding": "identity", **headers}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode("latin-1")
        self._connect_s = connect_s
        self._read_s = read_s
        self._whole_s = whole_s
        self._idle: list[_Connection] = []

    def close(self) -> None:
        """Close the idle connections."""
        while self._idle:
            self._idle.pop().transport.close()

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of the answer to a POST."""
        ends = asyncio.get_running_loop().time() + self._whole_s
        connection = await self._sent(path, body, ends)
        try:
            while not connection.incoming().complete:
                await connection.more(self._left(ends))
                if connection.incoming().size > LARGEST_ANSWER:
                    raise UpstreamError("its answer is too large", begun=True)
            incoming = connection.incoming()
            answer = incoming.status, incoming.headers, b"".join(incoming.pieces)
        except BaseException:
            connection.transport.abort()
            raise
        self.give_back(connection)
        return answer

    async def stream(self, path: str, body: bytes) -> Streaming:
        """The answer to a POST as soon as its headers are there."""
        ends = asyncio.get_running_loop().time() + self._whole_s
        connection = await self._sent(path, body, ends)
        connection.streams = True
        try:
            while not connection.incoming().status:
                await connection.more(self._left(ends))
        except BaseException:
            connection.transport.abort()
            raise
        return Streaming(self, connection, self._read_s)

    def _left(self, ends: float) -> float:
        """Seconds that the next wait may take. Raises ``TimeoutError`` when the call has taken too long."""
        left = ends - asyncio.get_running_loop().time()
        if left <= 0:
            raise TimeoutError
        return min(self._read_s, left)

    async def _sent(self, path: str, body: bytes, ends: float) -> _Connection:
        """A connection with the request on its way and, for a kept one, a first sign of life: what was given up by
        the other side meanwhile is replaced by a new one before anything was answered."""
        head = f"POST {self._path}{path} HTTP/1.1\r\n".encode("latin-1")
        request = b"%b%bcontent-length: %d\r\n\r\n%b" % (head, self._head, len(body), body)
        while (connection := self._kept()) is not None:
            connection.send(request)
            try:
                while not connection.incoming().status:
                    await connection.more(self._left(ends))
                return connection
            except UpstreamError as error:
                connection.transport.abort()
                if error.begun or not error.stale:
                    raise
            except BaseException:
                connection.transport.abort()
                raise
        connection = await self._connected()
        connection.send(request)
        return connection

    def _kept(self) -> _Connection | None:
        now = asyncio.get_running_loop().time()
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed and now - connection.idle_since < IDLE_S:
                return connection
            connection.transport.close()
        return None

    async def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_s):
                _, connection = await loop.create_connection(_Connection, self._host, self._port, ssl=self._tls)
        except TimeoutError:
            raise UpstreamError("no connection in time") from None
        except OSError as error:
            raise UpstreamError(f"no connection ({error.strerror or type(error).__name__})") from error
        return connection

    def give_back(self, connection: _Connection) -> None:
        """Keep a connection whose answer was read to its end, if both sides let it live."""
        reusable = connection.is_reusable()
        connection.done()
        if reusable:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        else:
            connection.transport.close()


class Streaming:
    """An answer whose body is still to come: iterate over it, and close it."""

    def __init__(self, connections: Connections, connection: _Connection, read_s: float) -> None:
        self._connections = connections
        self._connection = connection
        self._read_s = read_s
        self._open = True
        self.status = connection.incoming().status
        self.headers = connection.incoming().headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, piece by piece. Raises :class:`UpstreamError` when it breaks off, ``TimeoutError`` if it stalls."""
        while True:
            incoming = self._connection.incoming()
            while incoming.pieces:
                yield incoming.pieces.popleft()
            self._connection.resume()
            if incoming.complete:
                return
            await self._connection.more(self._read_s)

    async def read(self) -> bytes:
        """All of the body."""
        return b"".join([piece async for piece in self.pieces()])

    def close(self) -> None:
        """Keep the connection if the answer was read to its end, else close it."""
        if not self._open:
            return
        self._open = False
        if self._connection.incoming().complete and not self._connection.incoming().pieces:
            self._connections.give_back(self._connection)
        else:
            self._connection.transport.abort()
