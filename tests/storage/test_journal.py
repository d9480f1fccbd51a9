from __future__ import annotations

import threading
from collections.abc import Callable
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


class TestRecordsWithAHandle:
    """Records that wait side by side for the same handle are handled in one call of it."""

    def handle(self, store: SqlStore, calls: list[list[str]]) -> Callable[[list[str]], list[bool]]:
        def add_all(keys: list[str]) -> list[bool]:
            calls.append(keys)
            return store.traces.add_many([a_trace(key) for key in keys])

        return add_all

    def test_are_grouped_and_each_gets_its_own_result(self, store: SqlStore, place: SqlitePlace) -> None:
        held, calls = Held(store), []
        add_all = self.handle(store, calls)
        waiting = [store.submit_each(add_all, key) for key in ("t1", "t2", "t1", "t3")]
        held.let_go()
        assert [future.result(PATIENCE_S) for future in waiting] == [True, True, False, True]
        assert calls == [["t1", "t2", "t1", "t3"]]
        assert stored(place) == ["t1", "t2", "t3"]

    def test_keep_their_place_among_other_writes(self, store: SqlStore) -> None:
        held, calls = Held(store), []
        add_all = self.handle(store, calls)
        first = [store.submit_each(add_all, key) for key in ("t1", "t2")]
        between = store.submit(lambda: calls.append(["between"]))
        last = store.submit_each(add_all, "t3")
        held.let_go()
        for future in (*first, between, last):
            future.result(PATIENCE_S)
        assert calls == [["t1", "t2"], ["between"], ["t3"]]

    def test_of_two_handles_are_not_mixed(self, store: SqlStore) -> None:
        held, one, two = Held(store), [], []
        handles = self.handle(store, one), self.handle(store, two)
        waiting = [store.submit_each(handles[number % 2], f"t{number}") for number in range(4)]
        held.let_go()
        assert all(future.result(PATIENCE_S) for future in waiting)
        assert (one, two) == ([["t0"], ["t2"]], [["t1"], ["t3"]])

    def test_fail_alone(self, store: SqlStore, place: SqlitePlace) -> None:
        def add_good(keys: list[str]) -> list[bool]:
            new = store.traces.add_many([a_trace(key) for key in keys])
            if "bad" in keys:
                raise ValueError("one of them is bad")
            return new

        held = Held(store)
        waiting = {key: store.submit_each(add_good, key) for key in ("t1", "bad", "t2", "t3")}
        beside = add(store, "t4")
        held.let_go()
        with pytest.raises(ValueError, match="one of them is bad"):
            waiting["bad"].result(PATIENCE_S)
        assert all(waiting[key].result(PATIENCE_S) for key in ("t1", "t2", "t3"))
        assert beside.result(PATIENCE_S)
        assert stored(place) == ["t1", "t2", "t3", "t4"], "and nothing of the bad one"

    def test_fail_alone_when_the_handle_gives_too_few_results(self, store: SqlStore, place: SqlitePlace) -> None:
        held = Held(store)
        forgetful = store.submit_each(lambda keys: [], "lost")
        good = add(store, "t1")
        held.let_go()
        with pytest.raises(ValueError, match="not enough values"):
            forgetful.result(PATIENCE_S)
        assert good.result(PATIENCE_S)
        assert stored(place) == ["t1"]

    def test_are_counted_while_they_wait(self, store: SqlStore) -> None:
        held = Held(store)
        assert store.depth() == 0
        waiting = [store.submit_each(self.handle(store, []), f"t{number}") for number in range(3)]
        assert store.depth() == 3
        held.let_go()
        for future in waiting:
            future.result(PATIENCE_S)
        assert store.depth() == 0

    def test_are_refused_once_the_store_is_closed(self, store: SqlStore) -> None:
        store.close()
        with pytest.raises(StorageError, match="closed"):
            store.submit_each(self.handle(store, []), "late")
