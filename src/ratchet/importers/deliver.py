"""Sends what a reader found in batches, and counts what became of it and why."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from ratchet.importers.row import Imported, Row, Skipped
from ratchet.wire.feedback import BatchAck, FeedbackIn, RowResult
from ratchet.wire.limits import MOST_IN_BATCH
from ratchet.wire.traces import TraceBatchIn, TraceIn

Sink = Callable[[TraceBatchIn], BatchAck]
Kind = Literal["traces", "feedback"]

# The service takes bodies of 5 MiB; the rest is room for the brackets around the rows.
MOST_BYTES = 4_500_000
EXAMPLES = 3
TOO_OLD = "it is older than --since"
_REASONS_KEPT = 200


@dataclass(slots=True)
class Count:
    """How many were found, and what became of them; nothing did in a dry run."""

    found: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Reason:
    """Why rows were left out: how many, and where the first were."""

    count: int = 0
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """The whole import. ``skipped`` and ``refused`` are by reason: ours before sending, and the service's."""

    dry_run: bool
    traces: Count = field(default_factory=Count)
    feedback: Count = field(default_factory=Count)
    apps: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, Reason] = field(default_factory=dict)
    refused: dict[str, Reason] = field(default_factory=dict)

    @property
    def usable(self) -> bool:
        """Whether anything was found that could be sent, or would have been but for its age."""
        return bool(self.traces.found or self.feedback.found or TOO_OLD in self.skipped)


def deliver(
    rows: Iterable[Row],
    sink: Sink | None,
    *,
    since: float | None = None,
    limit: int | None = None,
    on_row: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Send the rows to ``sink``, or only count them when there is none (a dry run).

    ``since`` leaves out what happened before that moment (seconds since the epoch); ``limit`` stops after so many
    usable rows; ``on_row`` hears how many rows were read. What was sent before ``sink`` raises stays stored, and
    sending it again stores nothing twice.
    """
    report = Report(dry_run=sink is None)
    waiting = _Waiting(sink, report)
    for number, row in enumerate(_limited(rows, since, limit), start=1):
        on_row(number)
        if isinstance(row, Skipped):
            _note(report.skipped, row.reason, row.where)
        else:
            waiting.add(row)
    waiting.send()
    return report


def _limited(rows: Iterable[Row], since: float | None, limit: int | None) -> Iterator[Row]:
    usable = 0
    for row in rows:
        if isinstance(row, Imported):
            if since is not None and _is_older(row, since):
                yield Skipped(row.trace.id if row.trace else row.feedback[0].id, TOO_OLD)
                continue
            usable += 1
        yield row
        if limit is not None and usable >= limit:
            return


def _is_older(row: Imported, since: float) -> bool:
    """Whether all of it happened before; what has no time is kept."""
    told = [row.trace.at] if row.trace is not None else [message.at for message in row.feedback]
    return all(at is not None and at < since for at in told)


class _Waiting:
    """Rows that are yet to be sent, at most one batch of them."""

    def __init__(self, sink: Sink | None, report: Report) -> None:
        self._sink = sink
        self._report = report
        self._traces: list[TraceIn] = []
        self._feedback: list[FeedbackIn] = []
        self._bytes = 0

    def add(self, row: Imported) -> None:
        if row.trace is not None:
            self._make_room(self._traces, row.trace)
            self._report.traces.found += 1
            self._report.apps[row.trace.app] = self._report.apps.get(row.trace.app, 0) + 1
            self._traces.append(row.trace)
        for message in row.feedback:
            self._make_room(self._feedback, message)
            self._report.feedback.found += 1
            self._feedback.append(message)

    def send(self) -> None:
        if self._sink is not None and (self._traces or self._feedback):
            ack = self._sink(TraceBatchIn(traces=self._traces, feedback=self._feedback))
            self._tally(ack)
        self._traces, self._feedback, self._bytes = [], [], 0

    def _make_room(self, beside: list[TraceIn] | list[FeedbackIn], one: TraceIn | FeedbackIn) -> None:
        size = len(msgspec.json.encode(one)) + 1
        if len(beside) >= MOST_IN_BATCH or self._bytes + size > MOST_BYTES:
            self.send()
        self._bytes += size

    def _tally(self, ack: BatchAck) -> None:
        for place, result in enumerate(ack.results):
            is_trace = place < len(self._traces)
            _tally_one(self._report.traces if is_trace else self._report.feedback, result)
            if result.outcome == "rejected":
                what = "trace" if is_trace else "feedback"
                _note(self._report.refused, f"{what}: {_worded(result)}", result.id)


def _tally_one(count: Count, result: RowResult) -> None:
    if result.outcome == "stored":
        count.stored += 1
    elif result.outcome == "duplicate":
        count.duplicate += 1
    else:
        count.rejected += 1


def _worded(result: RowResult) -> str:
    """Why it was refused, in the same words for every row that was refused for it."""
    return result.error.replace(result.id, "...") if result.id else result.error


def _note(reasons: dict[str, Reason], text: str, where: str) -> None:
    if text not in reasons and len(reasons) >= _REASONS_KEPT:
        text = "other reasons"
    reason = reasons.setdefault(text, Reason())
    reason.count += 1
    if len(reason.examples) < EXAMPLES:
        reason.examples.append(where)
