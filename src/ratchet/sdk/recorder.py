"""Takes rows from any thread at no cost to it, and delivers them from one of its own."""

from __future__ import annotations

import atexit
import logging
import os
import random
import sys
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from ratchet.sdk.delivery import Delivery, Pace, Row, Send, SendGap, SendOutcome
from ratchet.sdk.spool import Kind, Spool

__all__ = ["Kind", "Pace", "Recorder", "SendOutcome"]

logger = logging.getLogger("ratchet.sdk")
_AT_EXIT_S = 2.0
_SYNC_EVERY_S = 1.0
_MOST_AT_ONCE = 1000


class _Marker:
    """Stands in the queue behind the rows that a ``flush`` waits for."""

    def __init__(self, timeout_s: float, *, last: bool = False) -> None:
        self.until = time.monotonic() + timeout_s
        self.last = last  # close: rows that are safe on disk are enough, and nothing comes after
        self.acknowledged = False
        self.resolved = threading.Event()

    def resolve(self, *, acknowledged: bool) -> None:
        """Let the caller go on."""
        self.acknowledged = acknowledged
        self.resolved.set()


class Recorder:
    """A queue in memory, and a thread that sends what is in it, by way of the spool while the service is away.

    ``send`` gets up to ``pace.batch_rows`` rows, ``send_gap`` the counts of what was dropped and between which times;
    both are called on the background thread only, which starts at the first ``put``. A request may be repeated, so
    every row needs an id by which the service knows it again. ``open_spool`` is called on that thread too, once for
    each process: a forked child starts with nothing of its parent.
    """

    _thread: threading.Thread | None
    _delivery: Delivery | None

    def __init__(
        self,
        send: Send,
        send_gap: SendGap,
        open_spool: Callable[[], Spool],
        *,
        pace: Pace | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._send = send
        self._send_gap = send_gap
        self._open_spool = open_spool
        self._pace = pace or Pace()
        self._chance = chance
        self._begin_anew()
        _recorders.add(self)

    def put(self, kind: Kind, row: dict[str, object]) -> None:
        """Have the row recorded; it belongs to the recorder from now on. Never raises and never waits: a row that
        finds the memory full is dropped and counted (corrections find a tenth more room)."""
        try:
            rows = self._rows
            waiting = rows.qsize()
            if waiting >= self._pace.most_waiting and not (
                kind == "correction" and waiting < self._pace.most_waiting * 1.1
            ):
                with self._counting:
                    self._overflowed[kind] += 1
                return
            rows.put((kind, row))
            if self._thread is None:
                self._start()
            elif waiting == self._pace.batch_rows:
                self._wake.put(None)
        except Exception:
            logger.debug("A row was not recorded.", exc_info=True)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until the service acknowledged everything put before; whether it did. False too when rows were refused
        or dropped since the last flush."""
        marker = self._ask(_Marker(timeout_s))
        marker.resolved.wait(timeout_s)
        return marker.acknowledged

    def close(self, timeout_s: float = 5.0) -> bool:
        """Deliver what waits, or leave it on disk, and stop; whether all was acknowledged. With the service away it
        does not wait for it. The recorder may be used again."""
        with self._lock:
            if self._thread is None and self._rows.empty():
                return True
            marker = self._ask(_Marker(timeout_s, last=True))
            marker.resolved.wait(timeout_s)
            thread, delivery = self._thread, self._delivery
            if thread is not None and marker.resolved.is_set():
                thread.join(timeout_s)
            if delivery is not None:
                # The thread may hang in a request: what it holds, and what waits for it, is spooled without it.
                behind: list[_Marker] = []
                self._drain(delivery, behind, most=self._rows.qsize())
                self._count_overflowed(delivery)
                delivery.rescue()
                self._let_go(behind, acknowledged=False)
                self._thread = self._delivery = None
            return marker.acknowledged

    def _begin_anew(self) -> None:
        self._rows: SimpleQueue[Row | _Marker] = SimpleQueue()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._lock = threading.RLock()  # starting and closing
        self._counting = threading.RLock()  # held for a moment only; a signal handler may come in between
        self._overflowed: Counter[Kind] = Counter()
        self._hurried = 0
        self._told_lost = 0
        self._thread = None
        self._delivery = None

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="ratchet-recorder", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:  # the interpreter is shutting down, or there are too many threads
                self._thread = None
                raise
            _close_with_multiprocessing()

    def _ask(self, marker: _Marker) -> _Marker:
        with self._counting:
            self._hurried += 1
        self._rows.put(marker)
        self._wake.put(None)
        if self._thread is None:
            try:
                self._start()
            except RuntimeError:
                marker.resolve(acknowledged=False)
        return marker

    def _run(self) -> None:
        delivery = Delivery(self._send, self._send_gap, self._open_spool(), self._pace, self._chance)
        self._delivery = delivery
        self._told_lost = 0
        markers: list[_Marker] = []
        while not self._cycle(delivery, markers):
            pass

    def _cycle(self, delivery: Delivery, markers: list[_Marker]) -> bool:
        """Take what came, do what is due; whether this was the end."""
        try:
            self._collect(delivery, markers)
            self._count_overflowed(delivery)
            delivery.take()
            while delivery.step(hurry=bool(markers)) and self._rows.empty():
                pass
            delivery.sync()
        except Exception:
            logger.exception("Ratchet's recorder failed; it goes on in a second.")
            time.sleep(1.0)
        return self._resolve(delivery, markers) or delivery.over

    def _collect(self, delivery: Delivery, markers: list[_Marker]) -> None:
        """Wait for a row, or until something is due; then give other rows time to come along."""
        calm = delivery.settled and not markers
        try:
            item = self._rows.get(timeout=None if calm else self._patience_s(delivery, markers))
        except Empty:
            return
        _sort(item, delivery, markers)
        if calm and not markers:
            while not self._wake.empty():
                self._wake.get_nowait()
            if not self._hurried and self._rows.qsize() < self._pace.batch_rows:
                with suppress(Empty):
                    self._wake.get(timeout=self._pace.every_s)
        self._drain(delivery, markers, most=_MOST_AT_ONCE)

    def _patience_s(self, delivery: Delivery, markers: list[_Marker]) -> float:
        now = time.monotonic()
        due = delivery.wait_s(hurry=bool(markers))
        return max(0.0, min([_SYNC_EVERY_S if due is None else due, _SYNC_EVERY_S, *(m.until - now for m in markers)]))

    def _drain(self, delivery: Delivery, markers: list[_Marker], *, most: int) -> None:
        with suppress(Empty):
            for _ in range(most):
                _sort(self._rows.get_nowait(), delivery, markers)

    def _count_overflowed(self, delivery: Delivery) -> None:
        if self._overflowed:
            with self._counting:
                overflowed, self._overflowed = self._overflowed, Counter()
            for kind, count in overflowed.items():
                delivery.lost(kind, count)

    def _resolve(self, delivery: Delivery, markers: list[_Marker]) -> bool:
        """Let go of those who need not wait any longer; whether one of them wanted the end."""
        now, settled = time.monotonic(), delivery.settled
        ready = [m for m in markers if settled or (m.last and delivery.away) or now >= m.until or delivery.over]
        if ready:
            markers[:] = [marker for marker in markers if marker not in ready]
            self._let_go(ready, acknowledged=settled and delivery.lost_rows == self._told_lost)
            self._told_lost = delivery.lost_rows
        return any(marker.last for marker in ready)

    def _let_go(self, markers: list[_Marker], *, acknowledged: bool) -> None:
        with self._counting:
            self._hurried -= len(markers)
        for marker in markers:
            marker.resolve(acknowledged=acknowledged)

    def _after_fork(self) -> None:
        delivery = self._delivery
        self._begin_anew()
        if delivery is not None:
            delivery.abandon()


def _sort(item: Row | _Marker, delivery: Delivery, markers: list[_Marker]) -> None:
    if isinstance(item, _Marker):
        markers.append(item)
    else:
        delivery.incoming.append(item)


_recorders: weakref.WeakSet[Recorder] = weakref.WeakSet()
_with_multiprocessing: set[int] = set()


def _in_forked_child() -> None:
    for recorder in list(_recorders):
        recorder._after_fork()


def _close_all() -> None:
    until = time.monotonic() + _AT_EXIT_S
    for recorder in list(_recorders):
        recorder.close(max(0.05, until - time.monotonic()))


def _close_with_multiprocessing() -> None:
    """A process of ``multiprocessing`` ends without ``atexit``; it runs its own finalizers."""
    module = sys.modules.get("multiprocessing.util")
    if module is not None and os.getpid() not in _with_multiprocessing:
        _with_multiprocessing.add(os.getpid())
        module.Finalize(None, _close_all, exitpriority=10)


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)
