"""Sends recorded rows to the service, and tells whoever waits what became of theirs."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from ratchet.errors import InvalidInput, RatchetError, Unavailable
from ratchet.sdk.delivery import Row, SendOutcome
from ratchet.wire.feedback import BatchAck, FeedbackIn, RowResult
from ratchet.wire.gaps import GapIn
from ratchet.wire.traces import TraceBatchIn, TraceIn

if TYPE_CHECKING:
    from ratchet.sdk.api import Api
    from ratchet.sdk.breaker import Breaker
    from ratchet.sdk.spool import Kind

logger = logging.getLogger("ratchet.sdk")
LATER_S = 5.0


class Receipt:
    """What became of one message, once the service has said so, or could not be asked."""

    def __init__(self) -> None:
        self._settled = threading.Event()
        self.result: RowResult | None = None
        self.reason = ""

    def give(self, result: RowResult | None, reason: str = "") -> None:
        """The service's word, or the ``reason`` why there is none yet."""
        self.result, self.reason = result, reason
        self._settled.set()

    def wait(self, seconds: float) -> None:
        """Wait for it, at most so long."""
        self._settled.wait(seconds)


class Sender:
    """One request for each batch of rows, traces first. ``before`` is called with the names of the apps in it: it makes
    sure that the service knows them. The ``breaker`` is told how it went."""

    def __init__(self, api: Api, breaker: Breaker, before: Callable[[set[str]], None]) -> None:
        self.away = ""  # why the last request failed
        self._api = api
        self._breaker = breaker
        self._before = before
        self._receipts: dict[str, Receipt] = {}

    def expect(self, event_id: str) -> Receipt:
        """A receipt that will be filled when the feedback of that id is answered for."""
        receipt = self._receipts[event_id] = Receipt()
        return receipt

    def forget(self, event_id: str) -> None:
        """Nobody waits for that one any longer."""
        self._receipts.pop(event_id, None)

    def send(self, rows: Sequence[Row]) -> SendOutcome:
        """Deliver rows; what the service refuses for good is logged."""
        traces = [(place, row) for place, (kind, row) in enumerate(rows) if kind == "trace"]
        feedback = [(place, row) for place, (kind, row) in enumerate(rows) if kind != "trace"]
        order = [place for place, _ in (*traces, *feedback)]
        try:
            batch = TraceBatchIn(
                traces=[msgspec.convert(row, TraceIn) for _, row in traces],
                feedback=[msgspec.convert(row, FeedbackIn) for _, row in feedback],
            )
        except msgspec.ValidationError as error:
            return SendOutcome("refused", reason=str(error))
        try:
            self._before({row.app for row in batch.traces})
            ack = self._api.send_traces(batch)
        except InvalidInput as error:
            return SendOutcome("refused", reason=str(error))
        except Unavailable as error:
            self._breaker.failed()
            return self._later(rows, error, error.retry_after or 0.0)
        except RatchetError as error:
            # A wrong key or address says nothing of the rows: they wait until somebody has put it right.
            return self._later(rows, error, LATER_S)
        self._breaker.succeeded()
        self.away = ""
        return self._settled(rows, order, ack)

    def send_gap(self, lost: Mapping[Kind, int], since: float, until: float) -> SendOutcome:
        """Say that rows were lost while the service was away."""
        logger.error(
            "Rows were lost while the service was away, between %.0f and %.0f: %s.",
            since, until, ", ".join(f"{count} of kind {kind}" for kind, count in lost.items()),
        )  # fmt: skip
        given = {**lost}
        gap = GapIn(
            since=since, until=until, implicit=given.get("implicit", 0), trace=given.get("trace", 0),
            rating=given.get("rating", 0), correction=given.get("correction", 0),
            event_id=f"gap-{int(since * 1000):x}-{int(until * 1000):x}-{os.getpid():x}",
        )  # fmt: skip
        try:
            self._api.report_gap(gap)
        except InvalidInput as error:
            return SendOutcome("refused", reason=str(error))
        except RatchetError as error:
            return self._later((), error, LATER_S)
        return SendOutcome("sent")

    def _later(self, rows: Sequence[Row], error: RatchetError, seconds: float) -> SendOutcome:
        self.away = str(error)
        for _, row in rows:
            receipt = self._receipts.pop(str(row.get("event_id")), None)
            if receipt is not None:
                receipt.give(None, self.away)
        return SendOutcome("later", retry_after=seconds, reason=self.away)

    def _settled(self, rows: Sequence[Row], order: Sequence[int], ack: BatchAck) -> SendOutcome:
        refused = []
        for place, result in zip(order, ack.results, strict=False):
            if result.outcome == "rejected":
                refused.append(place)
                logger.error(
                    "The service refused a %s (%s): %s %s", rows[place][0], result.id, result.error, result.fix
                )
            receipt = self._receipts.pop(str(rows[place][1].get("event_id")), None)
            if receipt is not None:
                receipt.give(result)
        return SendOutcome("sent", refused=tuple(refused))
