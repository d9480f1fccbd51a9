"""A client for any OpenAI-compatible endpoint: completions, streams, embeddings and model names."""

from __future__ import annotations

import math
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import urlsplit

from urllib3 import BaseHTTPResponse, PoolManager, Timeout
from urllib3.exceptions import HTTPError

from ratchet.errors import InvalidInput, ProviderError
from ratchet.interfaces import Completion
from ratchet.providers import openai_wire
from ratchet.providers.calls import Call, Setback

DEFAULT_BASE_URL = "https://api.openai.com/v1"
EMBED_BATCH = 256


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the provider is and how patiently to call it; times are in seconds.

    ``retries`` is how often a failed call is repeated (0 to 10), ``backoff_s`` the longest first wait, which doubles.
    ``headers`` go with every request. Raises `InvalidInput` for a URL, key, header or number that cannot be used.
    """

    base_url: str
    api_key: str | None = field(default=None, repr=False)
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 60.0
    retries: int = 2
    backoff_s: float = 0.5
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    key_variable: str = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        object.__setattr__(self, "base_url", _checked_url(self.base_url))
        object.__setattr__(self, "headers", MappingProxyType(dict(self.headers)))
        for name, value in (*self.headers.items(), (self.key_variable, self.api_key or "")):
            # http.client would refuse these too, but its message shows the value, which may be the key.
            if not re.fullmatch(r"[\w-]+", name, re.ASCII) or not re.fullmatch(r"[ -~]*", value):
                raise InvalidInput(f"{name!r} cannot be sent as a header.", "Use one line of plain ASCII.")
        for setting in ("connect_timeout_s", "read_timeout_s"):
            _check_seconds(setting, getattr(self, setting))
        if not 0 <= self.retries <= 10 or not 0 <= self.backoff_s < math.inf:
            raise InvalidInput("retries or backoff_s is out of range.", "Use 0 to 10 retries and backoff_s >= 0.")

    @classmethod
    def from_environment(
        cls, environ: Mapping[str, str], base_url: str | None = None, key_variable: str = "OPENAI_API_KEY"
    ) -> Self:
        """The endpoint that ``OPENAI_BASE_URL`` and ``key_variable`` name; ``base_url`` wins over the variable.

        Without either the URL is OpenAI's. Raises `InvalidInput` as the class does.
        """
        url = base_url or environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
        # A key read from a file often ends in a newline, which no header can carry.
        return cls(url, environ.get(key_variable, "").strip() or None, key_variable=key_variable)


class OpenAICompatible:
    """A client for one endpoint, to be shared by any number of threads; close it or use it in a ``with``.

    It repeats a call only if no answer began (refused, reset, no route) or the answer was 408, 409, 429 or 5xx, and
    waits as long as ``Retry-After`` says or a random part of the doubling backoff, never above 30 s. ``deadline_s``
    bounds one call with all its repeats and waits, in seconds from the call on; None sets no bound but the timeouts.
    Every failure is a `ProviderError`; what it quotes of an answer is cleaned, cut and freed of the key.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._endpoint = endpoint
        self._sleep = sleep
        self._jitter = jitter
        key = {"Authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
        self._headers = {"Content-Type": "application/json", **key, **endpoint.headers}
        self._pool = PoolManager(num_pools=1, maxsize=16)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        self._pool.clear()

    def complete(
        self, model: str, messages: Sequence[Mapping[str, str]], *, deadline_s: float | None = None, **parameters: Any
    ) -> Completion:
        """The model's first answer to ``messages``; ``parameters`` go into the request as they are.

        An answer without content, such as a tool call, has the text "". Raises `ProviderError` when the call fails and
        `InvalidInput` when it cannot be sent.
        """
        body = openai_wire.chat_body(model, messages, parameters)
        call = self._call("/chat/completions", body, _expiry(deadline_s))
        with self._send(call) as response:
            return openai_wire.read_completion(call, response, model)

    def stream(
        self, model: str, messages: Sequence[Mapping[str, str]], *, deadline_s: float | None = None, **parameters: Any
    ) -> Iterator[str]:
        """The pieces of the answer's text as they arrive; nothing is sent before the first is asked for.

        Raises `InvalidInput` at once when the call cannot be sent, and `ProviderError` while iterating when it fails or
        breaks off; the message then says how much text had arrived. A stream that began is never repeated.
        """
        body = openai_wire.chat_body(model, messages, parameters) | {"stream": True}
        return self._stream(self._call("/chat/completions", body, _expiry(deadline_s)))

    def embed(self, model: str, texts: Sequence[str], *, deadline_s: float | None = None) -> list[list[float]]:
        """One vector per text, in the order of ``texts``, all of one length; 256 texts go into a request.

        Raises `ProviderError` when a call fails or vectors are missing, doubled or of different lengths.
        """
        if isinstance(texts, str):
            raise InvalidInput("texts is one string.", "Pass a list of strings.")
        expires, vectors = _expiry(deadline_s), list[list[float]]()
        for start in range(0, len(texts), EMBED_BATCH):
            batch = list(texts[start : start + EMBED_BATCH])
            call = self._call("/embeddings", {"model": model, "input": batch}, expires)
            with self._send(call) as response:
                vectors += openai_wire.read_vectors(call, response, len(batch))
        return vectors

    def models(self, *, deadline_s: float | None = None) -> list[str]:
        """The names of the models the endpoint offers, in its order. Raises `ProviderError` when the call fails."""
        call = self._call("/models", None, _expiry(deadline_s))
        with self._send(call) as response:
            return openai_wire.read_models(call, response)

    def _call(self, path: str, body: Mapping[str, Any] | None, expires: float) -> Call:
        endpoint = self._endpoint
        return Call(
            base_url=endpoint.base_url,
            path=path,
            payload=None if body is None else openai_wire.encode(body),
            expires=expires,
            read_timeout_s=endpoint.read_timeout_s,
            key_variable=endpoint.key_variable,
            api_key=endpoint.api_key,
            secrets=endpoint.headers.values(),
        )

    def _stream(self, call: Call) -> Iterator[str]:
        arrived = 0
        with self._send(call) as response:
            try:
                for piece in openai_wire.read_pieces(call, response):
                    arrived += len(piece)
                    yield piece
            except ProviderError as error:
                what = f"{error.what} Until then {arrived} characters of text had arrived."
                raise ProviderError(what, error.fix, retryable=error.retryable, status=error.status) from None

    def _send(self, call: Call) -> BaseHTTPResponse:
        """The response, to be used in a ``with``: left before its end, it takes its connection along."""
        repeat = 0
        while isinstance(outcome := self._attempt(call), Setback):
            wait = outcome.wait_s(repeat, self._endpoint.backoff_s, self._jitter)
            if not outcome.again or repeat >= self._endpoint.retries or time.monotonic() + wait >= call.expires:
                raise outcome.error
            self._sleep(wait)
            repeat += 1
        return outcome

    def _attempt(self, call: Call) -> BaseHTTPResponse | Setback:
        endpoint = self._endpoint
        timeout = Timeout(total=call.left(), connect=endpoint.connect_timeout_s, read=endpoint.read_timeout_s)
        try:
            response = self._pool.request(
                call.method,
                call.base_url + call.path,
                body=call.payload,
                headers=self._headers,
                timeout=timeout,
                retries=False,
                redirect=False,
                preload_content=False,
            )
        except HTTPError as error:
            return call.unreachable(error)
        if 200 <= response.status < 300:
            return response
        with response:
            return call.refused(response.status, response.headers, openai_wire.read_refusal(call, response))


def _checked_url(url: str) -> str:
    fix = f"Use a URL such as {DEFAULT_BASE_URL}."
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not re.fullmatch(r"[!-~]+", url):
        raise InvalidInput("base_url is not an http or https URL.", fix)
    if "@" in parts.netloc or parts.query or parts.fragment:
        # Not shown: what stands there is often a password or a token.
        raise InvalidInput("base_url has a user, a query or a fragment.", f"{fix} Put secrets into the key or headers.")
    return url.rstrip("/")


def _check_seconds(name: str, value: float) -> None:
    if not 0 < value < math.inf:
        raise InvalidInput(f"{name} is {value}.", "Use seconds above 0.")


def _expiry(deadline_s: float | None) -> float:
    if deadline_s is None:
        return math.inf
    _check_seconds("deadline_s", deadline_s)
    return time.monotonic() + deadline_s
