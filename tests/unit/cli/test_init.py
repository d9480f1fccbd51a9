"""``ratchet init``: what it makes, what it prints, and what it leaves alone."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest

from ratchet.cli.console import console
from ratchet.cli.init import ASK, init
from ratchet.errors import Conflict
from ratchet.project.starter import starter_files


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(console, "_width", 200)


def test_it_makes_the_project_here_and_says_what_to_do_next(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    init()
    printed = capsys.readouterr().out
    for name in starter_files():
        assert (tmp_path / name).is_file()
        assert f"\n  {name.as_posix()}\n" in printed
    assert "\n  ratchet serve\n" in printed
    assert ASK in printed
    assert "\n  cd " not in printed


def test_it_makes_the_project_elsewhere_and_says_to_go_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    init(Path("shop"))
    assert (tmp_path / "shop" / "ratchet.toml").is_file()
    assert "\n  cd shop\n  ratchet serve\n" in capsys.readouterr().out


def test_twice_in_one_folder_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    init()
    capsys.readouterr()
    with pytest.raises(Conflict, match=r"ratchet\.toml already"):
        init()
    assert capsys.readouterr().out == ""


def test_the_program_it_prints_is_the_one_of_the_readme() -> None:
    program = textwrap.dedent(ASK)
    ast.parse(program)
    assert program in starter_files()[Path("README.md")]
