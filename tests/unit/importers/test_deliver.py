"""Batches, counts and reasons."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from ratchet.importers.deliver import MOST_BYTES, TOO_OLD, deliver
from ratchet.importers.row import Imported, Row, Skipped
from ratchet.wire.feedback import BatchAck, FeedbackIn, RowResult
from ratchet.wire.traces import TraceBatchIn, TraceIn


class Sink:
    """A store that takes everything but traces that ask "refuse me", and knows what it has."""

    def __init__(self) -> None:
        self.batches: list[TraceBatchIn] = []
        self._has: set[str] = set()

    def __call__(self, batch: TraceBatchIn) -> BatchAck:
        self.batches.append(batch)
        results = [self._result(one.id, one.input == "refuse me") for one in batch.traces]
        results += [self._result(said.event_id, False) for said in batch.feedback]
        counted = [result.outcome for result in results]
        return BatchAck(
            stored=counted.count("stored"),
            duplicate=counted.count("duplicate"),
            rejected=counted.count("rejected"),
            results=results,
        )

    def _result(self, identity: str, refuse: bool) -> RowResult:
        if refuse:
            return RowResult(
                id=identity, outcome="rejected", error=f"The trace {identity} is not wanted.", fix="Leave."
            )
        known = identity in self._has
        self._has.add(identity)
        return RowResult(id=identity, outcome="duplicate" if known else "stored")


def row(number: int, *, text: str = "Hello", at: float | None = None, opinions: int = 1) -> Imported:
    trace = TraceIn(app="shop", id=f"t-{number}", input=text, at=at)
    said = [FeedbackIn(id=trace.id, event_id=f"e-{number}-{n}", thumb="up", at=at) for n in range(opinions)]
    return Imported(trace, tuple(said))


def test_batches_hold_at_most_500_of_each() -> None:
    sink = Sink()
    report = deliver((row(number, opinions=2) for number in range(1200)), sink)
    assert max(len(batch.traces) for batch in sink.batches) <= 500
    assert max(len(batch.feedback) for batch in sink.batches) == 500
    assert (report.traces.stored, report.feedback.stored) == (1200, 2400)
    assert report.apps == {"shop": 1200}


def test_batches_stay_below_the_size_of_a_request() -> None:
    sink = Sink()
    report = deliver((row(number, text="ü" * 90_000) for number in range(60)), sink)
    assert report.traces.stored == 60
    assert max(len(msgspec.json.encode(batch)) for batch in sink.batches) < MOST_BYTES + 1000
    assert len(sink.batches) > 1


def test_the_second_time_everything_is_a_duplicate() -> None:
    sink = Sink()
    deliver([row(1), row(2)], sink)
    report = deliver([row(1), row(2)], sink)
    assert (report.traces.found, report.traces.stored, report.traces.duplicate) == (2, 0, 2)
    assert (report.feedback.stored, report.feedback.duplicate) == (0, 2)


def test_refusals_of_the_same_kind_are_counted_together_with_examples() -> None:
    report = deliver([row(number, text="refuse me") for number in range(5)], Sink())
    assert report.traces.rejected == 5
    (told,) = report.refused.items()
    assert told[0] == "trace: The trace ... is not wanted."
    assert (told[1].count, told[1].examples) == (5, ["t-0", "t-1", "t-2"])


def test_skipped_rows_are_counted_by_reason() -> None:
    rows: list[Row] = [Skipped("line 1", "it is not JSON"), row(1), Skipped("line 3", "it is not JSON")]
    report = deliver(rows, Sink())
    assert {text: (reason.count, reason.examples) for text, reason in report.skipped.items()} == {
        "it is not JSON": (2, ["line 1", "line 3"])
    }


def test_a_dry_run_counts_and_sends_nothing() -> None:
    report = deliver([row(1), row(2)], None)
    assert report.dry_run
    assert (report.traces.found, report.traces.stored, report.feedback.found) == (2, 0, 2)
    assert report.usable


def test_since_leaves_out_what_is_older_and_keeps_what_has_no_time() -> None:
    sink = Sink()
    report = deliver([row(1, at=10.0), row(2, at=20.0), row(3)], sink, since=15.0)
    assert [trace.id for batch in sink.batches for trace in batch.traces] == ["t-2", "t-3"]
    assert report.skipped[TOO_OLD].count == 1


def test_limit_stops_reading_at_once() -> None:
    read = 0

    def rows() -> Iterator[Row]:
        nonlocal read
        for number in range(100):
            read += 1
            yield Skipped("line", "it is not JSON") if number % 2 else row(number)

    report = deliver(rows(), Sink(), limit=3)
    assert (report.traces.stored, read) == (3, 5)


def test_progress_hears_every_row() -> None:
    seen: list[int] = []
    deliver([row(1), Skipped("line 2", "no"), row(3)], None, on_row=seen.append)
    assert seen == [1, 2, 3]


def test_reasons_without_end_are_gathered_in_one() -> None:
    report = deliver((Skipped("line", f"reason {number}") for number in range(1000)), None)
    assert len(report.skipped) == 201
    assert report.skipped["other reasons"].count == 800
    assert not report.usable
