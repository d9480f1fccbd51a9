"""Whose a store is: one owner, who may say where it can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.errors import StorageError
from ratchet.storage.database import owner_url
from ratchet.storage.sql_store import SqlStore
from tests.storage.conftest import SqlitePlace


def test_an_owner_that_serves_can_be_found_until_it_ends(place: SqlitePlace) -> None:
    assert owner_url(place.path) == ""
    store = place.open()
    assert owner_url(place.path) == "", "it serves nothing"
    for url in ("http://127.0.0.1:8400", "http://[::1]:80"):
        store.announce(url)
        assert owner_url(place.path) == url
    place.close()
    assert owner_url(place.path) == "", "an old lock file says nothing"
    place.open()
    assert owner_url(place.path) == "", "the next owner starts anew"


def test_asking_does_not_take_the_store(place: SqlitePlace) -> None:
    place.open()
    place.close()
    owner_url(place.path)
    place.open().apps.all()


def test_a_second_owner_is_refused_and_the_first_stays_known(place: SqlitePlace) -> None:
    store = place.open()
    store.announce("http://127.0.0.1:8400")
    with pytest.raises(StorageError, match="in use by another process"):
        SqlStore.open(place.path)
    assert owner_url(place.path) == "http://127.0.0.1:8400"


def test_a_reader_beside_the_owner_announces_nothing(place: SqlitePlace) -> None:
    place.open().announce("http://127.0.0.1:8400")
    reader = SqlStore.open(place.path, read_only=True)
    reader.announce("http://127.0.0.1:1")
    reader.close()
    assert owner_url(place.path) == "http://127.0.0.1:8400"


@pytest.mark.parametrize("content", [b"", b"12", b"12 \xff\xfe", b"no number at all"])
def test_a_lock_file_with_anything_in_it_is_nobodys(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ratchet.db"
    assert owner_url(path) == ""
    (tmp_path / "ratchet.db.lock").write_bytes(content)
    assert owner_url(path) == ""
