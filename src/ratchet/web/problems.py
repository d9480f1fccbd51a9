"""Errors as answers: one shape for every refusal, the one that OpenAI's clients understand."""

from __future__ import annotations

import math

import msgspec

from ratchet.errors import (
    Conflict,
    EmbedderMismatch,
    InvalidInput,
    ProviderError,
    RatchetError,
    StorageError,
    Unauthorized,
    Unavailable,
    UnknownName,
)
from ratchet.web.strict_json import Unreadable
from ratchet.wire.keys import ErrorBody, ErrorOut


class Refusal(RatchetError):
    """A request that is refused with a status of its own."""

    def __init__(self, status: int, code: str, what: str, fix: str) -> None:
        super().__init__(what, fix)
        self.status = status
        self.code = code


_STATUS: tuple[tuple[type[RatchetError], int, str], ...] = (
    (Unreadable, 400, "unreadable"),
    (InvalidInput, 422, "invalid_input"),
    (Unauthorized, 401, "unauthorized"),
    (UnknownName, 404, "not_found"),
    (Conflict, 409, "conflict"),
    (EmbedderMismatch, 409, "embedder_mismatch"),
    (Unavailable, 503, "unavailable"),
    (StorageError, 503, "storage"),
    (ProviderError, 502, "provider"),
)


def status_of(error: RatchetError) -> tuple[int, str]:
    """The HTTP status and the stable code of an error."""
    if isinstance(error, Refusal):
        return error.status, error.code
    return next(((status, code) for kind, status, code in _STATUS if isinstance(error, kind)), (500, "internal"))


def headers_of(error: RatchetError, status: int) -> dict[str, str]:
    """Headers that go with the refusal: how to sign in, when to come back."""
    if status == 401:
        return {"www-authenticate": "Bearer"}
    if status in (429, 503):
        wait = getattr(error, "retry_after", None)
        return {"retry-after": str(max(1, math.ceil(wait or 1)))}
    return {}


def body_of(error: RatchetError, status: int, code: str) -> bytes:
    """The JSON body of the refusal."""
    kind = "server_error" if status >= 500 else "rate_limit_error" if status == 429 else "invalid_request_error"
    return msgspec.json.encode(
        ErrorOut(error=ErrorBody(message=f"{error.what} {error.fix}", type=kind, code=code, param=None, fix=error.fix))
    )


INTERNAL = Refusal(500, "internal", "The service failed; the log of the service says why.", "Try again, or report it.")
