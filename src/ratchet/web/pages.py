"""Cursors: where a page ended, as a text that the next request sends back."""

from __future__ import annotations

import base64
import binascii
import math
from typing import Annotated, Literal, TypeVar

from msgspec import Meta, Struct

from ratchet.errors import InvalidInput
from ratchet.records.feedback import Feedback
from ratchet.records.trace import Trace
from ratchet.wire.limits import MOST_IN_PAGE, AppName, OptionalId, Seconds, Words

Form = Literal["json", "jsonl", "csv"]
R = TypeVar("R", Feedback, Trace)


class Page(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """What every list understands."""

    app: AppName = ""
    user: Words = ""
    since: Seconds | None = None
    until: Seconds | None = None
    limit: Annotated[int, Meta(ge=1, le=MOST_IN_PAGE)] = 100
    cursor: Words = ""
    format: Form = "json"


class FeedbackQuery(Page, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Which feedback; ``negative`` tells complaints from the rest, ``name`` names a score that still stands."""

    trace_id: OptionalId = ""
    name: Words = ""
    negative: bool | None = None


class TraceQuery(Page, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Which traces; ``q`` are words in the question or the answer."""

    session: Words = ""
    segment: Words = ""
    q: Words = ""


def position(cursor: str) -> tuple[float, str, str] | None:
    """Where the page before ended. Raises ``InvalidInput`` for a cursor that is not ours."""
    if not cursor:
        return None
    try:
        at, app, row_id = base64.urlsafe_b64decode(cursor.encode() + b"==").decode().split(":", 2)
        if not math.isfinite(seconds := float.fromhex(at)):
            raise ValueError("no time")
        return seconds, row_id, app
    except (ValueError, OverflowError, binascii.Error):
        raise InvalidInput("The cursor is not one of ours.", "Send the `next` of the page before.") from None


def page_of(rows: list[R], limit: int) -> tuple[list[R], str | None]:
    """The first ``limit`` rows, and the cursor of the page after them if ``rows`` holds more."""
    if len(rows) <= limit:
        return rows, None
    last = rows[limit - 1]
    return rows[:limit], base64.urlsafe_b64encode(f"{last.at.hex()}:{last.app}:{last.id}".encode()).rstrip(
        b"="
    ).decode()
