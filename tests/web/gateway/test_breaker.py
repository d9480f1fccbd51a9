"""The breaker with a clock that the test moves."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ratchet.web.gateway.breaker import IN_A_ROW, LOOKED_AT, OPEN_S, PROBE_WAIT_S, Breaker


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def breaker(jitter: float = 0.0) -> tuple[Breaker, Clock]:
    clock = Clock()
    return Breaker(clock, lambda: jitter), clock


def opened() -> tuple[Breaker, Clock]:
    made, clock = breaker()
    for _ in range(IN_A_ROW):
        made.failed()
    return made, clock


def test_it_opens_at_the_fifth_failure_in_a_row() -> None:
    made, _ = breaker()
    for _ in range(4):
        made.failed()
    assert (made.is_open, made.wait_s()) == (False, 0.0)
    made.failed()
    assert (made.is_open, made.wait_s()) == (True, OPEN_S)


def test_a_success_between_breaks_the_row() -> None:
    made, _ = breaker()
    for _ in range(3):
        for _ in range(4):
            made.failed()
        made.succeeded()
    assert not made.is_open


def test_it_opens_when_half_of_the_last_twenty_failed() -> None:
    made, _ = breaker()
    for _ in range(9):
        made.succeeded()
        made.failed()
    made.succeeded()
    assert not made.is_open, "nineteen are too few to judge by"
    made.failed()
    assert made.is_open


def test_fewer_than_half_of_the_last_twenty_are_tolerated() -> None:
    made, _ = breaker()
    for number in range(200):
        made.failed() if number % 20 in range(0, 18, 2) else made.succeeded()
    assert not made.is_open


def test_the_wait_is_longer_by_up_to_a_fifth_so_that_not_all_come_back_at_once() -> None:
    made, _ = breaker(jitter=0.5)
    for _ in range(IN_A_ROW):
        made.failed()
    assert made.wait_s() == OPEN_S * 1.1


def test_one_call_alone_may_try_when_the_wait_is_over() -> None:
    made, clock = opened()
    clock.now += OPEN_S
    assert [made.wait_s() for _ in range(3)] == [0.0, PROBE_WAIT_S, PROBE_WAIT_S]
    made.succeeded()
    assert (made.is_open, made.wait_s()) == (False, 0.0)
    made.failed()
    assert not made.is_open, "what was before the outage is forgotten"


def test_a_try_that_fails_opens_it_again() -> None:
    made, clock = opened()
    clock.now += OPEN_S
    made.wait_s()
    made.failed()
    assert made.wait_s() == OPEN_S


def test_a_try_that_was_given_up_lets_another_one_in() -> None:
    made, clock = opened()
    clock.now += OPEN_S
    made.wait_s()
    made.gave_up()
    assert (made.is_open, made.wait_s()) == (True, 0.0)


def test_a_try_that_is_never_heard_of_again_blocks_nobody_for_ever() -> None:
    made, clock = opened()
    clock.now += OPEN_S
    made.wait_s()
    clock.now += OPEN_S
    assert made.wait_s() == 0.0


def test_a_long_answer_lets_others_through_as_soon_as_it_begins_and_opens_it_at_once_if_it_breaks_off() -> None:
    made, clock = opened()
    clock.now += OPEN_S
    made.wait_s()
    made.began()
    assert (made.is_open, made.wait_s()) == (False, 0.0)
    made.failed()
    assert made.is_open


class AnyHistory(RuleBasedStateMachine):
    """Whatever happens in whatever order: what must hold of a breaker."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.made = Breaker(self.clock, lambda: 0.3)
        self.row = 0
        self.failed_since_success = 0
        self.tries = 0

    @rule()
    def succeed(self) -> None:
        self.made.succeeded()
        self.row = self.tries = 0
        assert not self.made.is_open

    @rule()
    def fail(self) -> None:
        self.made.failed()
        self.row += 1
        self.tries = 0
        assert self.made.is_open or self.row < IN_A_ROW

    @rule()
    def give_up(self) -> None:
        before = self.made.is_open
        self.made.gave_up()
        self.tries = 0
        assert self.made.is_open == before

    @rule(seconds=st.floats(0.01, 3))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @precondition(lambda self: self.made.is_open)
    @rule()
    def call_while_open(self) -> None:
        if self.made.wait_s() == 0.0:
            self.tries += 1
            self.started = self.clock.now

    @rule()
    def everybody_comes_back_in_the_end(self) -> None:
        self.clock.now += 2 * OPEN_S * 1.2
        assert self.made.wait_s() == 0.0
        self.made.gave_up()
        self.tries = 0

    @invariant()
    def it_never_asks_to_wait_longer_than_it_stays_open(self) -> None:
        if not self.made.is_open:
            assert self.made.wait_s() == 0.0

    @invariant()
    def it_needs_a_reason_to_be_open(self) -> None:
        if self.made.is_open:
            assert self.row >= 1

    @invariant()
    def one_try_at_a_time(self) -> None:
        if self.tries > 1:
            assert self.clock.now - self.started < OPEN_S


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)


def test_the_window_is_twenty() -> None:
    assert LOOKED_AT == 20
