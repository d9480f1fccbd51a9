"""The journal: one thread that commits many small writes together and answers once they are durable."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from ratchet.errors import StorageError
from ratchet.storage.database import Database

T = TypeVar("T")
MOST_PER_COMMIT = 2000
_Waiting = tuple[Callable[[], Any], "Future[Any]"]
_Done = tuple["Future[Any]", Any, BaseException | None]


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
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise StorageError("The store is closed.", "Open it again with Ratchet().")
            self._waiting.put((write, future))
        return future

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
        batch = [(write, future) for write, future in waiting if future.set_running_or_notify_cancel()]
        try:
            done = self._together(batch)
        except BaseException:  # not even SystemExit may end the journal's thread: every later write would wait for ever
            try:
                done = self._apart(batch)
            except BaseException as error:
                for _, future in batch:
                    future.set_exception(error)
                return
        for future, result, failure in done:
            if failure is None:
                future.set_result(result)
            else:
                future.set_exception(failure)

    def _together(self, batch: list[_Waiting]) -> list[_Done]:
        with self._database.transaction():
            return [(future, write(), None) for write, future in batch]

    def _apart(self, batch: list[_Waiting]) -> list[_Done]:
        done: list[_Done] = []
        with self._database.transaction():
            for write, future in batch:
                try:
                    with self._database.part():
                        result = write()
                    done.append((future, result, None))
                except Exception as error:
                    if self._database.is_undone():
                        raise
                    done.append((future, None, error))
        return done
