"""Other programs on the same file: a second owner, and a stranger who holds SQLite's own lock."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ratchet.errors import StorageError
from ratchet.records.trace import Trace
from ratchet.storage import database
from ratchet.storage.sql_store import SqlStore
from tests.faults.conftest import OpenAt, Spawn

TIMEOUT_MS = 300
OWNER = """
import sys, pathlib
from ratchet.storage.sql_store import SqlStore
store = SqlStore.open(pathlib.Path(sys.argv[1]))
print("OPEN", flush=True)
sys.stdin.read()
"""
STRANGER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement)
print("LOCKED", flush=True)
sys.stdin.read()
"""


def a_trace(key: str) -> Trace:
    return Trace(id=key, app="app", at=1.0, input="x", output="")


class TestASecondOwner:
    def test_is_refused_with_the_pid_of_the_first(self, tmp_path: Path, spawn: Spawn) -> None:
        path = tmp_path / "ratchet.db"
        owner = spawn("-c", OWNER, str(path))
        assert owner.stdout.readline() == "OPEN\n"
        with pytest.raises(StorageError) as raised:
            SqlStore.open(path)
        assert raised.value.what == f"{path} is in use by another process (pid {owner.pid})."
        assert "Stop that process" in raised.value.fix

    def test_may_look_at_what_the_first_has_committed(self, tmp_path: Path, spawn: Spawn) -> None:
        path = tmp_path / "ratchet.db"
        owner = spawn("-c", OWNER, str(path))
        assert owner.stdout.readline() == "OPEN\n"
        looking = SqlStore.open(path, read_only=True)
        assert looking.traces.count("app") == 0
        looking.close()

    def test_takes_over_once_the_first_was_killed(self, tmp_path: Path, spawn: Spawn) -> None:
        path = tmp_path / "ratchet.db"
        owner = spawn("-c", OWNER, str(path))
        assert owner.stdout.readline() == "OPEN\n"
        owner.kill()
        owner.wait()
        store = SqlStore.open(path)
        assert store.traces.add(a_trace("t1"))
        store.close()

    def test_of_the_same_process_is_refused_too(self, tmp_path: Path, open_at: OpenAt) -> None:
        house = open_at(tmp_path / "ratchet.db")
        with pytest.raises(StorageError, match="in use by"):
            SqlStore.open(tmp_path / "ratchet.db")
        assert house.store.traces.add(a_trace("t1"))


class TestAStrangersLock:
    @pytest.fixture(autouse=True)
    def _impatient(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", TIMEOUT_MS)

    def test_is_waited_for_and_then_named_while_reading_goes_on(
        self, tmp_path: Path, spawn: Spawn, open_at: OpenAt
    ) -> None:
        path = tmp_path / "ratchet.db"
        house = open_at(path)
        house.store.traces.add(a_trace("t1"))
        stranger = spawn("-c", STRANGER, str(path), "BEGIN EXCLUSIVE")
        assert stranger.stdout.readline() == "LOCKED\n"
        for write in (
            lambda: house.store.traces.add(a_trace("t2")),
            lambda: house.store.submit(lambda: house.store.traces.add(a_trace("t2"))).result(10),
        ):
            started = time.monotonic()
            with pytest.raises(StorageError) as raised:
                write()
            assert time.monotonic() - started >= TIMEOUT_MS / 1000
            assert raised.value.what == f"{path} is locked by another program."
            assert "Close the program" in raised.value.fix
            assert house.store.traces.count("app") == 1
        stranger.communicate("")
        assert house.store.traces.add(a_trace("t2"))
        assert house.store.submit(lambda: house.store.traces.add(a_trace("t3"))).result(10)

    def test_that_goes_in_time_is_not_noticed(self, tmp_path: Path, spawn: Spawn, open_at: OpenAt) -> None:
        house = open_at(tmp_path / "ratchet.db")
        stranger = spawn("-c", STRANGER, str(tmp_path / "ratchet.db"), "BEGIN EXCLUSIVE")
        assert stranger.stdout.readline() == "LOCKED\n"
        writing = house.store.submit(lambda: house.store.traces.add(a_trace("t1")))
        stranger.communicate("")
        assert writing.result(10)

    def test_on_the_whole_file_refuses_its_opening(self, tmp_path: Path, spawn: Spawn) -> None:
        path = tmp_path / "ratchet.db"
        SqlStore.open(path).close()
        stranger = spawn("-c", STRANGER, str(path), "PRAGMA locking_mode=EXCLUSIVE", "BEGIN EXCLUSIVE", "COMMIT")
        assert stranger.stdout.readline() == "LOCKED\n"
        with pytest.raises(StorageError, match="is locked by another program") as raised:
            SqlStore.open(path)
        assert str(path) in raised.value.what
        stranger.communicate("")
        SqlStore.open(path).close()
