"""Keeps rows on disk while the service is away, within bounds, and counts every row it has to drop."""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from ratchet.sdk.shelf import HEADER_BYTES, KINDS, Kind, Losses, Record, Shelf, Stream

__all__ = ["KINDS", "Kind", "Spool", "Spooled"]

logger = logging.getLogger("ratchet.sdk")
MOST_BYTES = 64 << 20
OLDEST_S = 86_400.0
_SEGMENTS = 64  # of a full spool: when room is needed, this share of it is dropped at once
_RESERVE = 10  # one part in so many is for corrections alone
_MOST_IN_MEMORY = 4 << 20
_SYNC_EVERY_S = 1.0


@dataclass(frozen=True, slots=True)
class Spooled:
    """One row as it was appended; ``at`` is when, in seconds since the epoch."""

    kind: Kind
    at: float
    payload: bytes


class Spool:
    """Rows on disk, oldest first, in segment files of a folder.

    At most ``most_bytes`` are kept, for at most ``oldest_s`` seconds. When it is full, implicit signals are dropped
    first, then traces, then ratings, each oldest first and a segment at a time; a tenth is reserved for corrections,
    which go last. A row that would need the room of a more valuable one is dropped itself. ``gaps`` counts all of it.

    One process owns the folder; another one (or another spool of the same process) keeps its rows in a subfolder
    named after its process. A spool adopts the rows of processes that are gone when it opens.

    A row that was appended survives the end of the process; it survives the end of the machine after a second, when
    the disk was made to confirm it. After either, a row may come a second time: give it an event id. Nothing here
    raises when the disk fails: rows that cannot be kept count as dropped. Where the folder cannot be had at all, up
    to 4 MiB of rows are kept in memory instead. Not for use by two threads at once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        most_bytes: int = MOST_BYTES,
        oldest_s: float = OLDEST_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._most = most_bytes
        self._oldest_s = oldest_s
        self._clock = clock
        self._synced = clock()
        self._dirty = False
        self._peeked: list[tuple[Stream, Record]] = []
        self._own: Shelf | None = None
        self._adopted: list[Shelf] = []
        self._unsaved = Losses()  # where there is no shelf to count them on
        self._in_memory: deque[Spooled] = deque()
        self._memory_left = min(most_bytes, _MOST_IN_MEMORY)
        try:
            self._open(folder)
        except OSError as error:
            logger.warning("Rows cannot be kept in %s while the service is away: %s.", folder, error)
        else:
            self._memory_left = 0

    def append(self, kind: Kind, payload: bytes) -> None:
        """Keep one row; what cannot be kept is counted."""
        now = self._clock()
        self._give_up_expired(now)
        size = len(payload) + HEADER_BYTES
        if self._own is None:
            self._append_in_memory(Spooled(kind, now, payload), size)
            return
        if not self._make_room(kind, size, now):
            self.drop(kind)
            return
        try:
            self._own.append(kind, now, payload)
        except OSError as error:
            logger.warning("A row could not be kept on disk: %s.", error)
            self.drop(kind)
        self._dirty = True
        self.sync()

    def peek(self, most: int) -> list[Spooled]:
        """The oldest ``most`` rows, which stay until they are ``done``."""
        self._give_up_expired(self._clock())
        if self._in_memory:
            return list(islice(self._in_memory, max(most, 0)))
        self._peeked = list(islice(self._records(), max(most, 0)))
        while most > 0 and not self._peeked and len(self):
            self._give_up_unreadable()
            self._peeked = list(islice(self._records(), most))
        return [Spooled(record.kind, record.at, record.payload) for _, record in self._peeked]

    def done(self, count: int) -> None:
        """Remove the first ``count`` rows that ``peek`` returned last."""
        for _ in range(min(count, len(self._in_memory))):
            self._memory_left += len(self._in_memory.popleft().payload) + HEADER_BYTES
        for stream, record in self._peeked[:count]:
            lost = stream.done(record)
            if lost:
                self.drop(stream.kind, lost)
        del self._peeked[:count]
        self._put_away_empty()
        self._save()

    def drop(self, kind: Kind, count: int = 1) -> None:
        """Count rows that are lost, here or before they came here."""
        self._losses.add(kind, count, self._clock())
        self._save()

    def gaps(self) -> dict[Kind, int]:
        """How many rows of each kind were dropped and not told yet."""
        return dict(self._losses.counts)

    def gap_span(self) -> tuple[float, float]:
        """Since and until when rows were dropped, in seconds since the epoch."""
        return self._losses.since, self._losses.until

    def clear_gaps(self, counts: dict[Kind, int]) -> None:
        """These losses were told."""
        self._losses.take(counts, self._clock())
        self._save()

    def sync(self) -> None:
        """Have the disk confirm what was written, at most once in a second."""
        if self._dirty and abs(self._clock() - self._synced) >= _SYNC_EVERY_S:
            self._sync_now()

    def close(self) -> None:
        """Have the disk confirm everything, and let go of the folder."""
        self._sync_now()
        if self._in_memory:
            logger.warning("%d rows were lost: there was no folder to keep them in.", len(self._in_memory))
        for shelf in self._shelves():
            shelf.let_go()
        self._forget()

    def abandon(self) -> None:
        """In a forked child: close the files that belong to the parent, and touch nothing else."""
        for shelf in self._shelves():
            shelf.let_go()
        self._forget()

    def _forget(self) -> None:
        self._own, self._adopted, self._peeked = None, [], []
        self._in_memory.clear()
        self._memory_left = 0

    def __len__(self) -> int:
        return sum(map(len, self._shelves())) + len(self._in_memory)

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(stream.size for stream in self._streams())

    @property
    def _losses(self) -> Losses:
        return self._unsaved if self._own is None else self._own.losses

    def _open(self, folder: Path) -> None:
        segment_bytes = self._most // _SEGMENTS
        self._own = _own_or_beside(folder, segment_bytes)
        self._adopted = list(_orphans(folder, segment_bytes))
        self._adopted.sort(
            key=lambda shelf: min(filter(None, map(Stream.oldest_at, shelf.streams.values())), default=0)
        )
        now = self._clock()
        for shelf in self._shelves():
            for kind, stream in shelf.streams.items():
                self._own.losses.add(kind, stream.lost_at_opening, now)
            if shelf is not self._own:
                self._own.losses.merge(shelf.losses)
        self._save()
        # The losses of others are ours from now on; told twice would be worse than told late.
        for shelf in self._adopted:
            shelf.losses = Losses()
        self._make_room("correction", 0, now)
        self._make_room("rating", 0, now)
        self._put_away_empty()
        self._save()

    def _shelves(self) -> list[Shelf]:
        return self._adopted if self._own is None else [*self._adopted, self._own]

    def _streams(self, kinds: Iterable[Kind] = KINDS) -> Iterator[Stream]:
        return (shelf.streams[kind] for kind in kinds for shelf in self._shelves())

    def _records(self) -> Iterator[tuple[Stream, Record]]:
        for shelf in self._shelves():
            yield from shelf.records()

    def _append_in_memory(self, row: Spooled, size: int) -> None:
        if size > self._memory_left:
            self.drop(row.kind)
            return
        self._memory_left -= size
        self._in_memory.append(row)

    def _make_room(self, kind: Kind, size: int, now: float) -> bool:
        """Whether a row of ``size`` bytes can be kept, after dropping what is worth no more than it."""
        rank = KINDS.index(kind)
        if not self._fits(kind, size, KINDS[rank + 1 :]):
            return False
        while not self._fits(kind, size, KINDS):
            stream = next(stream for stream in self._streams(KINDS[: rank + 1]) if stream.size)
            self._losses.add(stream.kind, stream.give_up_oldest(), now)
            self._save()
        return True

    def _fits(self, kind: Kind, size: int, beside: Sequence[Kind]) -> bool:
        """Whether a row of ``size`` bytes of this kind fits beside all rows of those kinds."""
        taken = {other: sum(stream.size for stream in self._streams([other])) for other in beside}
        total = sum(taken.values()) + size
        for_others = self._most - self._most // _RESERVE
        return total <= self._most and (kind == "correction" or total - taken.get("correction", 0) <= for_others)

    def _give_up_expired(self, now: float) -> None:
        lost = 0
        while self._in_memory and self._in_memory[0].at < now - self._oldest_s:
            row = self._in_memory.popleft()
            self._memory_left += len(row.payload) + HEADER_BYTES
            self.drop(row.kind)
        for stream in self._streams():
            expired = stream.give_up_before(now - self._oldest_s)
            self._losses.add(stream.kind, expired, now)
            lost += expired
        if lost:
            self._put_away_empty()
            self._save()

    def _give_up_unreadable(self) -> None:
        for stream in self._streams():
            self.drop(stream.kind, stream.give_up_oldest())

    def _put_away_empty(self) -> None:
        for shelf in [shelf for shelf in self._adopted if not shelf]:
            self._adopted.remove(shelf)
            shelf.remove()

    def _save(self) -> None:
        self._dirty = True
        try:
            for shelf in self._shelves():
                shelf.save()
        except OSError as error:
            logger.warning("How far the spool was read could not be written down: %s.", error)

    def _sync_now(self) -> None:
        self._synced, self._dirty = self._clock(), False
        try:
            for shelf in self._shelves():
                shelf.sync()
        except OSError as error:
            logger.warning("The disk did not confirm the rows kept on it: %s.", error)


def _own_or_beside(folder: Path, segment_bytes: int) -> Shelf:
    """The folder, or where somebody has it, a subfolder for this process."""
    try:
        return Shelf(folder, segment_bytes)
    except BlockingIOError:
        for number in count():
            try:
                return Shelf(folder / f"{os.getpid()}-{number}", segment_bytes)
            except BlockingIOError:
                continue
    raise AssertionError


def _orphans(folder: Path, segment_bytes: int) -> Iterator[Shelf]:
    """The subfolders whose owners are gone; they are owned from now on."""
    for subfolder in sorted(folder.glob("[0-9]*-[0-9]*/")):
        try:
            yield Shelf(subfolder, segment_bytes)
        except OSError:  # somebody owns it, or removed it this moment
            continue
