"""Calls of a provider: pooled, bounded in time, held back while it keeps failing; its own errors pass unchanged."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import aiohttp

from ratchet.errors import Unavailable
from ratchet.settings import ProviderSettings
from ratchet.web.gateway.breaker import Breaker
from ratchet.web.metrics import Metrics
from ratchet.web.problems import Refusal

LARGEST_ANSWER = 64 * 1024 * 1024
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
        self._session: aiohttp.ClientSession | None = None
        self._headers = {"content-type": "application/json"}
        if key := os.environ.get(settings.key_variable, "").strip():
            self._headers["authorization"] = f"Bearer {key}"

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, path: str, body: bytes) -> Response:
        """The whole answer to a POST; a connection that could not be made is tried again."""
        self._refuse_while_open()
        for left in range(self.settings.retries, -1, -1):
            try:
                async with self._client().post(self._url(path), data=body, headers=self._headers) as response:
                    answer = Response(
                        response.status,
                        await response.read(),
                        response.headers.get("content-type", "application/json"),
                        response.headers.get("retry-after", ""),
                    )
                self._judge(answer.status)
                return answer
            except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError) as error:
                # Nothing was answered and, for these, almost surely nothing was begun.
                if not left:
                    raise self._failed(error) from error
            except (aiohttp.ClientError, TimeoutError) as error:
                raise self._failed(error) from error
            except asyncio.CancelledError:
                self.breaker.gave_up()
                raise
        raise AssertionError("unreachable")

    async def open_stream(self, path: str, body: bytes) -> aiohttp.ClientResponse:
        """A response whose body is still to come; close it."""
        self._refuse_while_open()
        try:
            response = await self._client().post(self._url(path), data=body, headers=self._headers)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise self._failed(error) from error
        except asyncio.CancelledError:
            self.breaker.gave_up()
            raise
        self._judge(response.status)
        return response

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
        return Refusal(502, "provider_unreachable", f"The provider {self.settings.name} cannot be reached.",
                       "Check its base_url and that it runs.")  # fmt: skip

    def _url(self, path: str) -> str:
        return self.settings.base_url.rstrip("/") + path

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(
                total=None, sock_connect=self.settings.connect_timeout_s, sock_read=self.settings.read_timeout_s
            )
            connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=60)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, auto_decompress=True, cookie_jar=aiohttp.DummyCookieJar()
            )
        return self._session


async def events_of(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The events of a server-sent stream, each with its lines, without the empty line between them."""
    waiting = b""
    async for piece in response.content.iter_any():
        waiting += piece.replace(b"\r\n", b"\n")
        *whole, waiting = waiting.split(b"\n\n")
        for event in whole:
            if event.strip():
                yield event
        if len(waiting) > LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError("an event without end")
    if waiting.strip():
        yield waiting
