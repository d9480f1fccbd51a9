"""The spool beside a plain list: whatever happens, no row is lost uncounted, and the order and the caps hold."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ratchet.providers.system import ReplayClock
from ratchet.sdk.shelf import HEADER_BYTES
from ratchet.sdk.spool import KINDS, Kind, Spool

OLDEST_S = 1000.0
kinds = st.sampled_from(KINDS)


@dataclass(frozen=True)
class Row:
    kind: Kind
    at: float
    payload: bytes

    @property
    def size(self) -> int:
        return len(self.payload) + HEADER_BYTES


class SpoolBesideAList(RuleBasedStateMachine):
    """``rows`` is what the spool must hold, ``gaps`` what it must say it lost."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp()) / "spool"
        self.clock = ReplayClock(1_790_000_000.0)
        self.rows: list[Row] = []
        self.gaps: Counter[Kind] = Counter()
        self.peeked = 0
        self.number = 0
        self.spools: list[Spool] = []

    # A spool of 600 bytes has a segment for each row, the larger ones have several rows in a segment.
    @initialize(most=st.sampled_from([600, 20_000, 60_000]))
    def open(self, most: int) -> None:
        self.most = most
        self.reopen()

    def reopen(self) -> None:
        self.spool = Spool(self.folder, most_bytes=self.most, oldest_s=OLDEST_S, clock=self.clock.now)
        self.spools.append(self.spool)
        self.peeked = 0

    def teardown(self) -> None:
        for spool in self.spools:
            spool.close()
        shutil.rmtree(self.folder.parent)

    @rule(kind=kinds, length=st.integers(0, 120), times=st.integers(1, 12))
    def append(self, kind: Kind, length: int, times: int) -> None:
        for _ in range(times):
            self.number += 1
            row = Row(kind, self.clock.now(), b"%06d" % self.number + b"." * length)
            self.spool.append(kind, row.payload)
            self.check_appended(row)

    def check_appended(self, row: Row) -> None:
        """What was given up for the new row was worth no more than it, and nothing was given up without need."""
        before = [*self.rows, row]
        lost = self.observe(before)
        if not lost:
            return
        assert not fits(before, self.most), "rows were given up though all would have fitted"
        rank = KINDS.index(row.kind)
        if row in lost and not set(lost) - {row}:
            better = [other for other in before if KINDS.index(other.kind) > rank]
            assert not fits([*better, row], self.most), "the row was refused though less valuable ones had room"
            return
        worst = max(KINDS.index(other.kind) for other in lost)
        assert worst <= rank
        assert all(KINDS.index(other.kind) >= worst for other in self.rows if other != row)

    def observe(self, expected: list[Row]) -> list[Row]:
        """Compare the spool with what it held before; what is missing must be the oldest of its kind, and counted."""
        found = [Row(row.kind, row.at, row.payload) for row in self.spool.peek(10_000)]
        self.peeked = len(found)
        lost = [row for row in expected if row not in found]
        assert found == [row for row in expected if row not in lost], "the order is another"
        self.gaps.update(row.kind for row in lost)
        assert Counter(self.spool.gaps()) == +self.gaps
        self.rows = found
        return lost

    @rule(most=st.integers(0, 30))
    def peek(self, most: int) -> None:
        found = self.spool.peek(most)
        assert [row.payload for row in found] == [row.payload for row in self.rows[:most]]
        self.peeked = len(found)

    @rule(share=st.floats(0, 1))
    def done(self, share: float) -> None:
        count = round(self.peeked * share)
        self.spool.done(count)
        self.rows = self.rows[count:]
        self.peeked -= count

    @rule(seconds=st.floats(0, OLDEST_S / 2))
    def wait(self, seconds: float) -> None:
        self.clock.advance(seconds)
        expired = [row for row in self.rows if row.at < self.clock.now() - OLDEST_S]
        assert self.observe(self.rows) == expired

    @precondition(lambda self: sum(self.gaps.values()) > 0)
    @rule()
    def tell(self) -> None:
        since, until = self.spool.gap_span()
        assert 0 < since <= until <= self.clock.now()
        self.spool.clear_gaps(self.spool.gaps())
        self.gaps.clear()

    @rule()
    def close_and_reopen(self) -> None:
        self.spool.close()
        self.reopen()

    @rule()
    def crash(self) -> None:
        self.spool.abandon()
        self.reopen()

    @rule(kind=kinds, cut=st.one_of(st.integers(1, 60), st.integers(1, 400)))
    def crash_with_a_torn_tail(self, kind: Kind, cut: int) -> None:
        self.spool.abandon()
        written = sorted(self.folder.glob(f"{kind}-*.spool"))
        if written:
            torn = written[-1]
            left = max(0, torn.stat().st_size - cut)
            whole, in_parts = self.left_of(kind, torn, left)
            os.truncate(torn, left)
            self.rows = [row for row in self.rows if row.kind != kind or row in whole]
            self.gaps[kind] += in_parts
        self.reopen()

    def left_of(self, kind: Kind, torn: Path, left: int) -> tuple[list[Row], int]:
        """The rows of the kind that are whole when ``left`` bytes of its last segment are, and whether one is in
        parts; rows lie in segments from the last one backwards, and those that were done may lie before them."""
        mine = [row for row in self.rows if row.kind == kind]
        end = torn.stat().st_size
        while mine and end > left:
            end -= mine[-1].size
            if end < 0:  # it lies in a segment before this one
                break
            mine.pop()
        data = torn.read_bytes()[:left]
        at = 0
        while (
            at + HEADER_BYTES <= len(data) and at + HEADER_BYTES + int.from_bytes(data[at : at + 4], "little") <= left
        ):
            at += HEADER_BYTES + int.from_bytes(data[at : at + 4], "little")
        return mine, int(at < left)

    @invariant()
    def the_caps_hold(self) -> None:
        if not self.spools:
            return
        files = {kind: sum(path.stat().st_size for path in self.folder.glob(f"{kind}-*.spool")) for kind in KINDS}
        assert self.spool.size == sum(files.values()) <= self.most
        assert self.spool.size - files["correction"] <= self.most - self.most // 10

    @invariant()
    def the_same_rows_are_in_both(self) -> None:
        if self.spools:
            assert self.observe(self.rows) == []
            assert len(self.spool) == len(self.rows)


def fits(rows: list[Row], most: int) -> bool:
    others = sum(row.size for row in rows if row.kind != "correction")
    # What was done may still take the room of a segment for each kind.
    spare = len(KINDS) * (most // 64)
    total = sum(row.size for row in rows)
    return total + spare <= most and others + spare <= most - most // 10


TestSpoolBesideAList = SpoolBesideAList.TestCase
TestSpoolBesideAList.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
