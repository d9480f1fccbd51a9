"""``ratchet doctor``: every check in one list, the exit code, JSON; and nothing is made or changed."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import typer

from ratchet import Ratchet
from ratchet.cli.console import console
from ratchet.cli.doctor import doctor
from ratchet.project.starter import write_project
from tests.unit.cli.checks.serving import HEALTHY, serving

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lexical embedder and a free port, with no other setting."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    for name in ("RATCHET_STORE", "RATCHET_PROJECT", "RATCHET_URL", "RATCHET_API_KEY", "RATCHET_HOST"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RATCHET_EMBEDDER", "lexical")
    monkeypatch.setenv("RATCHET_PORT", str(port))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_width", 200)


def as_json(capture: Capture, project: Path | None = None, *, code: int = 0) -> dict[str, str]:
    """The state of every check."""
    capture.readouterr()
    ended = 0
    try:
        doctor(project=project, as_json=True)
    except typer.Exit as exited:
        ended = exited.exit_code
    printed = json.loads(capture.readouterr().out)
    assert (ended, printed["ok"]) == (code, not code)
    for check in printed["checks"]:
        assert set(check) == {"check", "state", "what", "fix"}
        assert bool(check["fix"]) == (check["state"] != "ok")
    return {check["check"]: check["state"] for check in printed["checks"]}


def test_a_fresh_project_passes_every_check(tmp_path: Path, capsys: Capture) -> None:
    write_project(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    found = as_json(capsys)
    names = ["Python", "packages", "SQLite", "open files", "ratchet.toml", "app support", "embedder", "store", "disk",
             "clock", "port"]  # fmt: skip
    assert list(found) == names
    assert {name for name, state in found.items() if state == "fail"} == set()
    assert found["embedder"] == "warn"
    assert sorted(tmp_path.rglob("*")) == before


def test_it_says_what_is_wrong_in_words_with_the_fix_below(tmp_path: Path, capsys: Capture) -> None:
    write_project(tmp_path / "shop")
    doctor(project=tmp_path / "shop")
    printed = capsys.readouterr().out
    assert "ok    app support          offline, 15 passages\n" in printed
    assert "warn  embedder             The lexical embedder compares words" in printed
    assert "\n      fix:                 " in printed
    assert " checks: 0 failed, " in printed


def test_a_project_that_cannot_be_used_fails_with_its_line(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "ratchet.toml").write_text("[service]\n\nport = '[red]8400'\n")
    with pytest.raises(typer.Exit) as ended:
        doctor()
    assert ended.value.exit_code == 1
    printed = capsys.readouterr().out
    assert "fail  ratchet.toml         ratchet.toml, line 3: port of [service] is a text" in printed
    assert "embedder  " not in printed


def test_a_named_project_that_is_not_there_fails(tmp_path: Path, capsys: Capture) -> None:
    assert as_json(capsys, tmp_path / "nowhere", code=1)["ratchet.toml"] == "fail"


def test_without_a_project_the_defaults_are_checked(capsys: Capture) -> None:
    found = as_json(capsys)
    assert (found["ratchet.toml"], found["store"]) == ("warn", "ok")


def test_a_running_service_and_its_store_are_found(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        Ratchet(tmp_path / "ratchet.db") as loop,
        serving({"/healthz": (200, HEALTHY), "/v1/apps": (200, [])}) as where,
    ):
        loop.offline("support")("hello")
        monkeypatch.setenv("RATCHET_PORT", str(where[1]))
        monkeypatch.setenv("RATCHET_URL", where[0])
        doctor()
    printed = capsys.readouterr().out
    assert "A running process owns the store" in printed
    assert "A Ratchet service runs at" in printed
    assert "ok    RATCHET_API_KEY      No key is needed." in printed


def test_a_store_that_another_embedder_made_fails(tmp_path: Path, capsys: Capture) -> None:
    from ratchet.storage.database import sqlite_module

    with Ratchet(tmp_path / "ratchet.db") as loop:
        loop.offline("support")("hello")
    connection = sqlite_module().connect(tmp_path / "ratchet.db")
    with connection:
        connection.execute("UPDATE apps SET embedder = 'another'")
    connection.close()
    before = (tmp_path / "ratchet.db").read_bytes()
    assert as_json(capsys, code=1)["embedder and store"] == "fail"
    assert (tmp_path / "ratchet.db").read_bytes() == before
