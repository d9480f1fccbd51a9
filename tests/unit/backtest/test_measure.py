"""Accuracy along the stream, repeated mistakes, ranks and forgetting, against values worked out by hand."""

from __future__ import annotations

import pytest

from ratchet.backtest.measure import Forgetting, HeldOutScores, Prequential, RepeatMistakes, on_held_out, served
from ratchet.backtest.stream import Row
from ratchet.layers.layer import Answer, Hit
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.app import App
from ratchet.records.passage import Passage
from ratchet.wiring import House


def rows(*truths: str) -> list[Row]:
    return [Row(id=str(n), text=f"text {n}", truth=truth, user="u") for n, truth in enumerate(truths)]


def scores(*right: int) -> HeldOutScores:
    return HeldOutScores([bool(value) for value in right], [0] * len(right))


class TestPrequentialAccuracy:
    def test_of_nothing_is_zero(self) -> None:
        assert Prequential().accuracy == 0

    def test_of_three_answers_is_as_computed_by_hand(self) -> None:
        measured = Prequential()
        for right in (True, False, True):
            measured.add(right)
        assert measured.accuracy == pytest.approx((1 + 0.999**2) / (1 + 0.999 + 0.999**2), abs=1e-12)
        assert measured.accuracy == pytest.approx(1.998001 / 2.997001, abs=1e-12)

    def test_of_a_long_stream_follows_what_is_recent(self) -> None:
        measured = Prequential()
        for number in range(8000):
            measured.add(number >= 4000)
        share_of_old = 0.999**4000
        assert measured.accuracy == pytest.approx((1 - share_of_old) / (1 - 0.999**8000), abs=1e-9)
        assert measured.accuracy > 0.98


class TestRepeatMistakes:
    def test_there_are_none_where_nothing_is_like_a_correction(self) -> None:
        measured = RepeatMistakes()
        measured.add(0.849, base_right=False, served_right=False)
        assert measured.summary() == {"before": None, "after": None, "requests": 0}

    def test_are_the_errors_on_requests_like_a_corrected_one(self) -> None:
        measured = RepeatMistakes()
        for likeness, base_right, served_right in (
            (0.85, False, True), (0.9, False, False), (1.0, True, True), (0.95, False, True), (0.2, False, False),
        ):  # fmt: skip
            measured.add(likeness, base_right, served_right)
        assert measured.summary() == {"before": 0.75, "after": 0.25, "requests": 4}


class TestForgetting:
    def test_is_unknown_with_fewer_than_two_releases(self) -> None:
        measured = Forgetting(rows("a", "b"))
        assert measured.backward_transfer(scores(1, 1)) is None
        measured.released(1, {"a"}, scores(1, 0))
        assert measured.backward_transfer(scores(1, 0)) is None

    def test_is_the_mean_change_of_each_slice_since_it_was_taught(self) -> None:
        measured = Forgetting(rows("a", "a", "b", "b", "c", "d"))
        measured.released(1, {"a"}, scores(1, 1, 0, 0, 0, 0))  # slice a: 1.0, and 0.5 at the end
        measured.released(2, {"a", "b"}, scores(1, 1, 1, 0, 0, 0))  # slice b: 0.5, and 1.0 at the end; a is not new
        measured.released(3, {"c"}, scores(1, 0, 1, 1, 1, 0))  # the last one cannot have been forgotten yet
        assert measured.backward_transfer(scores(1, 0, 1, 1, 1, 1)) == pytest.approx((-0.5 + 0.5) / 2)
        assert measured.backward_transfer(scores(0, 0, 1, 1, 1, 1)) == pytest.approx((-1.0 + 0.5) / 2)

    def test_is_negative_when_everything_taught_first_is_lost(self) -> None:
        measured = Forgetting(rows("a", "b"))
        measured.released(1, {"a"}, scores(1, 0))
        measured.released(2, {"b"}, scores(0, 1))
        assert measured.backward_transfer(scores(0, 1)) == -1

    def test_is_unknown_when_no_held_out_row_was_taught(self) -> None:
        measured = Forgetting(rows("a", "b"))
        measured.released(1, {"x"}, scores(1, 0))
        measured.released(2, {"y"}, scores(1, 1))
        assert measured.backward_transfer(scores(1, 1)) is None


class TestHeldOutRows:
    def test_ranks_become_hits_and_reciprocal_ranks(self) -> None:
        found = HeldOutScores([True, False, False, False], [1, 4, 0, 8])
        assert found.summary("answer") == {
            "accuracy": 0.25,
            "hit@5": 0.5,
            "mrr@10": pytest.approx((1 + 1 / 4 + 1 / 8) / 4),
        }
        assert found.summary("classify") == {"accuracy": 0.25}

    def test_are_compared_by_label_or_by_passage(self) -> None:
        reply = Answer("words", ranking=(Hit(Passage(id="p1", app="support", title="", text="words"), 1.0),))
        assert (served(reply, "classify"), served(reply, "answer")) == ("words", "p1")

    def test_are_answered_by_the_release_that_is_asked(self, house: House, support: App) -> None:
        asked = [
            Row(id="1", text="how do I reset my password", truth="password", user="u"),
            Row(id="2", text="how do I reset my password", truth="returns", user="u"),
        ]
        found = on_held_out(house.bundles.active(support), asked, LexicalEmbedder().embed([row.text for row in asked]))
        assert found.right == [True, False]
        assert found.rank[0] == 1
        assert found.rank[1] in (0, 2, 3, 4)

    def test_need_one_vector_each(self, house: House, support: App) -> None:
        vectors = LexicalEmbedder().embed(["text 0"])
        with pytest.raises(ValueError, match="argument"):
            on_held_out(house.bundles.active(support), rows("a", "b"), vectors)
