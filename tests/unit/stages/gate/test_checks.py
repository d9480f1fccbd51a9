"""Each check measures one thing, decides on it, and says in words what it found."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.records.gate import Flip
from ratchet.records.plan import ChangePlan
from ratchet.records.suite import SuiteCase
from ratchet.stages.gate import checks
from ratchet.stages.gate.evaluate import Outcome, Pair

PLAN = ChangePlan()
CASE = SuiteCase(id="c", app="a", suite="anchor", question="q", answer="x", at=0.0, group="g")


def pairs(gained: int = 0, lost: int = 0, kept: int = 0, missed: int = 0, segment: str = "") -> list[Pair]:
    """Cases that the candidate gains, loses, and that both get right or wrong."""
    kinds = [(False, True)] * gained + [(True, False)] * lost + [(True, True)] * kept + [(False, False)] * missed
    case = replace(CASE, segment=segment)
    return [Pair(case, Outcome("old", old, ()), Outcome("new", new, ())) for old, new in kinds]


class TestTarget:
    def test_passes_when_held_out_lessons_get_better(self) -> None:
        check = checks.target(pairs(gained=6), [], PLAN)
        assert (check.outcome, check.cases, check.value) == ("passed", 6, 1.0)
        assert "6 held-out lessons fixed, 0 lost of 6: better" in check.message

    def test_does_not_pass_at_half_the_significance_only(self) -> None:
        assert checks.target(pairs(gained=5), [], PLAN).p_value == pytest.approx(1 / 32)
        assert checks.target(pairs(gained=5), [], PLAN).outcome == "too_little_data"

    def test_fails_when_held_out_lessons_get_worse_even_if_traffic_gets_better(self) -> None:
        check = checks.target(pairs(lost=6), pairs(gained=9), PLAN)
        assert check.outcome == "failed"
        assert "worse" in check.message

    def test_passes_on_recent_traffic_when_the_suite_shows_nothing_yet(self) -> None:
        check = checks.target(pairs(gained=1, kept=3), pairs(gained=6), PLAN)
        assert check.outcome == "passed"
        assert "better on recent requests" in check.message

    def test_says_that_nothing_is_shown_yet(self) -> None:
        check = checks.target([], [], PLAN)
        assert (check.outcome, check.p_value) == ("too_little_data", 1.0)
        assert "no difference shown yet" in check.message


class TestAnchor:
    def test_passes_when_a_loss_beyond_the_margin_is_excluded(self) -> None:
        check = checks.anchor(pairs(kept=500), PLAN)
        assert check.outcome == "passed"
        assert "a loss of more than 1.0% is excluded" in check.message
        assert check.limit == -0.01

    def test_fails_when_what_worked_got_worse(self) -> None:
        check = checks.anchor(pairs(lost=8, kept=300), PLAN)
        assert check.outcome == "failed"
        assert "what worked got worse" in check.message

    def test_says_about_how_many_more_cases_are_needed(self) -> None:
        check = checks.anchor(pairs(kept=100), PLAN)
        assert check.outcome == "too_little_data"
        assert "about 2,374 more cases are needed to see a drop of 1.0% (100 show one of" in check.message

    def test_of_nothing_needs_everything(self) -> None:
        check = checks.anchor([], PLAN)
        assert (check.outcome, check.p_value) == ("too_little_data", 1.0)
        assert check.message.endswith("more cases are needed to see a drop of 1.0%.")

    @given(gained=st.integers(0, 20), lost=st.integers(0, 20), kept=st.integers(0, 60))
    def test_never_passes_what_lost_more_than_the_margin(self, gained: int, lost: int, kept: int) -> None:
        check = checks.anchor(pairs(gained, lost, kept), PLAN)
        assert not (check.outcome == "passed" and check.value < -PLAN.anchor_margin)
        assert not (check.outcome == "failed" and check.value >= 0)


class TestKept:
    def test_passes_while_little_that_was_praised_is_lost(self) -> None:
        check = checks.kept(pairs(lost=10, kept=40), PLAN)
        assert (check.outcome, check.value, check.limit) == ("passed", 0.2, 0.2)

    def test_fails_when_much_of_it_is_surely_lost(self) -> None:
        check = checks.kept(pairs(lost=20, kept=30), PLAN)
        assert check.outcome == "failed"
        assert "20 of 50 praised or confirmed answers lost (40.0%, at least 28." in check.message

    def test_of_nothing_passes(self) -> None:
        assert checks.kept([], PLAN).outcome == "passed"


class TestContradicted:
    def test_fails_when_lessons_turn_much_of_what_was_praised_for_the_same_questions(self) -> None:
        check = checks.contradicted(pairs(lost=9, kept=3), PLAN)
        assert (check.name, check.outcome) == ("contradicted", "failed")
        assert "9 of 12 praised or confirmed answers contradicted by a new lesson (75.0%" in check.message

    def test_passes_while_lessons_rarely_do(self) -> None:
        assert checks.contradicted(pairs(lost=1, kept=9), PLAN).outcome == "passed"
        assert checks.contradicted([], PLAN).outcome == "passed"


class TestSegments:
    def test_fail_where_one_of_them_drops_while_the_rest_gains(self) -> None:
        check = checks.segments([*pairs(lost=9, kept=51, segment="web"), *pairs(gained=60, segment="app")], PLAN)
        assert check.outcome == "failed"
        assert check.message == "worse in web."
        assert (check.value, check.limit) == (pytest.approx(-0.15), -0.03)

    def test_with_too_few_cases_are_not_tested(self) -> None:
        check = checks.segments(pairs(lost=40, segment="web"), PLAN)
        assert (check.outcome, check.cases) == ("passed", 0)
        assert check.message == "0 of 1 segments had enough cases; none fell."

    def test_that_fall_less_than_the_margin_pass(self) -> None:
        assert checks.segments(pairs(lost=8, kept=400, segment="web"), PLAN).outcome == "passed"

    def test_are_tested_with_holms_correction(self) -> None:
        some = pairs(lost=6, kept=60, segment="web")
        assert checks.segments(some, PLAN).outcome == "failed"
        others = [pair for n in range(5) for pair in pairs(kept=60, segment=f"calm {n}")]
        assert checks.segments([*some, *others], PLAN).outcome == "passed"

    def test_without_a_name_are_no_segment(self) -> None:
        assert checks.segments(pairs(lost=90), PLAN).outcome == "passed"


class TestSafety:
    def test_fails_for_a_single_lost_case(self) -> None:
        check = checks.safety(pairs(gained=50, lost=1, kept=50))
        assert check.outcome == "failed"
        assert check.message == "1 of 101 safety cases lost."

    def test_passes_when_none_is_lost(self) -> None:
        assert checks.safety(pairs(gained=1, kept=1, missed=1)).outcome == "passed"


class TestNegativeFlips:
    def test_pass_when_a_high_rate_is_excluded(self) -> None:
        assert checks.negative_flips(pairs(kept=400), PLAN).outcome == "passed"

    def test_pass_when_they_are_few_beside_the_gains(self) -> None:
        assert checks.negative_flips(pairs(gained=9, lost=6, kept=20), PLAN).outcome == "passed"

    def test_fail_when_they_are_many_and_not_outweighed(self) -> None:
        check = checks.negative_flips(pairs(gained=2, lost=6, kept=20), PLAN)
        assert check.outcome == "failed"
        assert "6 right answers of 28 turned wrong (21.4%" in check.message

    def test_need_more_data_when_the_bound_is_wide(self) -> None:
        assert checks.negative_flips(pairs(lost=1, kept=150), PLAN).outcome == "too_little_data"

    def test_of_nothing_need_data(self) -> None:
        assert checks.negative_flips([], PLAN).outcome == "too_little_data"


class TestUnexplainedFlips:
    @staticmethod
    def flip(*because: str) -> Flip:
        return Flip("c", "anchor", "a", "b", True, True, because)

    def test_pass_when_every_change_has_a_lesson_behind_it(self) -> None:
        check = checks.unexplained_flips(pairs(kept=50), [self.flip("ls_1")] * 20, PLAN)
        assert (check.outcome, check.value) == ("passed", 0.0)

    def test_fail_beyond_their_budget(self) -> None:
        changed = [self.flip("ls_1"), self.flip(), self.flip(), self.flip()]
        assert checks.unexplained_flips(pairs(kept=150), changed, PLAN).outcome == "passed"
        check = checks.unexplained_flips(pairs(kept=149), changed, PLAN)
        assert check.outcome == "failed"
        assert check.message == "4 of 149 answers changed, 3 with no new lesson behind them."

    def test_pass_while_there_are_only_two(self) -> None:
        assert checks.unexplained_flips(pairs(kept=3), [self.flip(), self.flip()], PLAN).outcome == "passed"

    def test_of_nothing_pass(self) -> None:
        assert checks.unexplained_flips([], [], PLAN).outcome == "passed"
