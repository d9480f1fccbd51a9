"""Which traces or feedback are wanted, page by page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceFilter:
    """Which traces are wanted; empty fields do not limit. ``words`` stand in input or output. ``before`` is the time,
    id and app of the last row of the page before. Times are in seconds since the epoch."""

    app: str = ""
    user: str = ""
    session: str = ""
    segment: str = ""
    words: str = ""
    since: float | None = None
    until: float | None = None
    before: tuple[float, str, str] | None = None
    limit: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackFilter:
    """Which feedback is wanted; empty fields do not limit. ``name`` is of a score of it that still stands,
    ``negative`` tells complaints from the rest; the others are as in :class:`TraceFilter`."""

    app: str = ""
    trace_id: str = ""
    user: str = ""
    name: str = ""
    negative: bool | None = None
    since: float | None = None
    until: float | None = None
    before: tuple[float, str, str] | None = None
    limit: int = 100
