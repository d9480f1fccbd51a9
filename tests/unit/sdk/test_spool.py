"""Rows on disk: order, caps, what goes first, torn tails, and who owns the folder."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet.providers.system import ReplayClock
from ratchet.sdk.shelf import HEADER_BYTES
from ratchet.sdk.spool import Kind, Spool

DAY = 86_400.0
Open = Callable[..., Spool]


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(1_790_000_000.0)


@pytest.fixture
def spool(tmp_path: Path, clock: ReplayClock) -> Iterator[Open]:
    """Opens spools on one folder; those still open at the end are closed."""
    opened: list[Spool] = []

    def open_one(**options: int) -> Spool:
        opened.append(Spool(tmp_path / "spool", clock=clock.now, **options))  # type: ignore[arg-type]
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def fill(spool: Spool, *rows: tuple[Kind, str]) -> None:
    for kind, payload in rows:
        spool.append(kind, payload.encode())


def texts(spool: Spool, most: int = 1000) -> list[str]:
    return [row.payload.decode() for row in spool.peek(most)]


def crash(spool: Spool) -> None:
    """What the end of a process leaves: its files are closed, nothing else happens."""
    spool.abandon()


def segments(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.spool"))


class TestOrder:
    def test_rows_of_all_kinds_come_back_oldest_first(self, spool: Open, clock: ReplayClock) -> None:
        one = spool()
        fill(one, ("rating", "a"), ("trace", "b"))
        clock.advance(1)
        fill(one, ("correction", "c"), ("rating", "d"), ("implicit", "e"))

        assert texts(one) == ["a", "b", "c", "d", "e"]
        assert [(row.kind, row.at) for row in one.peek(3)] == [
            ("rating", clock.now() - 1), ("trace", clock.now() - 1), ("correction", clock.now())
        ]  # fmt: skip

    def test_done_removes_the_first_of_those_peeked(self, spool: Open) -> None:
        one = spool()
        fill(one, ("trace", "a"), ("rating", "b"), ("trace", "c"))

        assert texts(one, 2) == ["a", "b"]
        one.done(1)

        assert (texts(one), len(one)) == (["b", "c"], 2)

    def test_an_empty_spool_has_nothing_and_no_files(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "a"))
        one.peek(1)
        one.done(1)

        assert (one.peek(5), len(one), one.size, one.gaps()) == ([], 0, 0, {})
        assert segments(tmp_path) == []

    def test_asking_for_no_rows_loses_none(self, spool: Open) -> None:
        one = spool()
        fill(one, ("trace", "a"))

        assert one.peek(0) == []
        assert texts(one) == ["a"]


class TestAfterTheProcess:
    def test_rows_and_what_was_done_are_remembered(self, spool: Open) -> None:
        one = spool()
        fill(one, ("trace", "a"), ("rating", "b"), ("trace", "c"))
        one.peek(2)
        one.done(2)
        crash(one)

        again = spool()
        fill(again, ("rating", "d"))

        assert texts(again) == ["c", "d"]
        assert again.gaps() == {}

    @pytest.mark.parametrize("cut", range(1, HEADER_BYTES + 3))
    def test_a_torn_row_is_dropped_and_counted_and_the_others_stay(self, spool: Open, tmp_path: Path, cut: int) -> None:
        one = spool()
        fill(one, ("trace", "a"), ("trace", "b"), ("trace", "ccc"))
        crash(one)
        [path] = segments(tmp_path)
        os.truncate(path, path.stat().st_size - cut)

        again = spool()

        assert texts(again) == ["a", "b"]
        assert again.gaps() == {"trace": 1}
        crash(again)
        assert spool().gaps() == {"trace": 1}

    def test_a_tail_of_zeros_is_one_torn_row(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "a"))
        crash(one)
        with segments(tmp_path)[0].open("ab") as file:
            file.write(bytes(4096))

        again = spool()

        assert texts(again) == ["a"]
        assert again.gaps() == {"trace": 1}

    def test_a_row_damaged_in_the_middle_is_skipped_and_counted(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "aaaa"), ("trace", "bbbb"), ("trace", "cccc"))
        crash(one)
        damage(segments(tmp_path)[0], b"bbbb")

        again = spool()

        assert texts(again) == ["aaaa", "cccc"]
        assert again.gaps() == {"trace": 1}
        again.peek(2)
        again.done(2)
        assert len(again) == 0

    def test_losses_and_their_times_are_remembered_until_told(self, spool: Open, clock: ReplayClock) -> None:
        one = spool()
        one.drop("trace", 2)
        clock.advance(5)
        one.drop("rating")
        crash(one)

        again = spool()
        assert again.gaps() == {"trace": 2, "rating": 1}
        assert again.gap_span() == (clock.now() - 5, clock.now())
        again.drop("trace")
        again.clear_gaps({"trace": 2, "rating": 1})
        crash(again)

        assert spool().gaps() == {"trace": 1}

    def test_a_damaged_state_gives_rows_again_and_loses_none(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "a"), ("trace", "b"))
        one.peek(1)
        one.done(1)
        crash(one)
        (tmp_path / "spool" / "state").write_bytes(b"nonsense")

        assert texts(spool()) == ["a", "b"]


class TestWhenTheDiskLosesRows:
    def test_a_row_that_rots_while_the_spool_is_open_is_counted(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "aaaa"), ("trace", "bbbb"))
        damage(segments(tmp_path)[0], b"aaaa")

        assert texts(one) == ["bbbb"]
        one.done(1)
        assert one.peek(1) == []
        assert (len(one), one.gaps()) == (0, {"trace": 1})

    def test_a_file_that_is_gone_is_counted_and_later_rows_come(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "a"), ("trace", "b"))
        segments(tmp_path)[0].unlink()

        assert one.peek(5) == []
        fill(one, ("trace", "c"))

        assert texts(one) == ["c"]
        assert one.gaps() == {"trace": 2}

    def test_a_folder_that_cannot_be_had_leaves_the_memory(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        (tmp_path / "file").write_text("")
        one = Spool(tmp_path / "file" / "spool", most_bytes=2 * (HEADER_BYTES + 1))
        fill(one, ("trace", "a"), ("rating", "b"), ("correction", "c"))

        assert (texts(one), len(one), one.gaps()) == (["a", "b"], 2, {"correction": 1})
        one.done(1)
        assert texts(one) == ["b"]
        with caplog.at_level(logging.WARNING):
            one.close()
        assert "1 rows were lost" in caplog.text

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_disk_drops_the_row_and_raises_nothing(self, spool: Open, tmp_path: Path) -> None:
        one = spool()
        fill(one, ("trace", "a"))
        # The next file to be written is a device that is always full.
        (tmp_path / "spool" / f"rating-{2:020d}.spool").symlink_to("/dev/full")
        fill(one, ("rating", "b"))
        assert one.gaps() == {"rating": 1}

        fill(one, ("rating", "c"))
        assert texts(one) == ["a", "c"]


class TestCaps:
    def test_implicit_signals_go_first_then_traces_then_ratings_and_corrections_last(self, spool: Open) -> None:
        one = spool(most_bytes=20 * (HEADER_BYTES + 1))
        fill(one, ("correction", "c"), ("rating", "r"), ("trace", "t"), ("implicit", "i"))
        survivors = []
        for number in range(20):
            fill(one, ("correction", str(number % 10)))
            survivors.append({row.kind for row in one.peek(100)})

        assert survivors[15] == {"correction", "rating", "trace", "implicit"}
        assert survivors[16] == {"correction", "rating", "trace"}
        assert survivors[17] == {"correction", "rating"}
        assert survivors[18] == {"correction"}
        assert one.gaps() == {"implicit": 1, "trace": 1, "rating": 1, "correction": 1}
        assert one.size <= 20 * (HEADER_BYTES + 1)

    def test_a_tenth_is_for_corrections_alone(self, spool: Open) -> None:
        one = spool(most_bytes=20 * (HEADER_BYTES + 1))
        fill(one, *[("rating", "r")] * 30)
        assert (len(one), one.gaps()) == (18, {"rating": 12})

        fill(one, ("correction", "1"), ("correction", "2"))
        assert (len(one), one.gaps()) == (20, {"rating": 12})

    def test_a_row_that_needs_the_room_of_a_better_one_is_dropped_itself(self, spool: Open) -> None:
        one = spool(most_bytes=20 * (HEADER_BYTES + 1))
        fill(one, *[("rating", "r")] * 18, ("trace", "t"), ("implicit", "i"))

        assert {row.kind for row in one.peek(100)} == {"rating"}
        assert one.gaps() == {"trace": 1, "implicit": 1}

    def test_a_row_too_large_for_the_spool_drops_no_other(self, spool: Open) -> None:
        one = spool(most_bytes=20 * (HEADER_BYTES + 1))
        fill(one, ("implicit", "i"), ("correction", "c" * 2000), ("trace", "t" * 2000))

        assert texts(one) == ["i"]
        assert one.gaps() == {"correction": 1, "trace": 1}

    def test_the_oldest_of_a_kind_goes_before_the_newer(self, spool: Open) -> None:
        one = spool(most_bytes=20 * (HEADER_BYTES + 2))
        fill(one, *[("trace", f"{number:02d}") for number in range(25)])

        assert texts(one) == [f"{number:02d}" for number in range(7, 25)]

    def test_rows_are_kept_for_a_day(self, spool: Open, clock: ReplayClock) -> None:
        one = spool()
        fill(one, ("trace", "a"), ("correction", "b"))
        clock.advance(DAY / 2)
        fill(one, ("trace", "c"))
        clock.advance(DAY / 2 + 1)

        assert texts(one) == ["c"]
        assert one.gaps() == {"trace": 1, "correction": 1}

    def test_a_row_dropped_between_peek_and_done_is_not_done_twice(self, spool: Open) -> None:
        one = spool(most_bytes=20 * (HEADER_BYTES + 2))
        fill(one, *[("trace", f"{number:02d}") for number in range(18)])
        assert texts(one, 2) == ["00", "01"]
        fill(one, ("trace", "18"))

        one.done(2)

        assert texts(one) == [f"{number:02d}" for number in range(2, 19)]


class TestOwnership:
    def test_a_second_owner_keeps_its_rows_beside_and_leaves_them_to_the_next(
        self, spool: Open, tmp_path: Path
    ) -> None:
        first, second = spool(), spool()
        fill(first, ("trace", "a"))
        fill(second, ("trace", "b"))
        assert (texts(first), texts(second)) == (["a"], ["b"])
        assert (tmp_path / "spool" / f"{os.getpid()}-0" / "lock").exists()

        second.drop("rating")
        second.close()
        first.close()
        third = spool()

        assert texts(third) == ["b", "a"]
        assert third.gaps() == {"rating": 1}

    def test_a_folder_whose_owner_lives_is_left_alone(self, spool: Open) -> None:
        _, second = spool(), spool()
        fill(second, ("trace", "b"))

        assert texts(spool()) == []
        assert texts(second) == ["b"]

    def test_an_adopted_folder_goes_when_its_rows_are_done(self, spool: Open, tmp_path: Path) -> None:
        first, second = spool(), spool()
        fill(second, ("trace", "b"))
        second.close()
        first.close()
        third = spool()
        third.peek(1)
        third.done(1)

        assert [path.name for path in sorted((tmp_path / "spool").iterdir())] == ["lock", "state"]
        third.close()
        assert spool().gaps() == {}

    def test_the_caps_hold_for_adopted_rows_too(self, spool: Open) -> None:
        most = 20 * (HEADER_BYTES + 1)
        first, second = spool(most_bytes=most), spool(most_bytes=most)
        for one in (first, second):
            fill(one, *[("rating", "r")] * 18)
            one.close()

        third = spool(most_bytes=most)

        assert (len(third), third.gaps()) == (18, {"rating": 18})

    def test_a_killed_process_leaves_its_rows_to_the_next(self, spool: Open, tmp_path: Path) -> None:
        code = (
            "import os, sys, pathlib; from ratchet.sdk.spool import Spool; spool = Spool(pathlib.Path(sys.argv[1])); "
            "spool.append('correction', b'kept'); os.kill(os.getpid(), 9)"
        )
        one = spool()
        died = subprocess.run([sys.executable, "-c", code, str(tmp_path / "spool")], capture_output=True)
        assert died.returncode == -9, died.stderr
        assert texts(one) == []
        one.close()

        assert [row.payload for row in Spool(tmp_path / "spool").peek(5)] == [b"kept"]

    def test_only_the_owner_may_read_the_files(self, spool: Open, tmp_path: Path) -> None:
        fill(spool(), ("trace", "a"))
        for path in (tmp_path / "spool").rglob("*"):
            assert path.stat().st_mode & 0o077 == 0
        assert (tmp_path / "spool").stat().st_mode & 0o077 == 0


def test_what_was_written_is_confirmed_by_the_disk_at_most_once_in_a_second(
    spool: Open, clock: ReplayClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(descriptor), real(descriptor))[1])
    one = spool()
    fill(one, *[("trace", "t")] * 50)
    assert calls == []
    clock.advance(1.0)
    fill(one, ("trace", "t"))
    confirmed = len(calls)
    assert confirmed > 0
    fill(one, *[("trace", "t")] * 50)
    one.sync()
    assert len(calls) == confirmed
    one.close()
    assert len(calls) > confirmed


def damage(path: Path, payload: bytes) -> None:
    data = path.read_bytes()
    assert data.count(payload) == 1
    path.write_bytes(data.replace(payload, payload[:-1] + b"\xff"))
