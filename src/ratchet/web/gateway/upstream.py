"""Calls of a provider: pooled, bounded in time, held back while it keeps failing."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from ratchet.errors import Unavailable
from ratchet.settings import ProviderSettings
from ratchet.web.gateway.breaker import Breaker
from ratchet.web.gateway.connections import Connections, Streaming, UpstreamError
from ratchet.web.gateway.earlier import Earlier
from ratchet.web.gateway.rungs import Rungs
from ratchet.web.metrics import Metrics
from ratchet.web.problems import Refusal

T = TypeVar("T")
FAILURES = frozenset({408, 500, 502, 503, 504, 529})
WHOLE_TAKES = 10
PASSED = frozenset({"x-request-id", "retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms"})


@dataclass(frozen=True, slots=True)
class Response:
    """What the provider answered. ``headers`` are those that a client has a use for; ``value`` is what was read from
    the body, and ``None`` for a refusal."""

    status: int
    body: bytes
    content_type: str
    headers: dict[str, str]
    value: Any = None


class Upstream:
    """One provider. Raises ``Refusal`` (502, 504) when it gives no usable answer, ``Unavailable`` while it is held
    back. ``rungs`` and ``earlier`` remember what its apps need between two requests."""

    def __init__(self, settings: ProviderSettings, metrics: Metrics) -> None:
        self.settings = settings
        self.breaker = Breaker(time.monotonic, random.random)
        self.rungs = Rungs(time.monotonic)
        self.earlier = Earlier()
        self._metrics = metrics
        headers = {"content-type": "application/json", "user-agent": "ratchet"}
        if key := os.environ.get(settings.key_variable, "").strip():
            headers["authorization"] = f"Bearer {key}"
        self._key = key.encode()
        self._connections = Connections(
            settings.base_url,
            headers,
            connect_s=settings.connect_timeout_s,
            read_s=settings.read_timeout_s,
            whole_s=settings.read_timeout_s * WHOLE_TAKES,
        )

    async def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    async def post(self, path: str, body: bytes, read: Callable[[bytes], Any]) -> Response:
        """The whole answer to a POST; a call that the provider cannot have begun is made again. ``read`` makes the
        value of it, and ``None`` of a body that is not what it should be."""
        self._refuse_while_open()
        status, headers, answer = await self._tried(partial(self._connections.post, path, body))
        kind = headers.get("content-type", "application/json")
        if status >= 400:
            self.judge(status)
            return Response(status, self._without_key(answer), kind, passed(headers))
        self.refuse_redirect(status)
        value = read(answer)
        if value is None:
            raise self.garbled()
        self.breaker.succeeded()
        return Response(status, answer, kind, passed(headers), value)

    async def open_stream(self, path: str, body: bytes) -> Streaming:
        """An answer whose body is still to come; close it, and tell :meth:`judge` or the breaker how it ended."""
        self._refuse_while_open()
        return await self._tried(partial(self._connections.stream, path, body))

    async def rest_of(self, response: Streaming) -> bytes:
        """All of an answer that turned out to be no stream; what a refusal says about the provider is taken up."""
        with closing(response):
            self.refuse_redirect(response.status)
            body = await self._tried(partial(self._bounded, response.read), retries=0)
        if response.status >= 400:
            self.judge(response.status)
            return self._without_key(body)
        return body

    def _without_key(self, body: bytes) -> bytes:
        """A refusal as it may be passed on: some providers repeat the key they were sent."""
        return body.replace(self._key, b"[redacted]") if len(self._key) >= 8 else body

    def judge(self, status: int) -> None:
        """Take up how the provider answered."""
        if status in FAILURES:
            self.failed()
        else:
            self.breaker.succeeded()

    def failed(self) -> None:
        """Take up that the provider failed."""
        self._metrics.event("ratchet_upstream_failures_total", self.settings.name)
        self.breaker.failed()

    def garbled(self) -> Refusal:
        """What to raise for an answer that cannot be used."""
        self.failed()
        return Refusal(502, "provider_garbled", f"The answer of {self.settings.name} is not what it should be.",
                       "Try again; if it stays so, check that its base_url is an OpenAI-compatible API.")  # fmt: skip

    def refuse_redirect(self, status: int) -> None:
        """Raise ``Refusal`` for an answer that sends elsewhere: the key is for the configured address alone."""
        if 300 <= status < 400:
            self.failed()
            raise Refusal(502, "provider_redirects", f"The provider {self.settings.name} answered {status}.",
                          "Check its base_url: calls are not sent on to another address.")  # fmt: skip

    async def _tried(self, call: Callable[[], Awaitable[T]], retries: int | None = None) -> T:
        for left in range(self.settings.retries if retries is None else retries, -1, -1):
            try:
                return await call()
            except UpstreamError as error:
                if error.begun or not left:
                    raise self._unanswered(error) from error
            except TimeoutError as error:
                raise self._unanswered(error) from error
            except BaseException:
                self.breaker.gave_up()
                raise
        raise AssertionError("unreachable")

    async def _bounded(self, call: Callable[[], Awaitable[T]]) -> T:
        async with asyncio.timeout(self.settings.read_timeout_s * WHOLE_TAKES):
            return await call()

    def _refuse_while_open(self) -> None:
        wait = self.breaker.wait_s()
        if wait > 0:
            raise Unavailable(
                f"The provider {self.settings.name} keeps failing; calls are held back.", "Try again later.",
                retry_after=wait,
            )  # fmt: skip

    def _unanswered(self, error: Exception) -> Refusal:
        self.failed()
        if isinstance(error, TimeoutError):
            return Refusal(504, "provider_timeout", f"The provider {self.settings.name} gave no answer in time.",
                           "Try again, or raise its read_timeout_s.")  # fmt: skip
        if isinstance(error, UpstreamError) and error.begun:
            return Refusal(502, "provider_garbled", f"The answer of {self.settings.name} broke off or was no HTTP.",
                           "Try again.")  # fmt: skip
        return Refusal(502, "provider_unreachable", f"The provider {self.settings.name} cannot be reached.",
                       "Check its base_url and that it runs.")  # fmt: skip


def passed(headers: Mapping[str, str]) -> dict[str, str]:
    """The provider's headers that a client has a use for: its request's id, its limits, when to come back."""
    return {name: value for name, value in headers.items() if name in PASSED or name.startswith("x-ratelimit-")}
