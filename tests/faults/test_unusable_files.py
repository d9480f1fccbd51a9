"""Paths that cannot hold a store: each is refused with an error that names it and says what to do."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet.errors import StorageError
from ratchet.records.trace import Trace
from ratchet.storage.sql_store import SqlStore
from tests.faults.conftest import OpenAt, ask_sqlite

AS_ROOT = os.geteuid() == 0


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A store with 200 traces, closed."""
    path = tmp_path / "ratchet.db"
    store = SqlStore.open(path)
    with store.transaction():
        for number in range(200):
            store.traces.add(Trace(id=f"t{number}", app="app", at=1.0, input="words " * 100, output=""))
    store.close()
    return path


def refused(path: Path, *, read_only: bool = False) -> StorageError:
    """The error with which the path is refused, on opening or on reading everything."""
    with pytest.raises(StorageError) as raised:
        open_and_read(path, read_only=read_only)
    assert str(path) in raised.value.what
    assert raised.value.fix.endswith(".")
    assert "Report this" not in raised.value.fix
    return raised.value


def open_and_read(path: Path, *, read_only: bool = False) -> list[Trace]:
    store = SqlStore.open(path, read_only=read_only)
    try:
        return store.traces.recent("app", 1_000)
    finally:
        store.close()


def spoil(path: Path, start: int, end: int) -> None:
    seed = 11
    print(f"seed {seed}")
    data = bytearray(path.read_bytes())
    data[start:end] = random.Random(seed).randbytes(end - start)
    path.write_bytes(data)


def test_what_was_written_can_be_read(written: Path) -> None:
    assert len(open_and_read(written)) == 200


def test_a_folder(tmp_path: Path) -> None:
    error = refused(tmp_path)
    assert "is a folder" in error.what
    assert str(tmp_path / "ratchet.db") in error.fix
    assert list(tmp_path.parent.glob(f"{tmp_path.name}.lock")) == []


def test_a_folder_that_does_not_exist(tmp_path: Path) -> None:
    error = refused(tmp_path / "nowhere" / "ratchet.db")
    assert "No such file or directory" in error.what
    assert "folder exists" in error.fix


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    assert "Not a directory" in refused(tmp_path / "file" / "ratchet.db").what


def test_a_folder_in_which_nobody_may_write(tmp_path: Path) -> None:
    if not Path("/proc/self").exists():
        pytest.skip("there is no /proc here")
    error = refused(Path("/proc/ratchet.db"))
    assert "cannot be" in error.what
    assert "folder" in error.fix


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_not_a_database(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "notes.txt"
    text = "This is a letter to my aunt.\n" * 50
    path.write_text(text)
    error = refused(path, read_only=read_only)
    assert "is not a Ratchet database" in error.what
    assert "another --store" in error.fix
    assert path.read_text() == text


def test_a_header_that_was_overwritten(written: Path) -> None:
    spoil(written, 0, 16)
    assert "is not a Ratchet database" in refused(written).what


def test_a_file_that_was_cut_in_half(written: Path) -> None:
    os.truncate(written, written.stat().st_size // 2)
    error = refused(written)
    assert "is damaged" in error.what
    assert "backup" in error.fix


def test_pages_that_were_overwritten(written: Path) -> None:
    spoil(written, 4096, written.stat().st_size)
    assert "is damaged" in refused(written).what


def test_a_file_of_a_newer_version(written: Path) -> None:
    ask_sqlite(written, "UPDATE alembic_version SET version_num = '0999'")
    error = refused(written)
    assert "schema 0999" in error.what
    assert "Install" in error.fix


def test_reading_only_what_does_not_exist_makes_no_file(tmp_path: Path) -> None:
    error = refused(tmp_path / "ratchet.db", read_only=True)
    assert "cannot be opened" in error.what
    assert list(tmp_path.iterdir()) == []


def test_reading_only_a_database_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    ask_sqlite(path, "CREATE TABLE songs (name TEXT)")
    assert "is not a Ratchet database" in refused(path, read_only=True).what
    assert ask_sqlite(path, "SELECT name FROM sqlite_master") == [("songs",)]


def test_a_file_that_is_refused_can_be_put_right_and_opened(written: Path) -> None:
    whole = written.read_bytes()
    spoil(written, 0, 16)
    refused(written)
    written.write_bytes(whole)
    assert len(open_and_read(written)) == 200


class TestReadOnlyForRootToo:
    def test_a_file_system_mounted_for_reading(self, mount: Callable[..., Path]) -> None:
        folder = mount("-t", "tmpfs", "-o", "size=4m", "tmpfs")
        SqlStore.open(folder / "ratchet.db").close()
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        error = refused(folder / "ratchet.db")
        assert "Read-only file system" in error.what
        assert "Give write permission" in error.fix

    def test_a_file_mounted_for_reading(self, mount: Callable[..., Path], written: Path, open_at: OpenAt) -> None:
        mount("--bind", str(written), at=written)
        subprocess.run(["mount", "-o", "remount,ro,bind", str(written)], check=True)
        with pytest.raises(StorageError, match="is read-only") as raised:
            SqlStore.open(written).traces.add(Trace(id="new", app="app", at=1.0, input="x", output=""))
        assert str(written) in raised.value.what
        assert "Give write permission" in raised.value.fix


@pytest.mark.skipif(AS_ROOT, reason="file modes do not bind root")
class TestReadOnlyByMode:
    def test_a_folder(self, written: Path) -> None:
        (written.parent / "ratchet.db.lock").unlink(missing_ok=True)
        written.parent.chmod(0o555)
        try:
            assert "Give write permission" in refused(written).fix
        finally:
            written.parent.chmod(0o755)

    def test_a_file_that_may_not_be_read(self, written: Path) -> None:
        written.chmod(0)
        assert "cannot be opened" in refused(written).what
