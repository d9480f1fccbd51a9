"""The committer: one commit for what waits, in order; a failure belongs to its own batch."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from ratchet.errors import InvalidInput, StorageError, Unavailable
from ratchet.stages.capture.batch import Prepared, Taken
from ratchet.web import committer
from ratchet.web.committer import Committer


def batch(*names: str) -> Prepared:
    return Prepared([Taken(name, "stored") for name in names])


class Disk:
    """Takes what is submitted on a thread of its own, as the journal does: when ``opened`` is set, and one at a time.
    Batches with a row named ``bad`` fail together with those they are submitted with."""

    def __init__(self) -> None:
        self.commits: list[list[str]] = []
        self.opened = threading.Event()
        self.opened.set()
        self._turn = threading.Lock()

    def submit(self, waiting: list[Prepared]) -> Future[list[list[str]]]:
        done: Future[list[list[str]]] = Future()
        names = [[row.id for row in prepared.rows] for prepared in waiting]
        if names == [["closed"]]:
            raise StorageError("The store is closed.", "Open it.")
        threading.Thread(target=self._write, args=(names, done)).start()
        return done

    def _write(self, names: list[list[str]], done: Future[list[list[str]]]) -> None:
        self.opened.wait(10)
        with self._turn:
            self.commits.append([name for some in names for name in some])
        if any("bad" in some for some in names):
            done.set_exception(InvalidInput("A row is bad.", "Send others."))
        else:
            done.set_result(names)


def run(play: Callable[[Committer[Any], Disk], Any]) -> Disk:
    disk = Disk()

    async def main() -> None:
        async with asyncio.timeout(10):
            await play(Committer(disk.submit), disk)

    asyncio.run(main())
    return disk


def test_what_arrives_in_one_round_of_the_loop_is_one_commit_in_order() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        found = await asyncio.gather(*[writes.put(batch(f"a{n}", f"b{n}")) for n in range(3)])
        assert found == [[f"a{n}", f"b{n}"] for n in range(3)]

    assert run(play).commits == [["a0", "b0", "a1", "b1", "a2", "b2"]]


def test_what_arrives_during_a_commit_is_the_next_one() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        disk.opened.clear()
        first = writes.put(batch("first"))
        await asyncio.sleep(0.01)
        rest = [writes.put(batch(name)) for name in "abc"]
        await asyncio.sleep(0.01)
        assert not first.done()
        disk.opened.set()
        assert [await future for future in (first, *rest)] == [["first"], ["a"], ["b"], ["c"]]

    assert run(play).commits == [["first"], ["a", "b", "c"]]


def test_a_batch_that_fails_takes_no_other_with_it() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        futures = [writes.put(batch(name)) for name in ("a", "bad", "b")]
        found = await asyncio.gather(*futures, return_exceptions=True)
        assert (found[0], found[2]) == (["a"], ["b"])
        assert isinstance(found[1], InvalidInput)
        assert await writes.put(batch("later")) == ["later"]

    assert run(play).commits[0] == ["a", "bad", "b"]


def test_a_batch_that_fails_alone_is_tried_once() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        with pytest.raises(InvalidInput, match="is bad"):
            await writes.put(batch("bad"))

    assert run(play).commits == [["bad"]]


def test_a_store_that_takes_nothing_more_says_so_to_whoever_waits() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        with pytest.raises(StorageError, match="closed"):
            await writes.put(batch("closed"))
        await writes.drain()
        assert await writes.put(batch("open")) == ["open"]

    run(play)


def test_more_than_the_disk_takes_is_refused_until_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "MOST_WAITING_ROWS", 3)

    async def play(writes: Committer[Any], disk: Disk) -> None:
        disk.opened.clear()
        taken = [writes.put(batch("a", "b")), writes.put(batch("c", "d"))]
        for refuse in (writes.put, writes.put_soon):
            with pytest.raises(Unavailable, match="More arrives than the disk takes") as raised:
                refuse(batch("e"))
            assert raised.value.retry_after == 1.0
        disk.opened.set()
        assert await asyncio.gather(*taken) == [["a", "b"], ["c", "d"]]
        assert await writes.put(batch("e")) == ["e"]

    assert [name for commit in run(play).commits for name in commit] == ["a", "b", "c", "d", "e"]


def test_draining_waits_for_the_parts_of_a_failed_commit_too() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        futures = [writes.put(batch(name)) for name in ("a", "bad", "b")]
        writes.put_soon(batch("soon"))
        disk.opened.clear()
        await asyncio.sleep(0)
        disk.opened.set()
        while not disk.commits:  # the loop does not learn of it yet
            time.sleep(0.001)
        disk.opened.clear()
        draining = asyncio.ensure_future(writes.drain())
        await asyncio.sleep(0.05)
        assert not draining.done()
        disk.opened.set()
        await draining
        assert all(future.done() for future in futures)
        assert isinstance(futures[1].exception(), InvalidInput)

    assert sorted(run(play).commits[1:]) == [["a"], ["b"], ["bad"], ["soon"]]


def test_draining_nothing_ends_at_once() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        await writes.drain()

    assert run(play).commits == []


def test_what_nobody_waits_for_is_stored_a_moment_later_and_together() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        for name in "abc":
            writes.put_soon(batch(name))
        await asyncio.sleep(0.01)
        assert disk.commits == []
        await writes.drain()

    assert run(play).commits == [["a", "b", "c"]]


def test_what_nobody_waits_for_goes_with_what_somebody_waits_for() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        writes.put_soon(batch("soon"))
        assert await writes.put(batch("now")) == ["now"]
        await asyncio.sleep(committer.SOON_S * 1.5)

    assert run(play).commits == [["soon", "now"]]


def test_the_loss_of_what_nobody_waits_for_is_logged_without_its_content(caplog: pytest.LogCaptureFixture) -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        writes.put_soon(batch("bad", "a secret"))
        await writes.drain()

    with caplog.at_level(logging.ERROR, "ratchet.web"):
        run(play)
    assert [record.getMessage() for record in caplog.records] == [
        "2 rows that nobody waited for were not stored: A row is bad."
    ]


def test_a_request_that_went_away_leaves_its_rows_and_the_others_alone() -> None:
    async def play(writes: Committer[Any], disk: Disk) -> None:
        disk.opened.clear()
        gone, kept = writes.put(batch("gone")), writes.put(batch("kept"))
        await asyncio.sleep(0.01)
        gone.cancel()
        disk.opened.set()
        assert await kept == ["kept"]
        await writes.drain()

    assert run(play).commits == [["gone", "kept"]]
