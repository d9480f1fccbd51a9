"""What the page on the SDK and the example tell a newcomer to type works, over a file and over the service."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import ROOT, fenced
from tests.unit.sdk.small_service import SmallService

PAGE = ROOT / "docs" / "sdk.md"
BOT = ROOT / "examples" / "support_bot" / "bot.py"


@pytest.fixture(params=["embedded", "http"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Environment variables of a program over a file of its own, and over the service."""
    chosen = {"RATCHET_EMBEDDER": "lexical", "RATCHET_STATE": str(tmp_path / "state")}
    if request.param == "http":
        service: SmallService = request.getfixturevalue("service")
        service.functions["support-bot"] = lambda question, learned: learned.passages[0].passage.text
        chosen["RATCHET_URL"] = service.url
    else:
        chosen["RATCHET_STORE"] = str(tmp_path / "ratchet.db")
    return chosen


def test_the_blocks_of_the_page_run_one_after_the_other(
    settings: dict[str, str], service: SmallService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RATCHET_URL", "RATCHET_STORE", "RATCHET_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    names: dict[str, Any] = {"__name__": "page", "my_model": lambda messages: "Sorry, only within 30 days."}
    blocks = fenced(PAGE, "python")
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block.replace("http://127.0.0.1:8400", service.url), str(PAGE), "exec"), names)
    assert names["reply"] == "Sorry, only within 30 days."
    assert names["given"].feedback_id
    names["loop"].close()


def test_the_example_prints_what_its_page_shows_and_remembers(settings: dict[str, str], tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")} | settings
    shown = re.search(r"bot\.py\n(kim asks.*?)```", BOT.with_name("README.md").read_text(), re.DOTALL)
    assert shown is not None
    command = [sys.executable, str(BOT)]
    first = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60)
    assert first.stdout == shown[1], first.stderr
    again = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=60)
    assert "corrected in an earlier run" in again.stdout, again.stderr


def test_the_example_is_short() -> None:
    assert BOT.read_text().count("\n") < 100
