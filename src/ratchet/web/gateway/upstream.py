"""Calls of a provider: pooled, bounded in time, held back while it keeps failing; its own errors pass unchanged."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ratchet.errors import Unavailable
from ratchet.settings import ProviderSettings
from ratchet.web.gateway.breaker import Breaker
from ratchet.web.gateway.connections import LARGEST_ANSWER, Connections, Streaming, UpstreamError
from ratchet.web.metrics import Metrics
from ratchet.web.problems import Refusal

T = TypeVar("T")
FAILURES = frozenset({408, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True)
class Response:
    """What the provider answered."""

    status: int
    body: bytes
    content_type: str
    retry_after: str = ""


class Upstream:
    """One provider. Raises ``Refusal`` (502, 504) when it cannot be reached, ``Unavailable`` while it is held back."""

    def __init__(self, settings: ProviderSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.breaker = Breaker(time.monotonic, random.random)
        self._metrics = metrics
        headers = {"content-type": "application/json", "user-agent": "ratchet"}
        if key := os.environ.get(settings.key_variable, "").strip():
            headers["authorization"] = f"Bearer {key}"
        self._connections = Connections(
            settings.base_url, headers, connect_s=settings.connect_timeout_s, read_s=settings.read_timeout_s
        )

    async def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def post(self, path: str, body: bytes) -> Response:
        """The whole answer to a POST; a call that the provider cannot have begun is made again."""
        self._refuse_while_open()
        status, headers, answer = await self._tried(partial(self._connections.post, path, body))
        self._judge(status)
        return Response(status, answer, headers.get("content-type", "application/json"), headers.get("retry-after", ""))

    async def open_stream(self, path: str, body: bytes) -> Streaming:
        """An answer whose body is still to come; close it."""
        self._refuse_while_open()
        response = await self._tried(partial(self._connections.stream, path, body))
        self._judge(response.status)
        return response

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T:
        for left in range(self.settings.retries, -1, -1):
            try:
                return await call()
            except UpstreamError as error:
                if error.begun or not left:
                    raise self._failed(error) from error
            except TimeoutError as error:
                raise self._failed(error) from error
            except asyncio.CancelledError:
                self.breaker.gave_up()
                raise
        raise AssertionError("unreachable")

    def _refuse_while_open(self) -> None:
        wait = self.breaker.wait_s()
        if wait > 0:
            raise Unavailable(
                f"The provider {self.settings.name} keeps failing; calls are held back.", "Try again later.",
                retry_after=wait,
            )  # fmt: skip

    def _judge(self, status: int) -> None:
        if status in FAILURES:
            self._metrics.event("ratchet_upstream_failures_total", self.settings.name)
            self.breaker.failed()
        else:
            self.breaker.succeeded()

    def _failed(self, error: Exception) -> Refusal:
        self._metrics.event("ratchet_upstream_failures_total", self.settings.name)
        self.breaker.failed()
        if isinstance(error, TimeoutError):
            return Refusal(504, "provider_timeout", f"The provider {self.settings.name} gave no answer in time.",
                           "Try again, or raise its read_timeout_s.")  # fmt: skip
        if isinstance(error, UpstreamError) and error.begun:
            return Refusal(502, "provider_garbled", f"The answer of {self.settings.name} broke off or was no HTTP.",
                           "Try again.")  # fmt: skip
        return Refusal(502, "provider_unreachable", f"The provider {self.settings.name} cannot be reached.",
                       "Check its base_url and that it runs.")  # fmt: skip


async def events_of(response: Streaming) -> AsyncIterator[bytes]:
    """The events of a server-sent stream, each with its lines, without the empty line between them."""
    waiting = b""
    async for piece in response.pieces():
        waiting += piece.replace(b"\r\n", b"\n")
        *whole, waiting = waiting.split(b"\n\n")
        for event in whole:
            if event.strip():
                yield event
        if len(waiting) > LARGEST_ANSWER:
            raise UpstreamError("it sent an event without end", begun=True)
    if waiting.strip():
        yield waiting
