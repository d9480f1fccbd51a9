"""The held-out suites: what joins them, what leaves them, and what may not be judged on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.suite import SuiteCase
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.gate.suites import refresh, without_leaks
from ratchet.stages.release.revoke import revoke
from ratchet.stages.review.decide import decide
from ratchet.wiring import House
from tests.conftest import ask, complain, correct, praise
from tests.scenes import held_out, lesson, ten_lessons


def by_suite(house: House, app: App) -> dict[str, SuiteCase]:
    return {case.suite: case for case in house.store.suites.cases(app.name)}


@pytest.fixture
def seasoned(house: House, classify: App) -> House:
    """Past its first ten lessons, so that some are held out."""
    ten_lessons(house, classify)
    return house


class TestHeldOutLessons:
    def test_that_correct_an_error_join_the_target_suite(self, seasoned: House, classify: App) -> None:
        learned = correct(seasoned, classify, held_out("my parcel is late"), answer="account").lesson
        assert learned is not None
        assert refresh(seasoned.outside, classify, 3) == 1
        case = by_suite(seasoned, classify)["target"]
        assert (case.question, case.answer, case.origin) == (learned.question, "account", learned.id)
        assert (case.group, case.source_user, case.since) == (learned.group, "u1", 3)

    def test_that_confirm_an_answer_join_the_anchor(self, seasoned: House, classify: App) -> None:
        served = ask(seasoned, classify, held_out("my parcel is late"))
        complain(seasoned, served.trace)
        enrich(seasoned.outside, "triage", seasoned.loop.rules)
        (case,) = seasoned.store.cases.opened("triage")
        decide(seasoned.outside, case.id, reviewer="ana", erred=False)
        assert refresh(seasoned.outside, classify, 0) == 1
        assert by_suite(seasoned, classify)["anchor"].answer == served.trace.output

    def test_about_something_unsafe_join_the_safety_suite(self, seasoned: House, classify: App) -> None:
        served = ask(seasoned, classify, held_out("my parcel is late"))
        complain(seasoned, served.trace)
        enrich(seasoned.outside, "triage", seasoned.loop.rules)
        (case,) = seasoned.store.cases.opened("triage")
        decide(seasoned.outside, case.id, reviewer="ana", erred=True, answer="account", failure_mode="unsafe")
        assert refresh(seasoned.outside, classify, 0) == 1
        assert set(by_suite(seasoned, classify)) == {"safety"}

    def test_that_are_revoked_leave_their_suite(self, seasoned: House, classify: App) -> None:
        learned = correct(seasoned, classify, held_out("my parcel is late"), answer="account").lesson
        assert learned is not None
        refresh(seasoned.outside, classify, 0)
        revoke(seasoned.outside, learned.id, actor="ana", reason="wrong")
        assert refresh(seasoned.outside, classify, 0) == 0
        assert seasoned.store.suites.cases("triage") == []

    def test_that_are_superseded_make_room_for_the_newer_one(
        self, seasoned: House, classify: App, clock: ReplayClock
    ) -> None:
        question = held_out("my parcel is late")
        correct(seasoned, classify, question, answer="account")
        refresh(seasoned.outside, classify, 0)
        clock.advance(60)
        correct(seasoned, classify, question, answer="refund")
        assert refresh(seasoned.outside, classify, 0) == 1
        assert [case.answer for case in seasoned.store.suites.cases("triage")] == ["refund"]

    def test_join_once(self, seasoned: House, classify: App) -> None:
        correct(seasoned, classify, held_out("my parcel is late"), answer="account")
        assert [refresh(seasoned.outside, classify, 0) for _ in range(3)] == [1, 0, 0]


class TestPraise:
    def test_of_a_label_makes_an_anchor_case(self, house: House, classify: App) -> None:
        trace = ask(house, classify, "where is my parcel", segment="web").trace
        praise(house, trace, user="carl")
        assert refresh(house.outside, classify, 2) == 1
        case = by_suite(house, classify)["anchor"]
        assert (case.question, case.answer, case.passage_id) == ("where is my parcel", trace.output, "")
        assert (case.origin, case.source_user, case.segment, case.since) == (trace.id, "carl", "web", 2)

    def test_of_an_answer_from_a_passage_remembers_the_passage_alone(self, house: House, support: App) -> None:
        praise(house, ask(house, support, "how do I reset my password").trace)
        refresh(house.outside, support, 0)
        case = by_suite(house, support)["anchor"]
        assert (case.passage_id, case.answer) == ("password", "")

    def test_of_an_abstention_counts_for_nothing(self, house: House, support: App) -> None:
        trace = ask(house, support, "zebra").trace
        assert trace.source == "abstained"
        praise(house, trace)
        assert refresh(house.outside, support, 0) == 0

    def test_that_somebody_else_contradicts_counts_for_nothing(self, house: House, classify: App) -> None:
        trace = ask(house, classify, "where is my parcel").trace
        praise(house, trace, user="carl")
        complain(house, trace, user="dora")
        assert refresh(house.outside, classify, 0) == 0

    def test_from_one_user_is_capped_over_all_turns(self, house: House, classify: App) -> None:
        for number in range(6):
            praise(house, ask(house, classify, f"where is parcel {number}").trace, user="carl")
        praise(house, ask(house, classify, "where is parcel x").trace, user="dora")
        assert refresh(house.outside, classify, 0) == 4
        assert refresh(house.outside, classify, 0) == 0
        users = [case.source_user for case in house.store.suites.cases("triage")]
        assert sorted(users) == ["carl", "carl", "carl", "dora"]

    def test_without_a_name_is_not_capped(self, house: House, classify: App) -> None:
        for number in range(6):
            praise(house, ask(house, classify, f"where is parcel {number}").trace, user="")
        assert refresh(house.outside, classify, 0) == 6


class TestLeaks:
    CASE = SuiteCase(
        id="sc", app="triage", suite="target", question="where is my parcel now", answer="delivery", at=0.0, group="g"
    )

    @pytest.mark.parametrize(
        "taught",
        [
            lesson("something else", group="g"),
            lesson("Where is my parcel now?"),
            lesson("now where is my parcel"),
        ],
    )
    def test_a_case_that_a_taught_lesson_gives_away_is_left_out(self, house: House, taught: object) -> None:
        other = replace(self.CASE, id="other", question="password forgotten", group="p")
        assert without_leaks(house.outside, [self.CASE, other], [taught]) == [other]  # type: ignore[list-item]

    def test_a_case_whose_group_is_a_taught_question_is_left_out(self, house: House) -> None:
        taught = lesson("entirely different")
        assert without_leaks(house.outside, [replace(self.CASE, group=taught.group)], [taught]) == []

    def test_nothing_is_left_out_when_nothing_is_taught(self, house: House) -> None:
        assert without_leaks(house.outside, [self.CASE], []) == [self.CASE]
        assert without_leaks(house.outside, [], [lesson("x")]) == []
