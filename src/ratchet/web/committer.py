"""Gathers what requests want stored: one commit wakes the event loop once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeAlias, TypeVar

from ratchet.errors import RatchetError, Unavailable
from ratchet.stages.capture.batch import Prepared

logger = logging.getLogger("ratchet.web")
MOST_WAITING_ROWS = 20_000
SOON_S = 0.2
T = TypeVar("T")
_Entry: TypeAlias = "tuple[Prepared, asyncio.Future[list[T]] | None]"


class Committer(Generic[T]):
    """While one commit runs, what arrives waits for the next: no delay when little arrives, large commits when much
    does. ``submit`` stores batches on another thread and gives one result each."""

    def __init__(self, submit: Callable[[list[Prepared]], Future[list[list[T]]]]) -> None:
        self._submit = submit
        self._waiting: list[_Entry[T]] = []
        self._running = False
        self._awaited = 0
        self._timer: asyncio.TimerHandle | None = None
        self._rows = 0

    def put(self, prepared: Prepared) -> asyncio.Future[list[T]]:
        """Store rows; the future resolves once they are on disk. Raises ``Unavailable`` when too much waits."""
        self._refuse_overload()
        future: asyncio.Future[list[T]] = asyncio.get_running_loop().create_future()
        self._add(prepared, future)
        return future

    def put_soon(self, prepared: Prepared) -> None:
        """Store rows a moment later; nobody waits. Raises ``Unavailable`` when too much waits."""
        self._refuse_overload()
        self._add(prepared, None)

    async def drain(self) -> None:
        """Wait until all that was put is on disk, or was refused."""
        while self._running or self._waiting or self._rows:
            await asyncio.sleep(0.005)

    def _refuse_overload(self) -> None:
        if self._rows > MOST_WAITING_ROWS:
            raise Unavailable("More arrives than the disk takes.", "Send it again in a moment.", retry_after=1.0)

    def _add(self, prepared: Prepared, future: asyncio.Future[list[T]] | None) -> None:
        self._waiting.append((prepared, future))
        self._awaited += future is not None
        self._rows += len(prepared.rows)
        if self._running:
            return
        loop = asyncio.get_running_loop()
        if future is not None:
            # Whatever else is ready in this round of the loop belongs into the same commit.
            self._running = True
            loop.call_soon(self._begin)
        elif self._timer is None:
            self._timer = loop.call_later(SOON_S, self._start)

    def _start(self) -> None:
        self._timer = None
        if not self._running and self._waiting:
            self._running = True
            self._commit()

    def _begin(self) -> None:
        if not self._awaited:
            # Nobody waits for what is there, so it may gather: many small commits would cost most of the time.
            self._running = False
            if self._waiting and self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(SOON_S, self._start)
            return
        self._commit()

    def _commit(self) -> None:
        batch, self._waiting, self._awaited = self._waiting, [], 0
        loop = asyncio.get_running_loop()
        try:
            done = self._submit([prepared for prepared, _ in batch])
        except BaseException as error:
            self._finish(batch, None, error)
            self._running = False
            return
        done.add_done_callback(lambda future: loop.call_soon_threadsafe(self._resolve, batch, future))

    def _resolve(self, batch: list[_Entry[T]], done: Future[list[list[T]]]) -> None:
        error = done.exception()
        if error is not None and len(batch) > 1:
            # One of them may be at fault; the others must not suffer for it.
            for entry in batch:
                self._alone(entry)
            self._begin()
            return
        self._finish(batch, None if error else done.result(), error)
        self._begin()

    def _alone(self, entry: _Entry[T]) -> None:
        loop = asyncio.get_running_loop()
        try:
            done = self._submit([entry[0]])
        except BaseException as error:
            self._finish([entry], None, error)
            return
        done.add_done_callback(lambda future: loop.call_soon_threadsafe(self._settle, entry, future))

    def _settle(self, entry: _Entry[T], done: Future[list[list[T]]]) -> None:
        error = done.exception()
        self._finish([entry], None if error else done.result(), error)

    def _finish(
        self,
        batch: list[_Entry[T]],
        results: list[list[T]] | None,
        error: BaseException | None,
    ) -> None:
        self._rows -= sum(len(prepared.rows) for prepared, _ in batch)
        lost = sum(len(prepared.rows) for prepared, future in batch if future is None) if results is None else 0
        if lost:
            why = error.what if isinstance(error, RatchetError) else type(error).__name__
            logger.error("%d rows that nobody waited for were not stored: %s", lost, why)
        for place, (_, future) in enumerate(batch):
            if future is None or future.done():
                continue
            if results is None:
                future.set_exception(error or RuntimeError("nothing was stored"))
            else:
                future.set_result(results[place])
