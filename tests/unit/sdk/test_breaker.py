"""After failures in a row the service is left alone, and then probed once."""

from __future__ import annotations

import pytest

from ratchet.sdk.breaker import Breaker


class Hands:
    """A clock whose hands the test moves."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hands() -> Hands:
    return Hands()


@pytest.fixture
def breaker(hands: Hands) -> Breaker:
    return Breaker(failures=3, pause_s=10.0, now=hands, chance=lambda: 0.5)


def fail(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        breaker.failed()


def test_it_opens_after_failures_in_a_row_and_only_then(breaker: Breaker) -> None:
    fail(breaker, 2)
    breaker.succeeded()
    fail(breaker, 2)
    assert not breaker.is_open
    assert not breaker.take_probe()
    fail(breaker, 1)
    assert breaker.is_open


def test_of_all_who_ask_one_may_probe_after_each_pause(breaker: Breaker, hands: Hands) -> None:
    fail(breaker, 3)
    assert not breaker.take_probe()
    hands.at += 9.9
    assert not breaker.probe_is_due
    hands.at += 0.1
    assert breaker.probe_is_due
    assert [breaker.take_probe() for _ in range(3)] == [True, False, False]
    fail(breaker, 5)
    assert breaker.is_open
    hands.at += 10.0
    assert breaker.take_probe()


def test_a_success_closes_it(breaker: Breaker, hands: Hands) -> None:
    fail(breaker, 3)
    hands.at += 10.0
    assert breaker.take_probe()
    breaker.succeeded()
    assert not breaker.is_open
    fail(breaker, 2)
    assert not breaker.is_open


@pytest.mark.parametrize(("chance", "pause"), [(0.0, 8.0), (1.0, 12.0)])
def test_pauses_vary_so_that_many_clients_do_not_come_back_as_one(hands: Hands, chance: float, pause: float) -> None:
    breaker = Breaker(failures=1, pause_s=10.0, now=hands, chance=lambda: chance)
    breaker.failed()
    hands.at += pause - 0.001
    assert not breaker.probe_is_due
    hands.at += 0.002
    assert breaker.probe_is_due
