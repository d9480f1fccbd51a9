from __future__ import annotations

import threading
from concurrent.futures import Future

import pytest

from ratchet.errors import StorageError
from ratchet.storage.journal import MOST_PER_COMMIT
from ratchet.storage.sql_store import SqlStore
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP, a_lesson, a_trace

PATIENCE_S = 10


class Held:
    """Keeps the journal's thread busy, so that what is submitted meanwhile shares the next commit."""

    def __init__(self, store: SqlStore) -> None:
        self._free, self._began = threading.Event(), threading.Event()
        self._write = store.submit(self._wait)
        self._began.wait(PATIENCE_S)

    def _wait(self) -> None:
        self._began.set()
        self._free.wait(PATIENCE_S)

    def let_go(self) -> None:
        self._free.set()
        self._write.result(PATIENCE_S)


def stored(place: SqlitePlace) -> list[str]:
    return [row[0] for row in place.sql("SELECT id FROM traces ORDER BY id")]


def add(store: SqlStore, key: str) -> Future[bool]:
    return store.submit(lambda: store.traces.add(a_trace(key)))


def test_a_write_gives_its_result(store: SqlStore) -> None:
    assert add(store, "t1").result(PATIENCE_S) is True
    assert add(store, "t1").result(PATIENCE_S) is False


def test_a_future_resolves_only_after_its_commit(store: SqlStore, place: SqlitePlace) -> None:
    held = Held(store)
    seen: list[tuple[str, list[str]]] = []
    first, last, pause = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        first.set()
        pause.wait(PATIENCE_S)

    early = add(store, "t1")
    early.add_done_callback(lambda _: (seen.append(("when resolved", stored(place))), last.set()))
    store.submit(slow)
    held.let_go()
    assert first.wait(PATIENCE_S), "the second write of the batch has begun, so the first has run"
    assert not early.done()
    assert stored(place) == []
    pause.set()
    assert last.wait(PATIENCE_S)
    assert seen == [("when resolved", ["t1"])]


def test_a_failing_write_takes_nothing_else_with_it(store: SqlStore, place: SqlitePlace) -> None:
    def half_done() -> None:
        store.traces.add(a_trace("half"))
        store.audit.append(1.0, "ana", "half", APP, "half", {})
        raise ValueError("the other half failed")

    held = Held(store)
    before, failing, after = add(store, "t1"), store.submit(half_done), add(store, "t2")
    held.let_go()
    assert before.result(PATIENCE_S)
    assert after.result(PATIENCE_S)
    with pytest.raises(ValueError, match="the other half failed"):
        failing.result(PATIENCE_S)
    assert stored(place) == ["t1", "t2"]
    assert place.sql("SELECT count(*) FROM audit") == [(0,)]


def test_a_write_the_database_refuses_fails_alone_with_a_storage_error(store: SqlStore, place: SqlitePlace) -> None:
    held = Held(store)
    before, failing, after = add(store, "t1"), store.submit(lambda: store.lessons.add(a_lesson())), add(store, "t2")
    held.let_go()
    with pytest.raises(StorageError, match="FOREIGN KEY") as raised:
        failing.result(PATIENCE_S)
    assert str(place.path) in raised.value.what
    assert before.result(PATIENCE_S)
    assert after.result(PATIENCE_S)
    assert stored(place) == ["t1", "t2"]


def test_a_transaction_inside_a_write_belongs_to_the_write(store: SqlStore, place: SqlitePlace) -> None:
    def write() -> None:
        with store.transaction():
            store.traces.add(a_trace("inner"))
        raise ValueError("after the inner one")

    with pytest.raises(ValueError, match="after the inner one"):
        store.submit(write).result(PATIENCE_S)
    assert stored(place) == []


def test_a_caller_who_gives_up_harms_nobody(store: SqlStore, place: SqlitePlace) -> None:
    held = Held(store)
    given_up, kept = add(store, "t1"), add(store, "t2")
    assert given_up.cancel()
    held.let_go()
    assert kept.result(PATIENCE_S)
    assert add(store, "t3").result(PATIENCE_S)
    assert stored(place) == ["t2", "t3"]


def test_a_write_that_tries_to_exit_does_not_end_the_journal(store: SqlStore, place: SqlitePlace) -> None:
    def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        store.submit(leave).result(PATIENCE_S)
    assert add(store, "t1").result(PATIENCE_S)
    assert stored(place) == ["t1"]


def test_writes_keep_their_order(store: SqlStore) -> None:
    held, order = Held(store), []
    waiting = [store.submit(lambda n=number: order.append(n)) for number in range(300)]
    held.let_go()
    waiting[-1].result(PATIENCE_S)
    assert order == list(range(300))


def test_closing_writes_what_waits(store: SqlStore, place: SqlitePlace) -> None:
    held = Held(store)
    waiting = [add(store, f"t{number:04d}") for number in range(MOST_PER_COMMIT + 100)]
    closing = threading.Thread(target=store.close)
    closing.start()
    held.let_go()
    closing.join(PATIENCE_S)
    assert all(future.result(0) for future in waiting)
    assert stored(place) == [f"t{number:04d}" for number in range(MOST_PER_COMMIT + 100)]


def test_many_threads_lose_and_double_nothing(store: SqlStore, place: SqlitePlace) -> None:
    def work(name: str) -> None:
        for number in range(50):
            add(store, f"{name}-{number:02d}").result(PATIENCE_S)

    threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stored(place) == [f"w{name}-{number:02d}" for name in range(6) for number in range(50)]
