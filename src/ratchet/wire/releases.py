"""Releases, lessons and the audit log on the wire."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct

from ratchet.records.candidate import Candidate
from ratchet.records.gate import GateReport
from ratchet.records.lesson import Lesson
from ratchet.records.release import ReleaseStatus

Reason = Annotated[str, Meta(min_length=1, max_length=2000)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class ReleaseOut(Struct, kw_only=True, frozen=True):
    """A release; ``manifest`` is its canonical JSON, whose SHA-256 is ``id``."""

    app: str
    number: int
    id: str
    manifest: str
    candidate_id: str
    at: float
    lessons: int
    status: ReleaseStatus
    live: bool


class ReleaseDetail(Struct, kw_only=True, frozen=True):
    """A release with its candidate and what the gates found."""

    release: ReleaseOut
    candidate: Candidate | None
    reports: list[GateReport]


class ReleasesOut(Struct, kw_only=True, frozen=True):
    """All releases of an app by number, and the candidates that were stopped or wait."""

    releases: list[ReleaseOut]
    candidates: list[Candidate]


class MoveIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Puts another release in force: ``number``, or for a rollback the one before when it is absent."""

    actor: Name
    reason: Reason
    number: Annotated[int, Meta(ge=0, le=2**31)] | None = None


class MovedOut(Struct, kw_only=True, frozen=True):
    """The release now in force."""

    release: int


class RevokeIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Stops a lesson at once, in every release."""

    actor: Name
    reason: Reason


class LessonsOut(Struct, kw_only=True, frozen=True):
    """All lessons of an app, oldest first."""

    lessons: list[Lesson]


class AuditRow(Struct, kw_only=True, frozen=True):
    """One entry, chained by hash to the one before; ``at`` in microseconds since the epoch."""

    sequence: int
    at: int
    actor: str
    action: str
    app: str
    subject: str
    details: dict[str, Any]
    previous: str
    hash: str


class AuditOut(Struct, kw_only=True, frozen=True):
    """Entries of the audit log, in order."""

    entries: list[AuditRow]
