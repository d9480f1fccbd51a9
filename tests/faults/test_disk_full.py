"""A full disk: the error says so, reading goes on, writing resumes, and nothing acknowledged is lost."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from ratchet.errors import StorageError
from ratchet.records.trace import Trace
from ratchet.stages.capture.intake import record_trace
from ratchet.wiring import House
from tests.faults.conftest import OpenAt, ask_sqlite

APP = "full"
PATIENCE_S = 10
LARGE = 90_000


def a_trace(key: str, size: int = 1_000) -> Trace:
    return Trace(id=key, app=APP, at=1.0, input="x" * size, output="")


def submit(house: House, key: str, size: int = 1_000) -> Future[str]:
    return house.store.submit(partial(record_trace, house.outside, a_trace(key, size)))


def limit_pages(house: House, more: int) -> None:
    """Let the file grow by ``more`` pages and no further, as on a disk with that much space."""
    connection = house.store._database._writing.connection.dbapi_connection
    assert connection is not None
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count={pages + more}")


def fill(house: House, path: Path, prefix: str) -> set[str]:
    """Capture until the disk is full; the ids that were acknowledged."""
    acknowledged: set[str] = set()
    for number in itertools.count():
        key = f"{prefix}{number}"
        error = submit(house, key).exception(PATIENCE_S)
        if error is not None:
            assert isinstance(error, StorageError)
            assert error.what == f"The disk that holds {path} is full."
            assert "Free some space" in error.fix
            return acknowledged
        acknowledged.add(key)
    raise AssertionError("the disk is never full")


def stored(house: House) -> set[str]:
    return {trace.id for trace in house.store.traces.recent(APP, 1_000_000)}


def check_a_full_disk(house: House, path: Path, make_room: Callable[[], None], open_at: OpenAt) -> None:
    acknowledged = fill(house, path, "before")
    assert len(acknowledged) > 5
    assert stored(house) == acknowledged
    assert house.store.feedback.tallies(APP) == {"received": len(acknowledged), "stored": len(acknowledged)}
    with pytest.raises(StorageError, match="is full"):
        record_trace(house.outside, a_trace("still", LARGE))
    make_room()
    assert submit(house, "after").result(PATIENCE_S) == "stored"
    house.close()
    again = open_at(path)
    assert stored(again) == {*acknowledged, "after"}
    assert ask_sqlite(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_file_that_may_not_grow(tmp_path: Path, open_at: OpenAt) -> None:
    house = open_at(tmp_path / "ratchet.db")
    limit_pages(house, 20)
    check_a_full_disk(house, tmp_path / "ratchet.db", lambda: limit_pages(house, 10_000), open_at)


def test_a_file_system_with_no_space_left(mount: Callable[..., Path], open_at: OpenAt) -> None:
    folder = mount("-t", "tmpfs", "-o", "size=3m", "tmpfs")
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(1_500_000))
    house = open_at(folder / "ratchet.db")
    check_a_full_disk(house, folder / "ratchet.db", ballast.unlink, open_at)
    open_at(folder / "other.db").close()


def test_a_full_file_system_cannot_take_a_new_store(mount: Callable[..., Path], open_at: OpenAt) -> None:
    folder = mount("-t", "tmpfs", "-o", "size=64k", "tmpfs")
    with contextlib.suppress(OSError), (folder / "ballast").open("wb") as ballast:
        ballast.write(bytes(1_000_000))
    with pytest.raises(StorageError, match="is full") as raised:
        open_at(folder / "ratchet.db")
    assert str(folder / "ratchet.db") in raised.value.what
    assert "Free some space" in raised.value.fix


def test_writes_that_share_a_commit_with_one_too_large_are_not_acknowledged_and_lost(
    tmp_path: Path, open_at: OpenAt
) -> None:
    house = open_at(tmp_path / "ratchet.db")
    limit_pages(house, 8)
    began, go = threading.Event(), threading.Event()
    house.store.submit(lambda: (began.set(), go.wait(PATIENCE_S)))
    began.wait(PATIENCE_S)
    sizes = [100, 100, LARGE, 100, 100]
    waiting = {f"t{number}": submit(house, f"t{number}", size) for number, size in enumerate(sizes)}
    go.set()
    refused = {key: future.exception(PATIENCE_S) for key, future in waiting.items()}
    acknowledged = {key for key, error in refused.items() if error is None}
    assert acknowledged == stored(house)
    assert "t2" not in acknowledged
    assert all(isinstance(error, StorageError) and "is full" in error.what for error in refused.values() if error)
    assert submit(house, "small").result(PATIENCE_S) == "stored"


def test_a_transaction_that_hides_the_error_keeps_nothing_and_says_so(tmp_path: Path, open_at: OpenAt) -> None:
    house = open_at(tmp_path / "ratchet.db")
    limit_pages(house, 8)

    def hide_it(then: Callable[[], object]) -> None:
        with house.store.transaction():
            house.store.traces.add(a_trace("early", 10))
            with contextlib.suppress(Exception):
                house.store.traces.add(a_trace("large", LARGE))
            then()

    for then in (lambda: None, lambda: house.store.traces.add(a_trace("late", 10))):
        with pytest.raises(StorageError, match="undone after an earlier error"):
            hide_it(then)
        assert stored(house) == set()
    house.store.traces.add(a_trace("next", 10))
    assert stored(house) == {"next"}
