"""The ``ratchet`` command in this process, over a small store such as a team might have."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ratchet import AppFunction, Ratchet
from ratchet.cli.console import console, errors
from ratchet.cli.main import run
from tests.conftest import LABELS

ENVIRONMENT = {"RATCHET_EMBEDDER": "lexical"}


@dataclass(frozen=True, slots=True)
class Done:
    """What a command left."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs ``ratchet`` with arguments and what is typed at it."""
    monkeypatch.setenv("RATCHET_EMBEDDER", "lexical")
    monkeypatch.delenv("RATCHET_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    for screen in (console, errors):
        monkeypatch.setattr(screen, "_width", 200)

    def call(*arguments: object, typed: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["ratchet", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        capsys.readouterr()
        try:
            run()
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        out, err = capsys.readouterr()
        return Done(code, out, err)

    return call


def complaint(loop: Ratchet, app: AppFunction, question: str) -> str:
    """Ask and complain; the id of the case."""
    reply = app(question, user="kim")
    assert loop.feedback(reply.id, app=app.name, user="kim", thumb="down", comment="[wrong] again").accepted
    return next(case.id for case in loop.cases(app.name) if case.trace_id == reply.id)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One app, two releases, two lessons, and two complaints that wait."""
    path = tmp_path_factory.mktemp("store") / "ratchet.db"
    with Ratchet(path, environment=ENVIRONMENT) as loop:
        triage = loop.offline("triage", kind="classify", labels=LABELS)
        for question, right in (("my parcel is late", "refund"), ("the login page has no money back", "account")):
            case = complaint(loop, triage, question)
            assert loop.decide(case, reviewer="ana", erred=True, answer=right).lesson
            assert loop.learn("triage").release is not None
        complaint(loop, triage, "password of the parcel")
        complaint(loop, triage, "shipping [red]costs[/red]")
    return path


@pytest.fixture
def store(original: Path, tmp_path: Path) -> Path:
    """A copy of that store."""
    for beside in original.parent.glob("ratchet.db*"):
        shutil.copy(beside, tmp_path / beside.name.replace("ratchet.db", "team.db"))
    return tmp_path / "team.db"
