"""Scores of inferred type, and feedback as named scores."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.records.feedback import Feedback, Score

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.text(), ANY_JSON)
@example("n", 10**400)
@example("n", -(10**400))
@example("n", math.nan)
def test_any_json_value_becomes_a_score_or_is_refused_with_a_fix(name: str, value: Any) -> None:
    try:
        score = Score.infer(name, value)
    except InvalidInput:
        finite = isinstance(value, str | bool) or (isinstance(value, int | float) and -1e308 < value < 1e308)
        assert not finite or not 1 <= len(name) <= 100
        return
    assert score.name == name
    assert 1 <= len(name) <= 100
    assert score.value == value
    assert (score.kind == "boolean") == isinstance(score.value, bool)
    assert (score.kind == "numeric") == isinstance(score.value, float)
    assert score.kind != "numeric" or math.isfinite(float(score.value))


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "boolean"), (False, "boolean"), (1, "numeric"), (0.5, "numeric"), ("good", "categorical"),
        ("x" * 100, "categorical"), ("x" * 101, "text"), ("two\nlines", "text"), ("", "categorical"),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_value(value: Any, kind: str) -> None:
    assert Score.infer("tone", value).kind == kind


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, None, [], {}, (1,), b"x"])
def test_values_that_no_score_can_hold_are_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="'tone'"):
        Score.infer("tone", value)


@pytest.mark.parametrize("name", ["", "x" * 101])
def test_names_of_no_or_endless_length_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="1 to 100"):
        Score.infer(name, 1)


def test_everything_in_a_message_becomes_a_named_score() -> None:
    given = Feedback(
        id="f", app="a", trace_id="t", at=1.0, scores=(Score("tone", "rude", "categorical"),), thumb="down", stars=2,
        flags=("unsafe", "legal"), correction="Right.", comment="Hm.", signals={"dwell_ms": 12.0, "copy": False},
    )  # fmt: skip
    assert given.as_scores() == (
        Score("tone", "rude", "categorical"),
        Score("thumb", "down", "categorical"),
        Score("stars", 2.0, "numeric"),
        Score("flag:unsafe", True, "boolean"),
        Score("flag:legal", True, "boolean"),
        Score("signal:copy", False, "boolean"),
        Score("signal:dwell_ms", 12.0, "numeric"),
        Score("correction", "Right.", "text"),
        Score("comment", "Hm.", "text"),
    )


def test_silence_is_no_score() -> None:
    assert Feedback(id="f", app="a", trace_id="t", at=1.0).as_scores() == ()
