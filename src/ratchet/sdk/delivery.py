"""Hands rows to the service in order, or to the spool while the service is away."""

from __future__ import annotations

import json
import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ratchet.sdk.spool import Kind, Spool

logger = logging.getLogger("ratchet.sdk")
MOST_IN_REQUEST_BYTES = 1 << 20
LONGEST_WAIT_S = 30.0
LONGEST_RETRY_AFTER_S = 300.0

Row: TypeAlias = tuple[Kind, dict[str, object]]


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of a request.

    ``sent``: the service has the rows, but for those at the positions ``refused``, which it will never accept.
    ``later``: it has none of them; try again, not before ``retry_after`` seconds. ``refused``: it will never accept
    the request as it is; its rows are then tried in smaller requests, to find the one to blame. An answer that says
    nothing about the rows (no key, unknown address) is ``later``.
    """

    result: Literal["sent", "later", "refused"]
    retry_after: float = 0.0
    reason: str = ""
    refused: tuple[int, ...] = ()


Send: TypeAlias = Callable[[list[Row]], SendOutcome]
SendGap: TypeAlias = Callable[[dict[Kind, int], float, float], SendOutcome]


@dataclass(frozen=True, slots=True)
class Pace:
    """``batch_rows`` go into a request at most; rows wait ``every_s`` for company; a failed request is tried again
    after ``retry_s`` (twice as long each time, with jitter) seconds; at most ``most_waiting`` rows are in memory."""

    batch_rows: int = 200
    every_s: float = 0.25
    retry_s: float = 1.0
    most_waiting: int = 10_000


class Delivery:
    """The background thread's work: rows are put on ``incoming``, and ``take`` and ``step`` are called in turn.

    Only that thread may call these; ``rescue`` may come from any. ``lock`` is held while the spool is touched, and
    never while a request is under way.
    """

    def __init__(
        self, send: Send, send_gap: SendGap, spool: Spool, pace: Pace, chance: Callable[[], float] = random.random
    ) -> None:
        self.incoming: list[Row] = []
        self.lost_rows = 0
        self._lock = threading.RLock()
        self._send = send
        self._send_gap = send_gap
        self._spool = spool
        self._pace = pace
        self._chance = chance
        self.over = False
        self._failures = 0
        self._tried = self._not_before = self._next_try = 0.0
        self._said: set[str] = set()

    def take(self) -> None:
        """Send what is incoming, or spool it if the service is away or other rows wait before it."""
        while self.incoming:
            rows, used = self._encoded()
            settled = 0
            if not self._failures and not len(self._spool):
                settled = self._deliver([row for row, _ in rows])
            with self._lock:
                if self.over:  # a rescue spooled all that was incoming
                    return
                for (kind, _), payload in rows[settled:]:
                    self._spool.append(kind, payload)
                del self.incoming[:used]

    def step(self, *, hurry: bool = False) -> bool:
        """Send one request of what waits on disk, if its time has come; whether it worked."""
        with self._lock:
            if self.over or self.wait_s(hurry=hurry) != 0.0:
                return False
            rows = self._spooled()
            gaps, span = self._spool.gaps(), self._spool.gap_span()
        if gaps and not (rows and self._failures):
            return self._tell(gaps, span)
        settled = self._deliver(rows)
        with self._lock:
            if not self.over:
                self._spool.done(settled)
        return settled > 0

    def wait_s(self, *, hurry: bool = False) -> float | None:
        """Seconds until ``step`` has something to do; None when nothing waits. ``hurry``: before its time, but at
        most one try in ``retry_s``, and not before the service wants it."""
        if self.settled or self.over:
            return None
        due = max(self._tried + self._pace.retry_s, self._not_before) if hurry and self._failures else self._next_try
        return max(0.0, due - time.monotonic())

    @property
    def away(self) -> bool:
        """Whether the last request failed."""
        return self._failures > 0

    @property
    def settled(self) -> bool:
        """Whether nothing waits on disk, and no loss is untold."""
        return not self.over and not len(self._spool) and not self._spool.gaps()

    def lost(self, kind: Kind, count: int) -> None:
        """Count rows that were lost before they came here."""
        with self._lock:
            self._spool.drop(kind, count)

    def rescue(self) -> None:
        """Spool all that is incoming and close the spool, whatever the thread is at: nothing may come after it."""
        with self._lock:
            if self.over:
                return
            self.over = True
            while self.incoming:
                rows, used = self._encoded()
                for (kind, _), payload in rows:
                    self._spool.append(kind, payload)
                del self.incoming[:used]
            self._spool.close()

    def abandon(self) -> None:
        """In a forked child: leave everything to the parent."""
        self.over = True
        self._spool.abandon()

    def sync(self) -> None:
        """Have the disk confirm what was spooled, at most once in a second."""
        with self._lock:
            if not self.over:
                self._spool.sync()

    def _encoded(self) -> tuple[list[tuple[Row, bytes]], int]:
        """The first rows that are incoming, as many as go into a request, and how many were used up for them."""
        rows: list[tuple[Row, bytes]] = []
        size = used = 0
        for kind, row in self.incoming[: self._pace.batch_rows]:
            try:
                payload = json.dumps(row, allow_nan=False, separators=(",", ":")).encode()
            except Exception as error:
                self._refuse(1, f"it is no JSON ({error})")
            else:
                size += len(payload)
                if rows and size > MOST_IN_REQUEST_BYTES:
                    break
                rows.append(((kind, row), payload))
            used += 1
        return rows, used

    def _spooled(self) -> list[Row]:
        rows: list[Row] = []
        size = 0
        for spooled in self._spool.peek(self._pace.batch_rows):
            size += len(spooled.payload)
            if rows and size > MOST_IN_REQUEST_BYTES:
                break
            try:
                rows.append((spooled.kind, json.loads(spooled.payload)))
            except ValueError as error:
                if rows:
                    break
                self._spool.done(1)
                self._refuse(1, f"it is no JSON ({error})")
        return rows

    def _deliver(self, rows: list[Row]) -> int:
        """Send the rows; how many from the first on need not be sent again."""
        settled = 0
        waiting = [rows] if rows else []
        while waiting and not self.over:
            group = waiting.pop()
            outcome = self._tried_now(lambda group=group: self._send(group))  # type: ignore[misc]
            if outcome.result == "later":
                return settled
            if outcome.result == "refused" and len(group) > 1:
                half = len(group) // 2
                waiting += [group[half:], group[:half]]
                continue
            self._refuse(len(group) if outcome.result == "refused" else len(outcome.refused), outcome.reason)
            settled += len(group)
        return settled

    def _tell(self, gaps: dict[Kind, int], span: tuple[float, float]) -> bool:
        outcome = self._tried_now(lambda: self._send_gap(gaps, *span))
        if outcome.result == "later":
            return False
        self.lost_rows += sum(gaps.values())
        with self._lock:
            if not self.over:
                self._spool.clear_gaps(gaps)
        return True

    def _tried_now(self, call: Callable[[], SendOutcome]) -> SendOutcome:
        self._tried = time.monotonic()
        try:
            outcome = call()
        except Exception as error:
            outcome = SendOutcome("later", reason=f"{type(error).__name__}: {error}")
        if outcome.result != "later":
            self._failures = 0
            self._next_try = self._not_before = 0.0
            return outcome
        self._say_once("The service did not take the rows; they are kept and tried again later: %s", outcome.reason)
        # A random part keeps many processes from coming back in the same moment.
        wait = min(LONGEST_WAIT_S, self._pace.retry_s * 2.0 ** min(self._failures, 10)) * (1 + self._chance()) / 2
        self._failures += 1
        now = time.monotonic()
        self._not_before = now + min(outcome.retry_after, LONGEST_RETRY_AFTER_S)
        self._next_try = max(now + max(wait, self._pace.retry_s), self._not_before)
        return outcome

    def _refuse(self, count: int, reason: str) -> None:
        if count:
            self.lost_rows += count
            self._say_once("Rows that can never be recorded were dropped: %s", reason)

    def _say_once(self, what: str, reason: str) -> None:
        if what not in self._said:
            self._said.add(what)
            logger.warning(what, reason)
