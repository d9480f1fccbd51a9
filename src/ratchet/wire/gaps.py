"""Gaps on the wire: what a client had to give up while the service was away."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from ratchet.wire.limits import OptionalId, Seconds

Lost = Annotated[int, Meta(ge=0, le=2**53)]


class GapIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Rows a client lost between two times (seconds since the epoch), by kind; ``event_id`` makes a repeat harmless."""

    since: Seconds
    until: Seconds
    implicit: Lost = 0
    trace: Lost = 0
    rating: Lost = 0
    correction: Lost = 0
    event_id: OptionalId = ""


class GapOut(Struct, kw_only=True, frozen=True):
    """The gap is in the audit log, as this many rows."""

    lost: int
