"""Checks of the store: it is looked at, and stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ratchet.cli.checks import store as checks
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.storage.database import sqlite_module
from ratchet.storage.migrations.upgrade import HEAD
from ratchet.wiring import House
from tests.conftest import LABELS


@pytest.fixture
def path(house: House, tmp_path: Path) -> Path:
    """A closed store with one app."""
    house.declare("triage", "classify", labels=LABELS)
    house.close()
    return tmp_path / "ratchet.db"


def beside(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}


def states(path: Path) -> dict[str, str]:
    return {finding.check: finding.state for finding in checks.check(path)}


def edit(path: Path, statement: str) -> None:
    with closing(sqlite_module().connect(path)) as connection, connection:
        connection.execute(statement)


def test_the_newest_schema_is_the_one_that_the_storage_makes() -> None:
    assert checks.newest_schema() == HEAD


def test_a_store_in_order_passes_and_is_not_touched(path: Path) -> None:
    before = beside(path)
    assert states(path) == {"store": "ok", "owner": "ok", "schema": "ok"}
    assert checks.look(path) == checks.Look(schema=HEAD, apps={"triage": ("classify", LexicalEmbedder.fingerprint)})
    assert checks.owner(path).what == "No process owns it."
    assert beside(path) == before


def test_a_store_in_use_is_read_beside_its_owner(path: Path, open_store: Callable[[], House]) -> None:
    running = open_store()
    running.declare("support", "answer")
    assert checks.owner(path).what == f"A running process owns the store (pid {os.getpid()})."
    assert set(checks.look(path).apps) == {"triage", "support"}
    running.declare("later", "answer")  # the owner was not disturbed
    assert set(checks.look(path).apps) == {"triage", "support", "later"}


def test_a_store_whose_owner_was_cut_off_is_told(path: Path) -> None:
    path.with_name("ratchet.db-wal").write_bytes(b"what was written last")
    assert "cut off" in checks.owner(path).what


def test_a_service_for_others_needs_a_key(path: Path, tmp_path: Path) -> None:
    assert list(checks.access(path, "127.0.0.1")) == []
    assert [finding.state for finding in checks.access(path, "0.0.0.0")] == ["warn"]
    assert [finding.state for finding in checks.access(tmp_path / "new.db", "0.0.0.0")] == ["warn"]
    columns = "id, name, kind, scopes, apps, origins, at, revoked_at, secret_hash"
    edit(path, f"INSERT INTO keys ({columns}) VALUES ('a', 'old', 'secret', '[]', '[]', '[]', 1, 2, 'x')")
    edit(path, f"INSERT INTO keys ({columns}) VALUES ('b', 'page', 'browser', '[]', '[]', '[]', 1, NULL, 'y')")
    assert [finding.state for finding in checks.access(path, "0.0.0.0")] == ["warn"]
    edit(path, f"INSERT INTO keys ({columns}) VALUES ('c', 'new', 'secret', '[]', '[]', '[]', 1, NULL, 'z')")
    assert [(finding.state, finding.what) for finding in checks.access(path, "0.0.0.0")] == [
        ("ok", "1 secret, not revoked")
    ]
    (tmp_path / "text.db").write_text("words " * 1000)
    assert list(checks.access(tmp_path / "text.db", "0.0.0.0")) == []


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    assert states(tmp_path / "new.db") == {"store": "ok"}
    assert states(tmp_path / "no" / "new.db") == {"store": "fail"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("version", "state", "said"), [("0000", "warn", "brings it up to date"), ("9999", "fail", "a newer one")]
)
def test_a_store_of_another_version_is_told(path: Path, version: str, state: str, said: str) -> None:
    edit(path, f"UPDATE alembic_version SET version_num = '{version}'")
    found = checks.schema(path)
    assert (found.state, said in found.fix) == (state, True), found


def test_what_is_not_a_store_is_told(path: Path, tmp_path: Path) -> None:
    edit(tmp_path / "other.db", "CREATE TABLE mine (x)")
    assert states(tmp_path / "other.db") == {"store": "ok", "owner": "ok", "schema": "fail"}
    (tmp_path / "text.db").write_text("words")
    assert states(tmp_path / "text.db") == {"store": "fail"}
    assert states(tmp_path) == {"store": "fail"}


def test_a_damaged_store_is_told(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + b"\xff" * 4000)
    assert states(path)["schema"] == "fail"
    with pytest.raises(ValueError, match=r"."):
        checks.look(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everything")
def test_a_store_that_may_only_be_read_is_told(path: Path) -> None:
    path.chmod(0o444)
    assert states(path) == {"store": "fail"}
    path.chmod(0o644)
    path.parent.chmod(0o555)
    try:
        assert states(path) == {"store": "fail"}
        assert states(path.with_name("new.db")) == {"store": "fail"}
    finally:
        path.parent.chmod(0o755)
