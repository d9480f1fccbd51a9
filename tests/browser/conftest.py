"""A real Chromium on a page of another origin than the service's."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from tests.browser import host, running

CHROMIUM = "/usr/bin/chromium"
SWITCHES = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
"""
LONGEST_WAIT_S = 10.0
_numbers = count(1)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """One browser for the tests of a file: while it lives, its event loop holds this thread, and no other may run."""
    if not os.access(CHROMIUM, os.X_OK):
        pytest.skip(f"needs Chromium at {CHROMIUM}")
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[running.Service]:
    with running.serving(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def site(service: running.Service) -> Iterator[host.Site]:
    with host.serving(service.url) as site:
        yield site


class Visit:
    """One visitor's look at a page with answers, and what the service got to hear of it."""

    def __init__(self, context: Any, service: running.Service, site: host.Site) -> None:
        self.page = context.new_page()
        self.service = service
        self.site = site
        self.complaints: list[str] = []
        self.may_complain = False
        self.sent: list[str] = []
        self.page.on("console", lambda said: said.type in ("error", "warning") and self.complaints.append(said.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", self._note)

    def _note(self, request: Any) -> None:
        if request.url.startswith(self.service.url) and request.method != "GET":
            self.sent.append(f"{request.method} {request.post_data}")

    def answer(self, text: str = "Parcels take 2 to 4 working days.", attributes: str = "") -> tuple[str, str]:
        """The markup of an answer that nobody has rated yet, and its id."""
        name = f"tr_{os.getpid()}_{next(_numbers)}"
        token = self.service.token(name)
        return f'<div data-ratchet-token="{token}" data-ratchet-id="{name}" {attributes}>{text}</div>', name

    def open(self, body: str, *, script: str = "", path: str = "/") -> Any:
        self.page.goto(self.site.put(path, body, script=script))
        return self.page

    def show(self, text: str = "Parcels take 2 to 4 working days.", attributes: str = "", script: str = "") -> str:
        """Open a page with one answer; returns the answer's id."""
        markup, name = self.answer(text, attributes)
        self.open(markup, script=script)
        return name

    def leave(self) -> None:
        """Go to another page, as a click on a link does."""
        self.page.goto(self.site.url + "/elsewhere")

    def received(self, name: str) -> list[dict[str, Any]]:
        """The feedback on this answer, oldest first."""
        return self.service.received(name)

    def wait_for(self, name: str, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first feedback on this answer that is as wanted."""
        until = time.monotonic() + LONGEST_WAIT_S
        while time.monotonic() < until:
            for feedback in self.received(name):
                if wanted(feedback):
                    return feedback
            self.page.wait_for_timeout(50)
        raise AssertionError(f"nothing of the kind arrived, only {self.received(name)}")

    def signals(self, name: str) -> dict[str, Any]:
        """The standing signals of this answer: for each name the last value."""
        return {key: value for feedback in self.received(name) for key, value in feedback["signals"].items()}


@pytest.fixture
def new_visit(chromium: Any, service: running.Service, site: host.Site) -> Iterator[Callable[..., Visit]]:
    """Makes visits in browsers of their own; afterwards none of their pages may have complained."""
    visits: list[Visit] = []
    contexts = []

    def make(**settings: Any) -> Visit:
        context = chromium.new_context(**settings)
        context.add_init_script(TELL_VIOLATIONS)
        contexts.append(context)
        visits.append(Visit(context, service, site))
        return visits[-1]

    yield make
    for context in contexts:
        context.close()
    assert [complaint for visit in visits if not visit.may_complain for complaint in visit.complaints] == []


@pytest.fixture
def visit(new_visit: Callable[..., Visit]) -> Visit:
    return new_visit()
