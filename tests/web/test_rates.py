"""Limits: a minute's share at once, then evenly; each caller by itself, and memory that does not grow."""

from __future__ import annotations

import pytest

from ratchet.providers.system import ReplayClock
from ratchet.web.rates import MOST_CALLERS, Rates, TooMany


def spent(rates: Rates, caller: str, most: int) -> int:
    """How many requests pass before one is refused."""
    for count in range(most):
        try:
            rates.spend(caller)
        except TooMany:
            return count
    return most


def test_a_whole_share_passes_at_once_and_no_more(clock: ReplayClock) -> None:
    rates = Rates(clock, 60)
    assert spent(rates, "a", 100) == 60
    assert spent(rates, "b", 100) == 60, "another caller has a share of its own"


def test_the_share_refills_evenly(clock: ReplayClock) -> None:
    rates = Rates(clock, 60)
    spent(rates, "a", 100)
    clock.advance(5)
    assert spent(rates, "a", 100) == 5
    clock.advance(3600)
    assert spent(rates, "a", 100) == 60, "what is not used does not pile up"


def test_a_refusal_says_when_to_come_back_and_costs_nothing(clock: ReplayClock) -> None:
    rates = Rates(clock, 30)
    spent(rates, "a", 100)
    for _ in range(10):
        with pytest.raises(TooMany) as refused:
            rates.spend("a")
    assert refused.value.status == 429
    assert refused.value.retry_after == pytest.approx(2.0)
    clock.advance(refused.value.retry_after)
    rates.spend("a")


def test_a_clock_that_goes_back_neither_gives_nor_takes(clock: ReplayClock) -> None:
    rates = Rates(clock, 60)
    assert spent(rates, "a", 30) == 30
    clock.advance(-1000)
    assert spent(rates, "a", 100) == 30
    clock.advance(1)
    assert spent(rates, "a", 100) == 1


def test_without_a_bound_everything_passes(clock: ReplayClock) -> None:
    assert spent(Rates(clock, 0), "a", 10_000) == 10_000


def test_remembers_a_bounded_number_of_callers(clock: ReplayClock) -> None:
    rates = Rates(clock, 1)
    for number in range(MOST_CALLERS + 500):
        rates.spend(f"caller {number}")
    assert len(rates._left) == MOST_CALLERS
    assert spent(rates, f"caller {MOST_CALLERS + 499}", 5) == 0, "the newest are remembered"
