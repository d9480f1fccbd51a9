"""One folder of spooled rows: segment files for each kind, how far they were read, and what was lost."""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import merge
from operator import attrgetter
from pathlib import Path
from typing import IO, Literal, get_args

Kind = Literal["implicit", "trace", "rating", "correction"]
KINDS: tuple[Kind, ...] = get_args(Kind)  # in the order in which they are given up

_FRONT = struct.Struct("<II")  # length of the payload, CRC-32 of everything else
_REST = struct.Struct("<BQd")  # kind, number, seconds since the epoch
HEADER_BYTES = _FRONT.size + _REST.size
_STATE = struct.Struct("<4Q4Q2d")  # numbers read up to, counts lost, since and until when
_CRC = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class Record:
    """One row as it lies in a segment; ``end`` is the offset behind it."""

    kind: Kind
    number: int
    at: float
    payload: bytes
    end: int


@dataclass(slots=True)
class _Segment:
    """A file of records; ``start`` is where the first one that is still wanted begins, ``count`` how many are."""

    path: Path
    size: int = 0
    start: int = 0
    count: int = 0
    last_number: int = 0
    last_at: float = 0.0


def packed(kind: Kind, number: int, at: float, payload: bytes) -> bytes:
    """The bytes of a record."""
    rest = _REST.pack(KINDS.index(kind), number, at) + payload
    return _FRONT.pack(len(payload), _checksum(len(payload), rest)) + rest


def _checksum(length: int, rest: bytes) -> int:
    return zlib.crc32(rest, zlib.crc32(length.to_bytes(4, "little")))


def _records(file: IO[bytes], start: int) -> Iterator[Record | None]:
    """The records from ``start`` on; None stands for one that is damaged, and, at the end, for one that is torn."""
    size = os.fstat(file.fileno()).st_size
    file.seek(start)
    while start < size:
        front = file.read(_FRONT.size)
        length, crc = _FRONT.unpack(front) if len(front) == _FRONT.size else (size, 0)
        end = start + HEADER_BYTES + length
        if end > size:
            yield None
            return
        rest = file.read(_REST.size + length)
        index, number, at = _REST.unpack_from(rest)
        sound = crc == _checksum(length, rest) and index < len(KINDS)
        yield Record(KINDS[index], number, at, rest[_REST.size :], end) if sound else None
        start = end


class Stream:
    """The rows of one kind in one folder, oldest first: appended at one end, read and given up at the other.

    ``size`` is in bytes on disk, ``len`` the rows still wanted, ``read_to`` the number of the last one that is not.
    """

    def __init__(self, folder: Path, kind: Kind, read_to: int, segment_bytes: int) -> None:
        self.kind = kind
        self.size = 0
        self.read_to = read_to
        self.lost_at_opening = 0
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._segments: deque[_Segment] = deque()
        self._writing = -1
        self._count = 0
        self._oldest_at: float | None = None
        for path in sorted(folder.glob(f"{kind}-*.spool")):
            self._open(path)

    def __len__(self) -> int:
        return self._count

    @property
    def last_number(self) -> int:
        """The highest number ever seen."""
        return max(self.read_to, self._segments[-1].last_number if self._segments else 0)

    def append(self, number: int, at: float, payload: bytes) -> None:
        """Write one row; raises ``OSError``, and then nothing of it stays."""
        data = packed(self.kind, number, at, payload)
        if self._writing < 0 or self._segments[-1].size + len(data) > self._segment_bytes:
            self._begin(number)
        segment = self._segments[-1]
        try:
            written = os.write(self._writing, data)
            if written < len(data):  # the disk became full on the way
                raise OSError("The disk took a part of the row only.")
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._writing, segment.size)
            self.close()  # the next row begins a file of its own, whatever became of this one
            if not segment.count:
                _unlink(self._segments.pop().path)
            raise
        segment.size += len(data)
        segment.count += 1
        segment.last_number, segment.last_at = number, at
        self.size += len(data)
        self._count += 1

    def records(self) -> Iterator[Record]:
        """The rows that are still wanted; stops early where a file cannot be read any more."""
        for segment in tuple(self._segments):
            try:
                with segment.path.open("rb") as file:
                    yield from (record for record in _records(file, segment.start) if record is not None)
            except OSError:
                return

    def oldest_at(self) -> float | None:
        """When the oldest wanted row was spooled; None where there is none."""
        if self._oldest_at is None and self._count:
            self._oldest_at = next((record.at for record in self.records()), None)
        return self._oldest_at

    def done(self, record: Record) -> int:
        """This row, the oldest that can be read, is not wanted any more; one that is gone already is no error.

        Returns how many rows before it were lost, because their file has become unreadable.
        """
        lost = 0
        if record.number <= self.read_to:
            return lost
        while self._segments[0].last_number < record.number:
            lost += self._remove_oldest()
        segment = self._segments[0]
        self._oldest_at = None
        segment.start = record.end
        segment.count -= 1
        self._count -= 1
        self.read_to = record.number
        if not segment.count:
            self._remove_oldest()
        return lost

    def give_up_oldest(self) -> int:
        """Remove the oldest segment; how many wanted rows were in it."""
        return self._remove_oldest() if self._segments else 0

    def give_up_before(self, horizon: float) -> int:
        """Remove what was spooled before ``horizon``; how many rows it was."""
        lost = 0
        while self._segments and self._segments[0].last_at < horizon:
            lost += self._remove_oldest()
        oldest = self.oldest_at()
        if oldest is None or oldest >= horizon:
            return lost
        for record in self.records():
            if record.at >= horizon:
                break
            lost += self.done(record) + 1
        return lost

    def sync(self) -> None:
        """Have the disk confirm what was written; raises ``OSError``."""
        if self._writing >= 0:
            os.fsync(self._writing)

    def close(self) -> None:
        """Close the file that is written to, and touch nothing."""
        if self._writing >= 0:
            os.close(self._writing)
            self._writing = -1

    def _open(self, path: Path) -> None:
        segment = _Segment(path)
        last_sound = damaged = 0
        with path.open("rb") as file:
            for record in _records(file, 0):
                if record is None:
                    damaged += 1
                    continue
                self.lost_at_opening += damaged
                damaged, last_sound = 0, record.end
                segment.last_number, segment.last_at = record.number, record.at
                if record.number > self.read_to:
                    segment.count += 1
                else:
                    segment.start = record.end
        # What follows the last sound record is the torn tail: one row, as far as anybody can tell.
        self.lost_at_opening += bool(damaged)
        os.truncate(path, last_sound)
        if not segment.count:
            path.unlink()
            return
        segment.size = last_sound
        self._segments.append(segment)
        self.size += segment.size
        self._count += segment.count

    def _begin(self, number: int) -> None:
        self.close()
        path = self._folder / f"{self.kind}-{number:020d}.spool"
        self._writing = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._segments.append(_Segment(path))

    def _remove_oldest(self) -> int:
        segment = self._segments.popleft()
        self._oldest_at = None
        if not self._segments:
            self.close()
        self.read_to = max(self.read_to, segment.last_number)
        self.size -= segment.size
        self._count -= segment.count
        _unlink(segment.path)
        return segment.count


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


@dataclass(slots=True)
class Losses:
    """Rows that were given up, by kind, and between which times (seconds since the epoch)."""

    counts: dict[Kind, int] = field(default_factory=dict)
    since: float = 0.0
    until: float = 0.0

    def add(self, kind: Kind, count: int, now: float) -> None:
        """Count ``count`` more."""
        if count:
            self.since = self.since or now
            self.until = now
            self.counts[kind] = self.counts.get(kind, 0) + count

    def merge(self, other: Losses) -> None:
        """Count those of ``other`` too."""
        for kind, count in other.counts.items():
            self.add(kind, count, other.since)
            self.since = min(self.since, other.since)
        self.until = max(self.until, other.until)

    def take(self, counts: dict[Kind, int], now: float) -> None:
        """Count ``counts`` less: they were told."""
        left = {kind: count - counts.get(kind, 0) for kind, count in self.counts.items()}
        self.counts = {kind: count for kind, count in left.items() if count > 0}
        self.since = now if self.counts else 0.0


class Shelf:
    """A folder that this process owns: a stream of rows for each kind, and its state in one small file.

    Raises ``OSError`` when the folder cannot be had, ``BlockingIOError`` when somebody else owns it.
    """

    def __init__(self, folder: Path, segment_bytes: int) -> None:
        self.folder = folder
        self._lock = _own(folder)
        self._state = -1
        try:
            self._state = os.open(folder / "state", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            read_to, self.losses = _read_state(self._state)
            self.streams = {kind: Stream(folder, kind, read_to[kind], segment_bytes) for kind in KINDS}
        except OSError:
            self.let_go()
            raise
        self._number = max(stream.last_number for stream in self.streams.values())

    def __len__(self) -> int:
        return sum(map(len, self.streams.values()))

    def append(self, kind: Kind, at: float, payload: bytes) -> None:
        """Write one row; raises ``OSError``, and then nothing of it stays."""
        self.streams[kind].append(self._number + 1, at, payload)
        self._number += 1

    def records(self) -> Iterator[tuple[Stream, Record]]:
        """The rows still wanted, in the order in which they were appended."""
        rows = merge(*(stream.records() for stream in self.streams.values()), key=attrgetter("number"))
        return ((self.streams[row.kind], row) for row in rows)

    def save(self) -> None:
        """Write down how far it was read and what was lost; raises ``OSError``."""
        numbers = [self.streams[kind].read_to for kind in KINDS]
        counts = [self.losses.counts.get(kind, 0) for kind in KINDS]
        data = _STATE.pack(*numbers, *counts, self.losses.since, self.losses.until)
        os.pwrite(self._state, data + _CRC.pack(zlib.crc32(data)), 0)

    def sync(self) -> None:
        """Have the disk confirm everything; raises ``OSError``."""
        for stream in self.streams.values():
            stream.sync()
        os.fsync(self._state)
        directory = os.open(self.folder, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def let_go(self) -> None:
        """Close every file, so that another process may own the folder."""
        for stream in getattr(self, "streams", {}).values():
            stream.close()
        for descriptor in (self._state, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._state = self._lock = -1

    def remove(self) -> None:
        """Remove the folder, which is empty, and let go of it."""
        with suppress(OSError):
            for name in ("state", "lock"):
                (self.folder / name).unlink(missing_ok=True)
            self.folder.rmdir()
        self.let_go()


def _own(folder: Path) -> int:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / "lock"
    while True:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever adopted the folder may have removed the file between the two lines above.
            if os.path.samestat(os.fstat(lock), path.stat()):
                return lock
        except OSError:
            os.close(lock)
            raise
        os.close(lock)


def _read_state(descriptor: int) -> tuple[dict[Kind, int], Losses]:
    data = os.pread(descriptor, _STATE.size + _CRC.size, 0)
    if len(data) != _STATE.size + _CRC.size or _CRC.unpack(data[_STATE.size :])[0] != zlib.crc32(data[: _STATE.size]):
        return dict.fromkeys(KINDS, 0), Losses()
    values = _STATE.unpack(data[: _STATE.size])
    counts = {kind: count for kind, count in zip(KINDS, values[4:8], strict=True) if count}
    return dict(zip(KINDS, values[:4], strict=True)), Losses(counts, values[8], values[9])
