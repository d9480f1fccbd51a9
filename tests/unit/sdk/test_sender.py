"""Recorded rows become requests; what the service says of each comes back to whoever waits for it."""

from __future__ import annotations

import logging

import pytest

from ratchet import InvalidInput, RatchetError, StorageError, Unauthorized, Unavailable, UnknownName
from ratchet.sdk.breaker import Breaker
from ratchet.sdk.delivery import Row
from ratchet.sdk.sender import Sender
from ratchet.wire.feedback import BatchAck, RowResult
from ratchet.wire.gaps import GapIn, GapOut
from ratchet.wire.traces import TraceBatchIn

TRACE: Row = ("trace", {"app": "support", "input": "q", "id": "tr_1"})
RATING: Row = ("rating", {"id": "tr_1", "thumb": "up", "event_id": "fb_1"})
CORRECTION: Row = ("correction", {"id": "tr_1", "correction": "x", "event_id": "fb_2"})


class Taker:
    """Takes batches as the service would: refuses what it is told to, or fails."""

    def __init__(self) -> None:
        self.batches: list[TraceBatchIn] = []
        self.refuses: set[str] = set()
        self.error: RatchetError | None = None
        self.gaps: list[GapIn] = []

    def report_gap(self, gap: GapIn) -> GapOut:
        if self.error is not None:
            raise self.error
        self.gaps.append(gap)
        return GapOut(lost=gap.trace + gap.rating)

    def send_traces(self, batch: TraceBatchIn) -> BatchAck:
        if self.error is not None:
            raise self.error
        self.batches.append(batch)
        ids = [row.id for row in batch.traces] + [row.event_id for row in batch.feedback]
        results = [
            RowResult(id=name, outcome="rejected", error="No.", fix="Do not.")
            if name in self.refuses
            else RowResult(id=name, outcome="stored")
            for name in ids
        ]
        return BatchAck(stored=0, duplicate=0, rejected=0, results=results)


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def breaker() -> Breaker:
    return Breaker(failures=1)


@pytest.fixture
def sender(taker: Taker, breaker: Breaker) -> Sender:
    return Sender(taker, breaker, lambda names: None)  # type: ignore[arg-type]


def test_traces_go_first_and_each_row_finds_its_result(sender: Sender, taker: Taker) -> None:
    taker.refuses = {"fb_1"}
    first, second = sender.expect("fb_1"), sender.expect("fb_2")
    outcome = sender.send([RATING, TRACE, CORRECTION])
    assert (outcome.result, outcome.refused) == ("sent", (0,))
    (batch,) = taker.batches
    assert [row.id for row in batch.traces] == ["tr_1"]
    assert [row.event_id for row in batch.feedback] == ["fb_1", "fb_2"]
    assert (first.result, second.result) == (
        RowResult(id="fb_1", outcome="rejected", error="No.", fix="Do not."), RowResult(id="fb_2", outcome="stored"),
    )  # fmt: skip


def test_its_apps_are_declared_first(taker: Taker, breaker: Breaker) -> None:
    asked: list[set[str]] = []
    Sender(taker, breaker, asked.append).send([TRACE, RATING])  # type: ignore[arg-type]
    assert asked == [{"support"}]

    def away(names: set[str]) -> None:
        raise Unavailable("Away.", "Wait.")

    outcome = Sender(taker, breaker, away).send([TRACE])  # type: ignore[arg-type]
    assert (outcome.result, len(taker.batches)) == ("later", 1)


@pytest.mark.parametrize(
    ("error", "result", "retry_after"),
    [
        (Unavailable("Away.", "Wait."), "later", 0.0),
        (Unavailable("Busy.", "Wait.", retry_after=7.0), "later", 7.0),
        (Unauthorized("No key.", "Get one."), "later", 5.0),
        (UnknownName("No route.", "Find it."), "later", 5.0),
        (StorageError("Full.", "Empty it."), "later", 5.0),
        (InvalidInput("Too large.", "Send less."), "refused", 0.0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, RatchetError) else str(value),
)
def test_only_what_says_something_of_the_rows_refuses_them(
    sender: Sender, taker: Taker, error: RatchetError, result: str, retry_after: float
) -> None:
    taker.error = error
    receipt = sender.expect("fb_1")
    outcome = sender.send([RATING])
    assert (outcome.result, outcome.retry_after, outcome.reason) == (result, retry_after, str(error))
    if result == "later":
        assert (receipt.result, receipt.reason, sender.away) == (None, str(error), str(error))
        taker.error = None
        assert sender.send([RATING]).result == "sent"
        assert sender.away == ""


def test_the_breaker_hears_how_it_went(sender: Sender, taker: Taker, breaker: Breaker) -> None:
    taker.error = Unavailable("Away.", "Wait.")
    sender.send([TRACE])
    assert breaker.is_open
    taker.error = None
    sender.send([TRACE])
    assert not breaker.is_open


def test_a_row_that_is_none_is_refused_without_a_request(sender: Sender, taker: Taker) -> None:
    assert sender.send([("trace", {"app": "support", "input": 7})]).result == "refused"
    assert taker.batches == []


def test_losses_are_said_here_and_at_the_service(
    sender: Sender, taker: Taker, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        assert sender.send_gap({"trace": 3, "rating": 1}, 10.0, 20.0).result == "sent"
    assert "3 of kind trace, 1 of kind rating" in caplog.text
    (gap,) = taker.gaps
    assert (gap.since, gap.until, gap.trace, gap.rating, gap.correction) == (10.0, 20.0, 3, 1, 0)
    taker.error = Unavailable("Away.", "Wait.")
    assert sender.send_gap({"trace": 3}, 10.0, 20.0).result == "later"


def test_nobody_is_told_twice_or_after_they_left(sender: Sender) -> None:
    receipt = sender.expect("fb_1")
    sender.forget("fb_1")
    sender.send([RATING])
    assert receipt.result is None
