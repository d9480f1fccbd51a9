"""One HTTP call to the service: the request, the answer as a typed value, and refusals as our errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from ratchet.errors import (
    Conflict,
    EmbedderMismatch,
    InvalidInput,
    ProviderError,
    RatchetError,
    Unauthorized,
    Unavailable,
    UnknownName,
)
from ratchet.sdk.address import checked_key, checked_url
from ratchet.wire.keys import ErrorBody, ErrorOut

Out = TypeVar("Out")
JSON = "application/json"
CONNECTIONS = 16
LONG_TIMEOUT_S = 600.0
LONGEST_WAIT_S = 300.0
LONGEST_QUOTE = 300
PROVIDER_FAILED = (502, 504)
_FIX_REACH = "Check the URL, and that the service is up (`ratchet serve`)."
_FIX_VERSION = "Check that the URL is a Ratchet service, of a version like this client's."
_ANYBODYS = (401, 403, 413)  # what a proxy says too: the rest means something only in the service's own words
_REFUSALS: Mapping[int, type[RatchetError]] = {
    400: InvalidInput,
    401: Unauthorized,
    403: Unauthorized,
    404: UnknownName,
    409: Conflict,
    413: InvalidInput,
    415: InvalidInput,
    422: InvalidInput,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class Caller:
    """Calls one service, from any number of threads; close it or use it in a ``with``.

    ``timeout_s`` bounds the connecting and each wait for data. Every method raises ``InvalidInput`` for what the
    service will not accept, ``UnknownName``, ``Conflict``, ``Unauthorized``, ``Unavailable`` when it cannot be reached
    or takes no more for now, and ``ProviderError`` when the model behind it failed. Nothing is repeated here.
    """

    def __init__(self, url: str, key: str = "", *, timeout_s: float = 10.0) -> None:
        self.url = checked_url(url)
        self.timeout_s = timeout_s
        self._key = checked_key(key)
        self._pool = PoolManager(num_pools=1, maxsize=CONNECTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the idle connections; a later call opens new ones."""
        self._pool.clear()

    def _get(self, out: type[Out], path: str, query: Mapping[str, object] | None = None) -> Out:
        return self._read(out, self._send("GET", path, query=query))

    def _post(
        self, out: type[Out], path: str, body: object, *, method: str = "POST", timeout_s: float | None = None
    ) -> Out:
        return self._read(out, self._send(method, path, body=encoded(body), timeout_s=timeout_s))

    def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        query: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float | None = None,
    ) -> Answer:
        """The answer to one request; raises for every status from 400 on."""
        sent = {"Accept-Encoding": "gzip", **self._authorization(), **(headers or {})}
        if body is not None:
            sent.setdefault("Content-Type", JSON)
        try:
            response = self._pool.request(
                method,
                self.url + path + _query(query),
                body=body,
                headers=sent,
                timeout=Timeout(timeout_s or self.timeout_s),
                retries=False,
                redirect=False,
            )
        except HTTPError as error:
            raise Unavailable(f"The service at {self.url} cannot be reached: {_why(error)}.", _FIX_REACH) from error
        answer = Answer(
            response.status, {name.lower(): value for name, value in response.headers.items()}, response.data
        )
        if answer.status >= 300 and answer.status != 304:
            raise refusal(self.url + path, answer)
        return answer

    def _read(self, out: type[Out], answer: Answer) -> Out:
        try:
            return msgspec.json.decode(answer.body, type=out)
        except (ValueError, RecursionError) as error:
            what = f"{self.url} answered {answer.status} with what is no {out.__name__}: {error}."
            raise Unavailable(what, _FIX_VERSION) from None

    def _authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._key}"} if self._key else {}


def _why(error: HTTPError) -> str:
    """Why the connection failed, without the names of Python objects that urllib3 puts before it."""
    text = " ".join(str(error.args[-1] if error.args else error).split())
    return re.sub(r"^<?HTTPS?Connection\S*( object at \w+>)?( port=\d+\))?: ", "", text)[:LONGEST_QUOTE].rstrip(".")


def encoded(body: object) -> bytes:
    """``body`` as JSON, without what is at its default; raises ``InvalidInput`` for what JSON cannot carry."""
    try:
        return msgspec.json.encode(body)
    except (TypeError, ValueError, RecursionError, OverflowError) as error:
        raise InvalidInput(f"This cannot be sent as JSON: {error}.", "Send text, finite numbers and lists.") from None


def part(value: str) -> str:
    """``value`` as one part of a path; raises ``InvalidInput`` for what cannot be one."""
    if not value or value in (".", ".."):
        raise InvalidInput(f"The name {value!r} is not usable.", "Give the name or id as the service gave it.")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise InvalidInput("The name holds half a surrogate pair.", "Send valid Unicode.") from None


def refusal(url: str, answer: Answer) -> RatchetError:
    """The error for an answer that is no success, in the service's own words."""
    said = _said(answer)
    what, fix = (said.message, said.fix) if said else (f"{url} answered {answer.status}.", _FIX_VERSION)
    what = what.removesuffix(fix).rstrip() or what
    if answer.status in PROVIDER_FAILED and said is not None:
        return ProviderError(what, fix, retryable=True, status=answer.status)
    kind = _REFUSALS.get(answer.status)
    if kind is not None and (said is not None or answer.status in _ANYBODYS):
        return EmbedderMismatch(what, fix) if said is not None and said.code == "embedder_mismatch" else kind(what, fix)
    return Unavailable(what, fix, retry_after=_retry_after(answer.headers.get("retry-after", "")))


def _said(answer: Answer) -> ErrorBody | None:
    try:
        return msgspec.json.decode(answer.body, type=ErrorOut).error
    except (ValueError, RecursionError):
        return None


def _retry_after(value: str) -> float | None:
    return min(float(value), LONGEST_WAIT_S) if re.fullmatch(r"\d{1,9}(\.\d+)?", value) else None


def _query(given: Mapping[str, object] | None) -> str:
    rows = {name: _word(value) for name, value in (given or {}).items() if value is not None and value != ""}
    return f"?{urlencode(rows, errors='replace')}" if rows else ""


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def json_or_text(answer: Answer) -> dict[str, Any]:
    """A JSON object; any other body as ``{"status": text}``."""
    try:
        found = msgspec.json.decode(answer.body)
    except (ValueError, RecursionError):
        found = None
    return found if isinstance(found, dict) else {"status": answer.text().strip()}
