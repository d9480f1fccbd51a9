"""Runs calls on threads of their own, so that whoever waits for one waits no longer than it chose to."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")
THREADS = 16


class Aside:
    """Daemon threads, made as they are needed, ``threads`` at most.

    A timeout of the network bounds each wait for data, but neither the look-up of a name nor an answer that trickles
    in; here the caller's own patience bounds it all."""

    def __init__(self, threads: int = THREADS) -> None:
        self._most = threads
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._threads = 0
        self._idle = 0

    def run(self, work: Callable[[], T], timeout_s: float) -> T:
        """What ``work`` gives, or its error; raises ``TimeoutError`` when it is not done in time."""
        future: Future[T] = Future()
        with self._lock:
            if self._idle:
                self._idle -= 1
            elif self._threads < self._most:
                self._threads += 1
                threading.Thread(target=self._serve, name="ratchet-call", daemon=True).start()
        self._jobs.put((future, work))
        try:
            return future.result(timeout_s)
        finally:
            future.cancel()

    def close(self) -> None:
        """Let the threads end once they are done."""
        with self._lock:
            for _ in range(self._threads):
                self._jobs.put(None)
            self._threads = self._idle = 0

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(work())
                except BaseException as error:
                    future.set_exception(error)
            with self._lock:
                self._idle += 1
