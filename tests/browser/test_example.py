"""The example page works as its README says: it asks the service, and its readers' ratings arrive there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import running
from tests.browser.conftest import Visit

EXAMPLE = Path(__file__).parents[2] / "examples" / "browser"


@pytest.fixture
def example(service: running.Service) -> Iterator[str]:
    """The address of the running example."""
    environment = {**os.environ, "RATCHET_URL": service.url, "PORT": "0"}
    command = [sys.executable, str(EXAMPLE / "serve.py")]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.match(r"http://\S+", process.stdout.readline())
            assert found
            yield found.group()
        finally:
            process.terminate()
            process.communicate(timeout=20)


def test_an_answer_is_shown_and_rated(visit: Visit, example: str) -> None:
    visit.page.goto(example)
    visit.page.get_by_label("Your question").fill("Parcels take how many working days?")
    visit.page.get_by_role("button", name="Ask", exact=True).click()
    answer = visit.page.locator("article")
    assert "Parcels take 2 to 4 working days." in answer.inner_text()
    name = answer.get_attribute("data-ratchet-id")
    assert name
    visit.page.get_by_role("radio", name="2 of 5 stars").click()
    visit.page.get_by_role("button", name="Answer again").click()
    visit.wait_for(name, lambda feedback: feedback["stars"] == 2)
    visit.wait_for(name, lambda feedback: feedback["signals"].get("regenerate") is True)
    assert visit.page.locator("article").get_attribute("data-ratchet-id") != name


def test_a_reader_can_say_no(visit: Visit, example: str) -> None:
    visit.page.goto(f"{example}/?question=How+long%3F")
    box = visit.page.get_by_role("checkbox")
    assert box.is_checked()
    box.uncheck()
    visit.page.reload()
    assert not visit.page.get_by_role("checkbox").is_checked()
    assert visit.page.evaluate("Ratchet.counting()") is False


def test_a_question_is_shown_as_text_whatever_it_holds(visit: Visit, example: str) -> None:
    visit.page.goto(example + "/?question=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E%22%24service")
    assert visit.page.locator("img").count() == 0
    assert visit.page.get_by_label("Your question").input_value() == '<img src=x onerror=alert(1)>"$service'


def test_it_says_so_when_no_service_answers(visit: Visit) -> None:
    environment = {**os.environ, "RATCHET_URL": "http://127.0.0.1:9", "PORT": "0"}
    code = f"import runpy; print(runpy.run_path({str(EXAMPLE / 'serve.py')!r})['conversation']('Hello?'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert "No Ratchet service answers at http://127.0.0.1:9" in done.stdout


def test_the_server_is_short() -> None:
    assert (EXAMPLE / "serve.py").read_text(encoding="utf-8").count("\n") < 100
