from __future__ import annotations

import contextlib
import threading

import pytest

from ratchet.errors import StorageError
from ratchet.storage.sql_store import SqlStore
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP, a_case, a_trace, an_app, an_assessment, feedback


class Interrupted(Exception):
    """Stands for whatever goes wrong half way."""


def change_everything(store: SqlStore) -> None:
    store.apps.put(an_app())
    store.traces.add(a_trace())
    store.feedback.add(feedback(thumb="down"))
    store.feedback.tally(APP, "stored")
    store.traces.assess(an_assessment())
    store.cases.open(a_case())
    store.releases.point(APP, 1, expected=0)
    store.audit.append(1.0, "ana", "all.changed", APP, "everything", {})


def rows(place: SqlitePlace) -> dict[str, int]:
    names = ("apps", "traces", "feedback", "scores", "tallies", "assessments", "cases", "active_releases", "audit")
    return {name: place.sql(f"SELECT count(*) FROM {name}")[0][0] for name in names}


def test_all_of_it_is_committed_together(store: SqlStore, place: SqlitePlace) -> None:
    with store.transaction():
        change_everything(store)
        assert set(rows(place).values()) == {0}
    assert set(rows(place).values()) == {1}


def test_an_exception_undoes_all_of_it_with_the_audit_entry(store: SqlStore, place: SqlitePlace) -> None:
    with contextlib.suppress(Interrupted), store.transaction():
        change_everything(store)
        raise Interrupted
    assert set(rows(place).values()) == {0}
    change_everything(store)
    assert set(rows(place).values()) == {1}


def test_a_transaction_inside_a_transaction_joins_it(store: SqlStore, place: SqlitePlace) -> None:
    with contextlib.suppress(Interrupted), store.transaction():
        with store.transaction():
            change_everything(store)
        with store.transaction():
            assert store.traces.get("t1") == a_trace()
        raise Interrupted
    assert set(rows(place).values()) == {0}


def test_inside_a_transaction_its_own_changes_are_read(store: SqlStore) -> None:
    with store.transaction():
        store.traces.add(a_trace())
        assert store.traces.count(APP) == 1


def test_other_threads_read_what_was_committed_and_wait_for_nothing(store: SqlStore) -> None:
    seen: list[int] = []
    with store.transaction():
        store.traces.add(a_trace())
        reader = threading.Thread(target=lambda: seen.append(store.traces.count(APP)))
        reader.start()
        reader.join(timeout=5)
    assert seen == [0]
    assert store.traces.count(APP) == 1


def test_other_threads_write_after_the_transaction(store: SqlStore) -> None:
    began = threading.Event()

    def write() -> None:
        began.set()
        store.traces.add(a_trace("t2"))

    writer = threading.Thread(target=write)
    with store.transaction():
        writer.start()
        began.wait()
        store.traces.add(a_trace("t1"))
        writer.join(timeout=0.1)
        assert writer.is_alive()
        assert store.traces.count(APP) == 1
    writer.join(timeout=5)
    assert store.traces.count(APP) == 2


def test_what_was_committed_is_there_after_a_restart(place: SqlitePlace) -> None:
    change_everything(place.open())
    again = place.open()
    assert again.traces.get("t1") == a_trace()
    assert again.cases.opened(APP) == [a_case()]
    assert again.releases.active(APP) == 1


def test_a_closed_store_says_so(store: SqlStore) -> None:
    store.close()
    store.close()
    for use in (
        lambda: store.traces.get("t1"),
        lambda: store.traces.add(a_trace()),
        lambda: store.submit(lambda: None),
    ):
        with pytest.raises(StorageError, match="closed") as raised:
            use()
        assert "Open it again" in raised.value.fix
