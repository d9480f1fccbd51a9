"""One call to a provider: its deadline, the words for its failures, and whether to repeat it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError, SSLError

from ratchet.errors import ProviderError

LONGEST_WAIT_S = 30.0
LONGEST_MESSAGE = 300

FIX_SERVER = "Try again later or raise retries; if it stays so, check base_url {url} and the model name."
_FIX_REQUEST = "Check the model name and the parameters of the call."
_FIX_REDIRECT = "Set base_url to where the service is now; redirects are not followed."
_FIX_CERTIFICATE = "Check base_url {url} and its certificate."
_FIX_CONNECT = "Check base_url {url} and that the service is up; raise connect_timeout_s if it is only slow."
_FIX_NO_KEY = "Set {key}: no key was sent."
_FIXES = {
    401: "Set {key} to a key that base_url {url} accepts.",
    403: "Set {key} to a key that may use this model, or name another model.",
    404: "Check the model name, and that base_url {url} is right: it usually ends in /v1.",
    408: "Raise read_timeout_s, or try again later.",
    429: "Call less often, raise retries, or raise the quota of the key in {key}.",
}

# Two hundred brackets that open with none closing between them: no answer is nested like that, and parsing it would use
# up the interpreter's stack.
TOO_DEEP = re.compile(rb"(?:[\[{][^\[\]{}]*+){200}")


@dataclass(frozen=True, slots=True)
class Setback:
    """An attempt that failed: the error to raise in the end, and whether to try again before that."""

    error: ProviderError
    again: bool
    asked_wait_s: float | None = None

    def wait_s(self, repeat: int, backoff_s: float, jitter: Callable[[], float]) -> float:
        """How long to wait before that repeat (from 0): as asked, or a random part of the doubling backoff."""
        if self.asked_wait_s is not None:
            return self.asked_wait_s
        return min(LONGEST_WAIT_S, backoff_s * 2.0**repeat) * jitter()


@dataclass(frozen=True, slots=True)
class Call:
    """What to send, until when (`time.monotonic` seconds), and the words for whatever goes wrong with it.

    An error's ``what`` names the place, the status and the provider's own words, its ``fix`` the setting to change.
    """

    base_url: str
    path: str
    payload: bytes | None = field(repr=False)
    expires: float
    read_timeout_s: float
    key_variable: str
    api_key: str | None = field(repr=False)
    secrets: Collection[str] = field(repr=False)

    @property
    def method(self) -> str:
        """The HTTP method."""
        return "GET" if self.payload is None else "POST"

    def left(self) -> float:
        """Seconds until the deadline. Raises `ProviderError` once it has passed."""
        left = self.expires - time.monotonic()
        if left <= 0:
            raise self.timed_out("was not done")
        return left

    def error(self, text: str, fix: str, *, retryable: bool = False, status: int | None = None) -> ProviderError:
        """The error that says ``text`` of this call; ``{key}`` and ``{url}`` in ``fix`` are filled in."""
        place = self.base_url.partition("://")[2] + self.path
        fix = fix.format(key=self.key_variable, url=self.base_url)
        return ProviderError(f"{self.method} {place} {text}.", fix, retryable=retryable, status=status)

    def timed_out(self, text: str) -> ProviderError:
        """The error for what took longer than the deadline or, before it, the read timeout."""
        if time.monotonic() >= self.expires:
            return self.error(f"{text} before the deadline", "Raise deadline_s, or ask for less.", retryable=True)
        text = f"{text} within {self.read_timeout_s:g} s"
        return self.error(text, "Raise read_timeout_s, or ask for less.", retryable=True)

    def unreachable(self, error: HTTPError) -> Setback:
        """A failure before any answer; repeated only where the provider cannot have begun to work on it."""
        if isinstance(error, ReadTimeoutError):
            return Setback(self.timed_out("gave no answer"), again=False)
        reset = any(isinstance(cause, ConnectionError) for cause in error.args)
        again = reset or isinstance(error, NewConnectionError | ConnectTimeoutError)
        fix = _FIX_CERTIFICATE if isinstance(error, SSLError) else _FIX_CONNECT
        return Setback(self.error(f"failed: {self.quote_failure(error)}", fix, retryable=again), again)

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> Setback:
        """An answer that is no success; repeated where the status says that it may pass."""
        moved = f"is now at {headers.get('Location')}" if 300 <= status < 400 else ""
        said = (self.quote(moved) if moved else self.quote_body(body)) or "no message"
        again = status in (408, 409, 429) or status >= 500
        error = self.error(f"answered {status}: {said}", self._fix(status), retryable=again, status=status)
        return Setback(error, again, _retry_after(headers.get("Retry-After", "")))

    def quote(self, text: str) -> str:
        """Text from outside as it may be shown: one line, no key, no control characters, at most 300 characters."""
        for value in self.secrets:
            text = text.replace(value, "[redacted]") if len(value) >= 8 else text
        key = self.api_key or ""
        if len(key) >= 4:
            # Providers like to echo the key's first characters and mask the rest: that goes too.
            text = re.sub(re.escape(key[:8]) + r"[^\s\"',;]*", "[redacted]", text.replace(key, "[redacted]"))
        text = " ".join("".join(c if c.isprintable() else " " for c in text).split()).rstrip(".")
        return text if len(text) <= LONGEST_MESSAGE else text[: LONGEST_MESSAGE - 1] + "…"

    def quote_body(self, body: bytes) -> str:
        """The provider's own message in ``body``, in whichever of the usual places; else all of it."""
        try:
            found = None if TOO_DEEP.search(body) else msgspec.json.decode(body)
        except (ValueError, RecursionError):
            found = None
        for name in ("error", "message", "detail"):
            if isinstance(found, dict) and found.get(name):
                found = found[name]
        return self.quote(found if isinstance(found, str) else body.decode("utf-8", "replace"))

    def quote_failure(self, error: HTTPError) -> str:
        """Why the connection failed."""
        # urllib3 puts the cause last; the whole text would repeat it and name Python objects.
        return self.quote(str(error.args[-1] if error.args else error) or type(error).__name__)

    def _fix(self, status: int) -> str:
        if status == 401 and not self.api_key:
            return _FIX_NO_KEY
        if status in _FIXES:
            return _FIXES[status]
        return _FIX_REDIRECT if status < 400 else _FIX_REQUEST if status < 500 else FIX_SERVER


def _retry_after(value: str) -> float | None:
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return min(float(value), LONGEST_WAIT_S)
    try:
        when = parsedate_to_datetime(value)
    except ValueError:
        return None
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return min(max((aware - datetime.now(UTC)).total_seconds(), 0.0), LONGEST_WAIT_S)
