"""What one foreign score becomes."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.importers.opinion import Opinion, as_stars, as_thumb, score_name
from ratchet.importers.row import Unusable


def heard(name: str, value: object, **more: Any) -> dict[str, Any]:
    """The parts of the message that say something."""
    said = Opinion(trace_id="t-1", name=name, value=value, **more).feedback()
    parts = {part: getattr(said, part) for part in ("thumb", "stars", "scores", "correction", "comment")}
    return {part: told for part, told in parts.items() if told}


@pytest.mark.parametrize("name", ["user_feedback", "User Feedback", "user-feedback", "thumb", "thumbs_up", "liked"])
@pytest.mark.parametrize(("value", "thumb"), [(True, "up"), (1, "up"), (0, "down"), (-1.0, "down"), ("👎", "down")])
def test_user_feedback_is_a_thumb(name: str, value: object, thumb: str) -> None:
    assert heard(name, value) == {"thumb": thumb}


@pytest.mark.parametrize("value", [3, 0.7, "so so", 2])
def test_user_feedback_that_is_no_thumb_stays_a_score(value: object) -> None:
    assert heard("user_feedback", value) == {"scores": {"user_feedback": value}}


def test_other_names_are_never_thumbs() -> None:
    assert heard("relevance", True) == {"scores": {"relevance": True}}
    assert heard("accuracy", 1) == {"scores": {"accuracy": 1.0}}


def test_a_name_that_complains_turns_yes_into_a_thumb_down() -> None:
    assert heard("negative_user_feedback", True) == {"thumb": "down"}
    (kept,) = heard("negative_user_feedback", False)["scores"].values()
    assert kept == 0.0
    assert not isinstance(kept, bool)


def test_stars_need_the_name_and_the_range() -> None:
    assert heard("stars", 4.0) == {"stars": 4}
    assert heard("stars", 7) == {"scores": {"stars.score": 7.0}}
    assert heard("rating", 4) == {"scores": {"rating": 4.0}}


def test_what_a_program_says_is_never_a_persons_opinion() -> None:
    assert heard("user_feedback", 0, by="program", comment="Off topic.", correction="No.") == {
        "scores": {"judge.user_feedback": 0.0, "judge.user_feedback.reason": "Off topic."}
    }
    assert heard("expected_response", "No.", by="program", ideal=True) == {"scores": {"judge.expected_response": "No."}}


def test_an_ideal_answer_is_a_correction_and_other_expectations_are_scores() -> None:
    assert heard("expected_response", {"output": "Within 60 days."}, ideal=True) == {"correction": "Within 60 days."}
    assert heard("expected_facts", ["60 days", "unused"], ideal=True) == {
        "scores": {"expected.expected_facts": "60 days, unused"}
    }


def test_parts_of_an_object_are_scores_of_their_own() -> None:
    assert heard("quality", {"tone": 0.9, "facts": False, "deep": {}}) == {
        "scores": {"quality.tone": 0.9, "quality.facts": False}
    }


def test_comments_are_kept() -> None:
    assert heard("note", "Please fix it.") == {"comment": "Please fix it."}
    assert heard("note", None, comment="Please fix it.") == {"comment": "Please fix it."}


@pytest.mark.parametrize("value", [None, "", [], {}, float("nan"), float("inf")])
def test_a_score_without_a_value_is_of_no_use(value: object) -> None:
    with pytest.raises(Unusable, match="no value that can be kept"):
        heard("accuracy", value)


def test_score_names_are_never_reserved_nor_too_long() -> None:
    assert score_name("thumb") == "thumb.score"
    assert score_name("flag:x") == "flag:x.score"
    assert score_name(" a \n b ") == "a b"
    assert score_name("") == "score"
    assert len(score_name("x" * 500)) == 100


def test_thumbs_and_stars_refuse_everything_else() -> None:
    assert [as_thumb(value) for value in (2, None, "maybe", [], 0.5)] == [""] * 5
    assert [as_stars(value) for value in (0, 6, 3.5, "x", None, True)] == [None] * 6
