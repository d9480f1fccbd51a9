"""The people of a backtest behave at the rates they are given."""

from __future__ import annotations

from collections import Counter

import pytest

from ratchet.backtest.crowd import FALSE_COMPLAINTS, Crowd, CrowdRates, Reaction
from ratchet.backtest.stream import Row
from ratchet.records.trace import Trace

ANSWERS = ("alpha", "bravo", "castor")
MANY = 6_000
TRACE = Trace(id="t", app="backtest", at=0.0, input="x", output="y")


def row(user: str = "u", truth: str = "alpha") -> Row:
    return Row(id="r", text="x", truth=truth, user=user)


def crowd(seed: int = 1, **rates: float) -> Crowd:
    return Crowd(CrowdRates(**rates), ANSWERS, seed)


def thumbs(people: Crowd, right: bool, user: str = "u") -> dict[str, float]:
    """How often each thumb is given."""
    counts = Counter(people.react(row(user), right).thumb for _ in range(MANY))
    return {thumb: counts[thumb] / MANY for thumb in ("up", "down", "")}


class TestUsers:
    @pytest.mark.parametrize("rate", [0.1, 0.3, 0.9])
    def test_report_wrong_answers_at_the_feedback_rate(self, rate: float) -> None:
        found = thumbs(crowd(feedback=rate), right=False)
        assert found["down"] == pytest.approx(rate, abs=0.02)
        assert found["up"] == pytest.approx(0.1 * rate / 3, abs=0.01)

    @pytest.mark.parametrize("rate", [0.3, 0.9])
    def test_praise_right_answers_a_third_as_often_and_seldom_report_them(self, rate: float) -> None:
        found = thumbs(crowd(feedback=rate), right=True)
        assert found["up"] == pytest.approx(rate / 3, abs=0.02)
        assert found["down"] == pytest.approx(FALSE_COMPLAINTS, abs=0.005)

    @pytest.mark.parametrize("right", [True, False])
    def test_say_nothing_at_a_rate_of_zero(self, right: bool) -> None:
        assert thumbs(crowd(feedback=0.0), right) == {"up": 0, "down": 0, "": 1}

    @pytest.mark.parametrize("right", [True, False])
    def test_who_attack_say_nothing_at_a_rate_of_zero_either(self, right: bool) -> None:
        assert thumbs(crowd(feedback=0.0, poison=1.0), right) == {"up": 0, "down": 0, "": 1}

    def test_react_the_same_to_the_same_seed(self) -> None:
        def reactions(seed: int) -> list[Reaction]:
            people = crowd(seed, feedback=0.5, poison=0.3)
            return [people.react(row(f"u{n % 9}"), right=n % 2 == 0) for n in range(200)]

        assert reactions(1) == reactions(1)
        assert reactions(1) != reactions(2)


class TestMaliciousUsers:
    def test_are_the_given_share(self) -> None:
        people = crowd(poison=0.2)
        assert sum(people.is_malicious(f"u{n}") for n in range(5000)) / 5000 == pytest.approx(0.2, abs=0.02)

    def test_are_always_the_same_users(self) -> None:
        people = crowd(poison=0.5)
        users = [f"u{n}" for n in range(100)]
        first = [people.is_malicious(user) for user in users]
        for user in users:
            people.react(row(user), right=True)
        assert [people.is_malicious(user) for user in users] == first
        assert 0 < sum(first) < 100

    def test_stay_malicious_when_the_share_grows(self) -> None:
        few, many = crowd(poison=0.1), crowd(poison=0.4)
        users = [f"u{n}" for n in range(1000)]
        attackers = {user for user in users if few.is_malicious(user)}
        assert attackers
        assert attackers < {user for user in users if many.is_malicious(user)}

    def test_there_are_none_unless_asked_for(self) -> None:
        assert not any(crowd(poison=0.0).is_malicious(f"u{n}") for n in range(1000))

    def test_report_what_is_right_with_a_wrong_correction(self) -> None:
        people = crowd(feedback=1.0, poison=1.0)
        given = [people.react(row(), right=True) for _ in range(200)]
        assert {reaction.thumb for reaction in given} == {"down"}
        assert {reaction.correction for reaction in given} == {"bravo", "castor"}

    def test_praise_what_is_wrong(self) -> None:
        people = crowd(feedback=1.0, poison=1.0)
        assert {people.react(row(), right=False) for _ in range(50)} == {Reaction("up")}


class TestTheReviewer:
    def test_knows_the_truth(self) -> None:
        people = crowd()
        assert people.review(row(), TRACE, "alpha") == (False, "")
        assert people.review(row(), TRACE, "bravo") == (True, "alpha")

    @pytest.mark.parametrize("rate", [0.05, 0.3])
    def test_errs_at_the_given_rate(self, rate: float) -> None:
        people = crowd(reviewer_error=rate)
        for served, truthful in (("alpha", (False, "")), ("bravo", (True, "alpha"))):
            wrong = sum(people.review(row(), TRACE, served) != truthful for _ in range(MANY)) / MANY
            assert wrong == pytest.approx(rate, abs=0.02)

    def test_who_always_errs_passes_mistakes_and_mends_what_was_right(self) -> None:
        people = crowd(reviewer_error=1.0)
        assert people.review(row(), TRACE, "bravo") == (False, "")
        for _ in range(50):
            erred, answer = people.review(row(), TRACE, "alpha")
            assert erred
            assert answer in ("bravo", "castor")
