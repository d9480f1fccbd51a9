"""The journal: one thread that commits many small writes together and answers once they are durable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeVar

from ratchet.errors import StorageError
from ratchet.storage.database import Database

R = TypeVar("R")
T = TypeVar("T")
MOST_PER_COMMIT = 2000


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A record and what handles it; a plain write is a record too, handled by calling it."""

    handle: Callable[[list[Any]], list[Any]]
    record: Any
    future: Future[Any]


_Done = tuple[_Waiting, Any, BaseException | None]


class Journal:
    """Group commit: whatever waits is written in one transaction; a write that fails takes nothing else with it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="ratchet-journal", daemon=True)
        self._thread.start()

    def submit(self, write: Callable[[], T]) -> Future[T]:
        """Queue a write; the future resolves after the commit that holds it, or with the write's own error."""
        return self.submit_each(_call_each, write)

    def submit_each(self, handle: Callable[[list[R]], list[T]], record: R) -> Future[T]:
        """Queue a record; those that wait side by side for the same ``handle`` are handled in one call of it, which
        is what makes many small writes cheap. ``handle`` gives one result per record."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StorageError("The store is closed.", "Open it again with Ratchet().")
            self._waiting.put(_Waiting(handle, record, future))
        return future

    def depth(self) -> int:
        """How many writes wait; a good sign of overload."""
        return self._waiting.qsize()

    def close(self) -> None:
        """Write what waits, then stop."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < MOST_PER_COMMIT and not self._waiting.empty():
                item = self._waiting.get()
                if item is None:
                    last = True
                    break
                batch.append(item)
            self._commit(batch)
            if last:
                return

    def _commit(self, waiting: list[_Waiting]) -> None:
        """All that waits in one commit. When a write fails, all of it again with a savepoint around each, so that the
        failure belongs to its caller alone; savepoints for every write would cost as much as the writes."""
        batch = [item for item in waiting if item.future.set_running_or_notify_cancel()]
        try:
            done = self._together(batch)
        except BaseException:  # not even SystemExit may end the journal's thread: every later write would wait for ever
            try:
                done = self._apart(batch)
            except BaseException as error:
                for item in batch:
                    item.future.set_exception(error)
                return
        for item, result, failure in done:
            if failure is None:
                item.future.set_result(result)
            else:
                item.future.set_exception(failure)

    def _together(self, batch: list[_Waiting]) -> list[_Done]:
        done: list[_Done] = []
        with self._database.transaction():
            for handle, items in groupby(batch, key=lambda item: item.handle):
                some = list(items)
                results = handle([item.record for item in some])
                done += [(item, result, None) for item, result in zip(some, results, strict=True)]
        return done

    def _apart(self, batch: list[_Waiting]) -> list[_Done]:
        done: list[_Done] = []
        with self._database.transaction():
            for item in batch:
                try:
                    with self._database.part():
                        (result,) = item.handle([item.record])
                    done.append((item, result, None))
                except Exception as error:
                    if self._database.is_undone():
                        raise
                    done.append((item, None, error))
        return done


def _call_each(writes: list[Callable[[], T]]) -> list[T]:
    return [write() for write in writes]
