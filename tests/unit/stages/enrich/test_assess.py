"""An assessment weighs what people said and did, and no one person outvotes the rest."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.records.assessment import Assessment
from ratchet.records.feedback import SIGNALS, Feedback, Score
from ratchet.stages.enrich.assess import MOST_PER_USER, PRIOR_LOG_ODDS, assess, log_odds

PRIOR = 0.2


def said(**fields: Any) -> list[Score]:
    return list(Feedback(id="f", app="a", trace_id="t", at=1.0, **fields).as_scores())


def judge(**users: list[Score]) -> Assessment:
    return assess("t", "a", 5.0, users)


messages = st.builds(
    said,
    thumb=st.sampled_from(["", "up", "down"]),
    stars=st.none() | st.integers(1, 5),
    flags=st.lists(st.sampled_from(["unsafe", "legal"]), max_size=2, unique=True).map(tuple),
    correction=st.sampled_from(["", "Right."]),
    comment=st.sampled_from(["", "Hm."]),
    signals=st.dictionaries(
        st.sampled_from(sorted(SIGNALS)), st.booleans() | st.floats(0, 1e6) | st.just("x"), max_size=4
    ),
    scores=st.lists(
        st.builds(
            Score.infer, st.text("ab", min_size=1, max_size=3), st.booleans() | st.floats(-1e9, 1e9) | st.text("xy")
        ),
        max_size=3,
    ).map(tuple),
)


@given(st.dictionaries(st.sampled_from("uvwxyz"), messages, max_size=6))
def test_whatever_people_say_the_result_is_a_probability(scores: dict[str, list[Score]]) -> None:
    found = assess("t", "a", 5.0, scores)
    assert 0 <= found.p_bad <= 1
    assert found.confidence == pytest.approx(abs(2 * found.p_bad - 1))
    assert (found.trace_id, found.app, found.at) == ("t", "a", 5.0)
    assert all(item.log_odds for item in found.evidence)


@given(messages, messages)
def test_nobody_moves_the_judgement_further_than_the_limit(one: list[Score], other: list[Score]) -> None:
    def odds(found: Assessment) -> float:
        return math.log(found.p_bad / (1 - found.p_bad))

    assert abs(odds(judge(a=one, b=other)) - odds(judge(b=other))) <= MOST_PER_USER + 1e-6


@given(messages)
def test_the_order_of_the_scores_does_not_matter(scores: list[Score]) -> None:
    assert judge(a=scores).p_bad == pytest.approx(judge(a=scores[::-1]).p_bad)


def test_without_feedback_the_prior_stands() -> None:
    assert judge().p_bad == pytest.approx(PRIOR)
    assert judge(a=[]).evidence == ()
    assert pytest.approx(PRIOR) == 1 / (1 + math.exp(-PRIOR_LOG_ODDS))


@pytest.mark.parametrize(
    "scores",
    [
        said(thumb="down"), said(stars=1), said(stars=2), said(flags=("unsafe",)), said(correction="So."),
        said(signals={"regenerate": True}), said(signals={"reformulate": 1.0}), said(signals={"abandon": True}),
        said(signals={"escalate": True}), [Score("helpful", False, "boolean")], [Score("tone", 2.0, "numeric")],
    ],
    ids=lambda scores: scores[0].name + str(scores[0].value),
)  # fmt: skip
def test_complaints_make_a_bad_answer_likelier(scores: list[Score]) -> None:
    assert judge(a=scores).p_bad > PRIOR


@pytest.mark.parametrize(
    "scores",
    [
        said(thumb="up"), said(stars=4), said(stars=5), said(signals={"copy": True}), said(signals={"accept": True}),
        [Score("helpful", True, "boolean")], [Score("tone", 5.0, "numeric")],
    ],
    ids=lambda scores: scores[0].name + str(scores[0].value),
)  # fmt: skip
def test_praise_makes_a_bad_answer_less_likely(scores: list[Score]) -> None:
    assert judge(a=scores).p_bad < PRIOR


@pytest.mark.parametrize(
    "scores",
    [
        said(stars=3), said(comment="Hm."), said(signals={"regenerate": False}), said(signals={"escalate": 0.0}),
        said(signals={"copy": False}), said(signals={"dwell_ms": 3.0}), said(signals={"outcome": "sold"}),
        [Score("latency", 900.0, "numeric")], [Score("tone", "formal", "categorical")], [Score("tone", 3.0, "numeric")],
    ],
    ids=lambda scores: scores[0].name + str(scores[0].value),
)  # fmt: skip
def test_what_says_nothing_about_quality_changes_nothing(scores: list[Score]) -> None:
    found = judge(a=scores)
    assert found.p_bad == pytest.approx(PRIOR)
    assert found.evidence == ()
    assert [log_odds(score) for score in scores] == [0.0]


def test_fewer_stars_are_worse() -> None:
    worth = [judge(a=said(stars=stars)).p_bad for stars in range(1, 6)]
    assert worth == sorted(worth, reverse=True)
    assert len(set(worth)) == 5


def test_two_people_convince_more_than_one_who_repeats_himself() -> None:
    loud = said(thumb="down", stars=1, flags=("unsafe", "legal"), correction="So.")
    assert judge(a=loud).p_bad < judge(a=said(thumb="down"), b=said(thumb="down")).p_bad


@pytest.mark.parametrize(("thumb", "expected"), [("up", 0.0), ("down", 1.0)])
def test_a_thousand_voices_are_no_overflow(thumb: Any, expected: float) -> None:
    found = assess("t", "a", 5.0, {f"u{number}": said(thumb=thumb) for number in range(1000)})
    assert found.p_bad == pytest.approx(expected, abs=1e-9)
    assert found.confidence == pytest.approx(1)


def test_flags_name_the_failure_modes_once_each() -> None:
    found = judge(a=said(flags=("unsafe", "legal")), b=said(flags=("unsafe",), thumb="down"))
    assert found.failure_modes == ("legal", "unsafe")


def test_the_evidence_says_which_signal_weighed_how_much() -> None:
    found = judge(a=said(thumb="down", comment="Hm."), b=said(stars=4))
    weights = {item.signal: item.log_odds for item in found.evidence}
    assert set(weights) == {"thumb", "stars"}
    assert weights["thumb"] > 0 > weights["stars"]
    assert found.p_bad == pytest.approx(1 / (1 + math.exp(-(PRIOR_LOG_ODDS + sum(weights.values())))))


def test_what_a_judge_or_a_data_set_says_is_no_opinion() -> None:
    for score in (Score.infer("judge.relevance", 1.0), Score.infer("expected.answered", False)):
        assert log_odds(score) == 0.0
