"""Checks of the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ratchet.cli.checks import machine
from ratchet.storage import database


@pytest.mark.parametrize(("version", "state"), [((3, 10, 14), "fail"), ((3, 11, 0), "ok"), ((3, 14, 1), "ok")])
def test_python_must_be_new_enough(version: tuple[int, ...], state: str) -> None:
    assert machine.python(version).state == state
    assert machine.python().state == "ok"


@pytest.mark.parametrize(
    ("version", "state"),
    [
        ("3.6.23", "ok"), ("3.7.0", "warn"), ("3.40.1", "warn"), ("3.44.5", "warn"), ("3.44.6", "ok"),
        ("3.45.0", "warn"), ("3.50.6", "warn"), ("3.50.7", "ok"), ("3.51.2", "warn"), ("3.51.3", "ok"),
        ("3.53.4", "ok"),
    ],
)  # fmt: skip
def test_sqlite_builds_that_may_damage_a_file_are_named(version: str, state: str) -> None:
    found = machine.sqlite("sqlite3", version)
    assert found.state == state
    assert f"{version} (module sqlite3)" in found.what
    assert ("pysqlite3" in found.fix) == (state == "warn")


def test_the_sqlite_build_that_is_checked_is_the_one_of_the_store() -> None:
    assert machine.sqlite_module() is database.sqlite_module()


def test_what_is_installed_here_is_enough() -> None:
    own = machine.own_requirements()
    assert any(line.startswith("sqlalchemy") for line in own)
    assert machine.packages(own).state in ("ok", "warn")
    assert machine.packages([]).what == "no extras"


@pytest.mark.parametrize(
    ("lines", "state", "said"),
    [
        (["numpy>=2", "no-such-package>=1"], "fail", "Not installed: no-such-package."),
        (["no-such-package; platform_system == 'Nowhere'", "no-such-thing; extra == 'dev'"], "ok", "no extras"),
        (["numpy; extra == 'a'", "no-such; extra == 'a'"], "warn", "[a] lacks no-such"),
        (["numpy; extra == 'a'", "no-such; extra == 'b'"], "ok", "extras a (not installed: b)"),
        (["numpy[x]>=2; extra == 'a' and python_version > '3'"], "ok", "extras a"),
    ],
)
def test_missing_packages_are_named(lines: list[str], state: str, said: str) -> None:
    found = machine.packages(lines)
    assert (found.state, said in found.what) == (state, True), found


@pytest.mark.parametrize(("free", "state"), [(10**11, "ok"), (5 * 10**8, "warn"), (10**7, "fail")])
def test_a_full_disk_is_told(tmp_path: Path, free: int, state: str) -> None:
    assert machine.disk(tmp_path, free).state == state


def test_the_disk_of_a_folder_that_is_not_there_is_that_of_the_folder_around_it(tmp_path: Path) -> None:
    assert str(tmp_path) in machine.disk(tmp_path / "a" / "b").what


@pytest.mark.parametrize(("limit", "state"), [(256, "warn"), (1024, "ok"), (2**63 - 1, "ok")])
def test_a_low_limit_of_open_files_is_told(limit: int, state: str) -> None:
    assert machine.open_files(limit).state == state
    assert machine.open_files().check == "open files"


def test_a_clock_in_the_past_is_told(tmp_path: Path) -> None:
    store = tmp_path / "ratchet.db"
    assert machine.clock(store).state == "ok"
    assert machine.clock(store, 0.0).state == "fail"
    store.touch()
    os.utime(store, (2_000_000_000, 2_000_000_000))
    assert machine.clock(store, 2_000_000_000 - 299).state == "ok"
    late = machine.clock(store, 2_000_000_000 - 3600)
    assert (late.state, "60 minutes later" in late.what) == ("warn", True)
