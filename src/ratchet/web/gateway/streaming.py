"""Streams: the provider's own with our id in it, and answers made here, word by word."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from ratchet.layers.layer import Answer as Reply
from ratchet.web.gateway.connections import Streaming, UpstreamError
from ratchet.web.gateway.exchange import Exchange
from ratchet.web.gateway.lookup import finished
from ratchet.web.gateway.recording import about, record
from ratchet.web.gateway.sse import data_of, events_of, is_done
from ratchet.web.gateway.turns import Heard
from ratchet.web.gateway.upstream import Upstream
from ratchet.web.routing import Call

logger = logging.getLogger("ratchet.gateway")
_WORDS = re.compile(r"\S+\s*|\s+")
T = TypeVar("T")


async def spoken(exchange: Exchange, reply: Reply) -> AsyncIterator[bytes]:
    """An answer that is whole already, word by word."""
    words = (match.group() for match in _WORDS.finditer(reply.text))
    for piece in exchange.dialect.pieces(exchange.ids, words, about(exchange, reply), exchange.body):
        yield piece


class Leaving:
    """Notices when the client hangs up, for the server says so only to who asks."""

    def __init__(self, call: Call) -> None:
        self._gone = asyncio.ensure_future(call.receive())

    @property
    def has_left(self) -> bool:
        """Whether nobody listens any more."""
        return self._gone.done() and not self._gone.cancelled()

    def then(self, act: Callable[[], None]) -> None:
        """Call ``act`` when the client hangs up, or :meth:`stop` is called."""
        self._gone.add_done_callback(lambda _: act())

    def stop(self) -> None:
        """Look no longer."""
        self._gone.cancel()

    async def unless(self, work: Coroutine[Any, Any, T]) -> T | None:
        """The result of ``work``; ``None`` when the client hangs up first, and the work is given up."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait((task, self._gone), return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            if not task.done():
                task.cancel()


class Passing:
    """The provider's stream on its way to the client; recorded at its end, also if it breaks off or nobody listens."""

    def __init__(self, exchange: Exchange, upstream: Upstream, response: Streaming, leaving: Leaving) -> None:
        self._exchange = exchange
        self._upstream = upstream
        self._response = response
        self._leaving = leaving
        self._heard = Heard()
        self._last: dict[str, Any] | None = None
        self._complete = self._failed = False

    async def pieces(self) -> AsyncIterator[bytes]:
        """What the client is sent."""
        exchange, dialect = self._exchange, self._exchange.dialect
        self._leaving.then(self._response.close)
        try:
            async with aclosing(self._passed()) as passed:  # type: ignore[type-var]
                async for piece in passed:
                    yield piece
        except (UpstreamError, TimeoutError) as error:
            self._complete = False
            logger.info("The stream of %s broke off (%s).", exchange.app.name, type(error).__name__)
        except BaseException:
            await asyncio.shield(self._end())
            raise
        finally:
            self._response.close()
        reply = await self._end()
        if self._complete:
            for piece in dialect.ending(exchange.ids, self._last, about(exchange, reply)):
                yield piece
        elif not self._failed:
            yield dialect.breaks_off("The provider's stream broke off.")

    async def _passed(self) -> AsyncIterator[bytes]:
        dialect, ids = self._exchange.dialect, self._exchange.ids
        async for event in events_of(self._response.pieces()):
            data = data_of(event)
            if data is None:
                self._complete = self._complete or is_done(event)
                if event.startswith(b":"):
                    yield event + b"\n\n"
                continue
            if self._last is not None:
                yield dialect.event(self._last)
                self._last = None
            self._take(data)
            if dialect.is_error(data):
                self._failed = True
                yield dialect.event(data)
                continue
            dialect.stamp(data, ids)
            if dialect.is_last(data):
                # What may be the last chunk waits for the next, for what is ours goes into the last.
                self._last, self._complete = data, True
            else:
                yield dialect.event(data)

    def _take(self, data: dict[str, Any]) -> None:
        response = data.get("response")
        if not self._heard.model:
            self._upstream.breaker.began()
            if isinstance(response, dict):
                self._upstream.earlier.from_provider(self._exchange.ids.trace_id, response.get("id"))
                self._heard.about(response.get("model"), None, "", "")
        self._exchange.dialect.hear(self._heard, data)

    async def _end(self) -> Reply:
        """Record what was heard, and tell the breaker how it went."""
        self._complete = self._complete and not self._failed
        if self._complete:
            self._upstream.breaker.succeeded()
        elif self._leaving.has_left:
            self._upstream.breaker.gave_up()
        else:
            self._upstream.failed()
        self._leaving.stop()
        reply = finished(self._exchange, Reply(self._heard.text.strip()))
        await record(self._exchange, reply, self._heard)
        return reply
