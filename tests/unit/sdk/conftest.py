"""The SDK over both transports, with a real service on a local port."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet import Ratchet
from ratchet.layers.layer import Learned
from tests.unit.sdk.small_service import SmallService

LEXICAL = {"RATCHET_EMBEDDER": "lexical"}
PATIENT_S = 5.0


def echo(question: str, learned: Learned) -> str:
    return f"own: {question}"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SmallService]:
    small = SmallService(tmp_path / "service.db", {"support": echo, "triage": lambda question, learned: "delivery"})
    yield small.start()
    small.stop()


@pytest.fixture
def connect(service: SmallService, tmp_path: Path) -> Iterator[Callable[..., Ratchet]]:
    """Clients of the service; one after the other they share what is kept on disk, like restarts of a program."""
    opened: list[Ratchet] = []

    def connected(*, learned_timeout_s: float = PATIENT_S, **environment: str) -> Ratchet:
        settings = {**LEXICAL, "RATCHET_STATE": str(tmp_path / "state"), **environment}
        opened.append(Ratchet(service.url, environment=settings, learned_timeout_s=learned_timeout_s))
        return opened[-1]

    yield connected
    for loop in opened:
        loop.close(1.0)


@pytest.fixture(params=["embedded", "http"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ratchet]:
    """The same object over a store of its own, and over the service."""
    if request.param == "http":
        yield request.getfixturevalue("connect")()
    else:
        with Ratchet(tmp_path / "ratchet.db", environment=LEXICAL) as loop:
            yield loop


def eventually(true: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait until it is true."""
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it never came true"
        time.sleep(0.01)


def teach(loop: Ratchet, question: str, right: str, app: str = "support") -> int:
    """Ask, complain, review, learn; the number of the release."""
    reply = loop.answer(app, question, user="u17")
    assert loop.feedback(reply.id, user="u17", thumb="down", wait_s=10.0).accepted
    case = next(case for case in loop.cases(app) if case.trace_id == reply.id)
    loop.decide(case.id, reviewer="Ines", erred=True, answer=right)
    turn = loop.learn(app, now=True)
    assert turn.release is not None, turn.summary()
    return turn.release.number
