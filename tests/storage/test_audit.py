from __future__ import annotations

import threading

import pytest

from ratchet.interfaces import Store
from ratchet.records.audit import GENESIS, AuditEntry
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP


def is_intact(entries: list[AuditEntry]) -> bool:
    previous = [GENESIS, *(entry.hash for entry in entries)]
    return all(entry.is_intact(before) for entry, before in zip(entries, previous, strict=False))


def append(store: Store, subject: str, app: str = APP) -> None:
    store.audit.append(1.5, "ana", "case.opened", app, subject, {"reasons": ["ä", "b"], "n": 3})


def test_entries_are_numbered_and_chained(store: Store) -> None:
    for number in range(5):
        append(store, f"c{number}")
    entries = store.audit.entries()
    assert [(entry.sequence, entry.subject, entry.at) for entry in entries] == [
        (number + 1, f"c{number}", 1_500_000) for number in range(5)
    ]
    assert entries[0].details == {"reasons": ["ä", "b"], "n": 3}
    assert is_intact(entries)


def test_an_apps_entries_are_picked_from_the_one_chain(store: Store) -> None:
    for app in (APP, "other", APP):
        append(store, f"of {app}", app)
    assert [entry.sequence for entry in store.audit.entries(APP)] == [1, 3]
    assert is_intact(store.audit.entries())


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit SET actor = 'mallory' WHERE sequence = 2",
        "UPDATE audit SET details = replace(details, '3', '4') WHERE sequence = 2",
        "UPDATE audit SET at = at + 1 WHERE sequence = 3",
        "DELETE FROM audit WHERE sequence = 2",
        "UPDATE audit SET previous = hash WHERE sequence = 1",
    ],
)
def test_any_alteration_breaks_the_chain(store: Store, place: SqlitePlace, change: str) -> None:
    for number in range(4):
        append(store, f"c{number}")
    assert is_intact(store.audit.entries())
    place.sql(change)
    assert not is_intact(store.audit.entries())


def test_writers_at_once_make_one_chain(store: Store) -> None:
    threads = [threading.Thread(target=lambda: [append(store, "c") for _ in range(20)]) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.audit.entries()) == 100
    assert is_intact(store.audit.entries())
