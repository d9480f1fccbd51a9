"""One fixture, ``place``, stands for the database: another engine is another entry of ``ENGINES``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ratchet.storage.database import sqlite_module
from ratchet.storage.sql_store import SqlStore


class SqlitePlace:
    """A SQLite file: opened as a store, and looked at through a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._opened: list[SqlStore] = []

    def open(self) -> SqlStore:
        """The store, opened anew as a restarted process would."""
        self.close()
        self._opened.append(SqlStore.open(self.path))
        return self._opened[0]

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def sql(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What ``statement`` gives on a connection that shares nothing with the store."""
        connection = sqlite_module().connect(self.path, isolation_level=None)
        try:
            return list(connection.execute(statement, values).fetchall())
        finally:
            connection.close()


ENGINES = {"sqlite": SqlitePlace}


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty file to copy: running the migrations for each test would take most of the time."""
    path = tmp_path_factory.mktemp("empty") / "ratchet.db"
    SqlStore.open(path).close()
    return path


@pytest.fixture(params=list(ENGINES))
def place(request: pytest.FixtureRequest, empty_database: Path, tmp_path: Path) -> Iterator[SqlitePlace]:
    path = tmp_path / "ratchet.db"
    shutil.copy(empty_database, path)
    place = ENGINES[request.param](path)
    yield place
    place.close()


@pytest.fixture
def store(place: SqlitePlace) -> SqlStore:
    return place.open()
