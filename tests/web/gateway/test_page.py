"""What the page on the gateway and the example tell a newcomer to type works, against ``ratchet serve`` itself."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from ratchet.settings import AppSettings, ProviderSettings
from ratchet.web.gateway import breaker, earlier, rungs, upstream
from tests.command import PROGRAM
from tests.docs.pages import ROOT, fenced

PAGE = ROOT / "docs" / "gateway.md"
EXAMPLE = ROOT / "examples" / "gateway" / "ask.py"
LONGEST_START_S = 60.0


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service over the project that ``ratchet init`` makes."""
    folder = tmp_path_factory.mktemp("newcomer")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RATCHET_")}
    environment = {**kept, "RATCHET_EMBEDDER": "lexical", "RATCHET_CACHE": str(folder / "cache")}
    subprocess.run([*PROGRAM, "init", str(folder)], check=True, env=environment, capture_output=True, timeout=60)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (folder / "said.txt").open("w") as said:
        command = [*PROGRAM, "serve", "--port", str(port)]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=said, stderr=said)
    try:
        until = time.monotonic() + LONGEST_START_S
        while not answers(f"http://127.0.0.1:{port}/readyz"):
            assert process.poll() is None, (folder / "said.txt").read_text()
            assert time.monotonic() < until
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def test_the_blocks_of_the_page_run(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = fenced(PAGE, "python")
    assert len(blocks) == 3
    names: dict[str, Any] = {"__name__": "page"}
    for block in blocks:
        exec(compile(block.replace("http://127.0.0.1:8400", url), str(PAGE), "exec"), names)
    assert capsys.readouterr().out.count("You can return a lamp") == 3
    names["client"].close()


def test_the_example_prints_what_its_page_shows_and_says_when_it_was_played_before(url: str) -> None:
    shown = re.search(r"ask\.py\n(kim asks.*?)```", EXAMPLE.with_name("README.md").read_text(), re.DOTALL)
    assert shown is not None
    command, environment = [sys.executable, str(EXAMPLE)], {**os.environ, "RATCHET_URL": url}
    first = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert first.stdout == shown[1], first.stderr
    again = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert "earlier run" in again.stdout, again.stderr


def test_the_example_is_short() -> None:
    assert EXAMPLE.read_text().count("\n") < 100


def test_the_figures_of_the_page_are_those_of_the_program() -> None:
    page = PAGE.read_text()
    provider, app = ProviderSettings(name="x", base_url="http://x"), AppSettings(name="x")
    assert f"| `connect_timeout_s` | {provider.connect_timeout_s:g} s |" in page
    assert f"| `read_timeout_s` | {provider.read_timeout_s:g} s |" in page
    assert f"| ten times `read_timeout_s` | {provider.read_timeout_s * upstream.WHOLE_TAKES:g} s |" in page
    assert f"| `retries` | {provider.retries} |" in page
    assert f"({app.learned_budget_s:g} s unless" in page
    assert f"tried again after {rungs.AGAIN_S:g} s" in page
    assert f"the last {earlier.MOST_KEPT:,} responses" in page
    assert (breaker.IN_A_ROW, breaker.LOOKED_AT, breaker.FAILING_SHARE) == (5, 20, 0.5)
    assert f"After {breaker.OPEN_S:g} to\n{breaker.OPEN_S * 1.2:g} s one call may try" in page
    for status in upstream.FAILURES:
        assert str(status) in page
