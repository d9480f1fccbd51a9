"""Writes that fail in the journal, made to fail by the database itself."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import pytest

from ratchet.errors import InvalidInput, StorageError
from ratchet.records.trace import Trace
from ratchet.stages.capture.intake import record_trace
from ratchet.wiring import House
from tests.faults.conftest import OpenAt, ask_sqlite

PATIENCE_S = 10


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ratchet.db"


@pytest.fixture
def house(path: Path, open_at: OpenAt) -> House:
    return open_at(path)


def forbid(path: Path, how: str) -> None:
    """Let the database refuse the trace "bad", by undoing the statement or the whole transaction."""
    ask_sqlite(
        path,
        f"CREATE TRIGGER refuse BEFORE INSERT ON traces WHEN new.id = 'bad' BEGIN SELECT RAISE({how}, 'no'); END",
    )


def together(house: House, *keys: str) -> dict[str, Future[str]]:
    """Capture traces of these ids in one commit."""
    began, go = threading.Event(), threading.Event()
    house.store.submit(lambda: (began.set(), go.wait(PATIENCE_S)))
    began.wait(PATIENCE_S)
    traces = [Trace(id=key, app="app", at=1.0, input="x", output="") for key in keys]
    waiting = {trace.id: house.store.submit(partial(record_trace, house.outside, trace)) for trace in traces}
    go.set()
    return waiting


def outcomes(waiting: dict[str, Future[str]]) -> dict[str, object]:
    return {key: future.exception(PATIENCE_S) or future.result() for key, future in waiting.items()}


def test_a_refused_row_fails_alone(house: House, path: Path) -> None:
    forbid(path, "ABORT")
    said = outcomes(together(house, "t1", "bad", "t2"))
    assert isinstance(said.pop("bad"), StorageError)
    assert said == {"t1": "stored", "t2": "stored"}
    assert ask_sqlite(path, "SELECT id FROM traces ORDER BY id") == [("t1",), ("t2",)]
    assert house.store.feedback.tallies("app") == {"received": 2, "stored": 2}


def test_invalid_input_fails_alone(house: House, path: Path) -> None:
    said = outcomes(together(house, "t1", "x" * 65, "t2"))
    assert isinstance(said.pop("x" * 65), InvalidInput)
    assert said == {"t1": "stored", "t2": "stored"}
    assert house.store.feedback.tallies("app") == {"received": 2, "stored": 2}


def test_when_the_database_undoes_the_whole_commit_nothing_of_it_is_acknowledged(house: House, path: Path) -> None:
    forbid(path, "ROLLBACK")
    said = outcomes(together(house, "t1", "bad", "t2"))
    assert all(isinstance(error, StorageError) for error in said.values())
    assert ask_sqlite(path, "SELECT count(*) FROM traces") == [(0,)]
    assert outcomes(together(house, "t1", "t2")) == {"t1": "stored", "t2": "stored"}
    assert house.store.feedback.tallies("app") == {"received": 2, "stored": 2}


def test_the_error_names_the_file(house: House, path: Path) -> None:
    forbid(path, "ABORT")
    error = outcomes(together(house, "bad"))["bad"]
    assert isinstance(error, StorageError)
    assert str(path) in error.what
    assert error.fix
