"""A service whose loop turns only when it is told to, and short ways to use it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.web.running import Running, make_project, running


def quiet(folder: Path) -> Any:
    """The settings of a project whose service runs no turns by itself."""
    settings = make_project(folder)
    return replace(settings, service=replace(settings.service, learn=False))


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for the tests of a module."""
    with running(quiet(tmp_path_factory.mktemp("project") / "still")) as service:
        yield service


def ask(service: Running, text: str, *, app: str = "support", user: str = "kim") -> str:
    """Ask; the answer's id."""
    answer = service.post(f"/v1/apps/{app}/answer", {"input": text, "user": user})
    assert answer.status == 200, answer.data
    return str(answer.json()["id"])


def rate(service: Running, trace_id: str, **said: Any) -> dict[str, Any]:
    """Give feedback; the acknowledgement."""
    answer = service.post("/v1/feedback", {"id": trace_id, **said})
    assert answer.status in (200, 201), answer.data
    acknowledged: dict[str, Any] = answer.json()
    return acknowledged


def complain(service: Running, text: str, *, app: str = "support", user: str = "kim") -> tuple[str, str, str]:
    """Ask and complain: the ids of the trace, of the case, and the link to follow."""
    trace_id = ask(service, text, app=app, user=user)
    told = rate(service, trace_id, thumb="down", user=user)
    return trace_id, told["review_id"], told["status_url"]


def correct(service: Running, text: str, answer: str, *, app: str = "support") -> str:
    """A reviewed correction; the lesson's id."""
    _, case, _ = complain(service, text, app=app)
    verdict = {"reviewer": "ana", "erred": True, "answer": answer}
    decided = service.post(f"/v1/cases/{case}/verdict", verdict)
    assert decided.status == 200, decided.data
    return str(decided.json()["lesson"]["id"])


def release(service: Running, app: str = "support") -> int:
    """Run a turn; the number of the release it made."""
    turned = service.post(f"/v1/apps/{app}/learn", {"now": True})
    assert turned.status == 200, turned.data
    assert turned.json()["release"], turned.json()["summary"]
    return int(turned.json()["release"])


def refused(answer: Any, status: int, *said: str) -> None:
    """That status, and an error that says what was wrong and how to fix it."""
    assert answer.status == status, answer.data
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "code", "param", "fix"}
    assert error["fix"]
    for words in said:
        assert words in error["message"]


@pytest.fixture
def fresh_still(tmp_path: Path) -> Iterator[Running]:
    """A service of one test alone."""
    with running(quiet(tmp_path / "fresh")) as service:
        yield service
