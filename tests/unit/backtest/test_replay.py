"""The replay: what is gained, from how many reviews, with nothing of the held-out rows in the store."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from typing import Any

import pytest

from ratchet.backtest.stream import History
from ratchet.records.canonical import content_hash
from ratchet.storage.database import sqlite_module
from tests.unit.backtest.conftest import Play, Run


def stored(run: Run, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite_module().connect(run.store)) as connection:
        return list(connection.execute(query).fetchall())


def everything(run: Run) -> list[str]:
    """Every text in every column of every table."""
    tables = [row[0] for row in stored(run, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert len(tables) > 15
    cells = [cell for table in tables for row in stored(run, f'SELECT * FROM "{table}"') for cell in row]
    texts = [
        cell if isinstance(cell, str) else cell.decode("latin-1") for cell in cells if isinstance(cell, str | bytes)
    ]
    return [*texts, *(json.dumps(json.loads(t), ensure_ascii=False) for t in texts if t[:1] in ("{", "["))]


def only_held_out(history: History) -> list[str]:
    """Held-out texts that are no part of a streamed one."""
    streamed = "\n".join(row.text for row in history.streamed)
    return [row.text for row in history.held_out if row.text not in streamed]


def comparable(run: Run) -> str:
    """The result as JSON, without what depends on the machine."""
    kept = {key: value for key, value in run.result.items() if key not in ("seconds", "peak_memory_mb")}
    return json.dumps(kept, sort_keys=True)


class TestWhatIsGained:
    def test_a_guessing_classifier_becomes_a_good_one(self, classified: Run) -> None:
        result = classified.result
        assert result["base"]["accuracy"] < 0.5
        assert result["final"]["accuracy"] > result["base"]["accuracy"] + 0.3
        assert result["ceiling"]["accuracy"] >= result["final"]["accuracy"]
        assert result["curve"][-1]["heldout"] == result["final"]["accuracy"]

    def test_corrected_questions_find_their_passages(self, answered: Run) -> None:
        result = answered.result
        assert result["final"]["accuracy"] > result["base"]["accuracy"] + 0.2
        assert result["final"]["accuracy"] <= result["final"]["mrr@10"] <= result["final"]["hit@5"]
        assert 0 < result["coverage"] <= 1

    def test_every_streamed_row_was_asked_once_and_in_order(self, classified: Run) -> None:
        assert [row[0] for row in stored(classified, "SELECT input FROM traces ORDER BY at, rowid")] == [
            row.text for row in classified.history.streamed
        ]

    def test_the_curve_only_goes_forward_and_ends_with_the_stream(self, classified: Run) -> None:
        curve = classified.result["curve"]
        for counted in ("seen", "corrections", "reviews", "releases"):
            values = [point[counted] for point in curve]
            assert values == sorted(values)
        last = curve[-1]
        assert last["seen"] == classified.result["rows"] == 240
        assert (last["corrections"], last["reviews"]) == (
            classified.result["corrections"],
            classified.result["reviews"],
        )
        assert last["releases"] == len(classified.result["releases"]) > 0

    def test_what_is_counted_is_what_is_stored(self, classified: Run) -> None:
        assert stored(classified, "SELECT count(*) FROM verdicts") == [(classified.result["reviews"],)]
        assert stored(classified, "SELECT count(*) FROM lessons") == [(classified.result["corrections"],)]
        released = [(release["number"], release["id"]) for release in classified.result["releases"]]
        assert stored(classified, "SELECT number, id FROM releases ORDER BY number") == released


class TestTheHeldOutRows:
    @pytest.mark.parametrize("kind", ["classified", "answered"])
    def test_leave_no_word_in_the_store(self, kind: str, request: pytest.FixtureRequest) -> None:
        run: Run = request.getfixturevalue(kind)
        held_out, whole = only_held_out(run.history), "\n".join(everything(run))
        assert len(held_out) > 10
        assert all(row.text in whole for row in run.history.streamed), "the scan sees what is stored"
        assert [text for text in held_out if text in whole] == []

    @pytest.mark.parametrize("kind", ["classified", "answered"])
    def test_leave_no_vector_in_the_store(self, kind: str, request: pytest.FixtureRequest) -> None:
        run: Run = request.getfixturevalue(kind)
        kept = {row[0] for row in stored(run, "SELECT text_hash FROM vectors")}
        taught = [row[0] for row in stored(run, "SELECT question FROM lessons")]
        assert {content_hash(text) for text in taught} <= kept, "the vectors are named by these hashes"
        assert kept.isdisjoint(content_hash(text) for text in only_held_out(run.history))

    def test_of_the_loop_never_teach(self, classified: Run) -> None:
        in_bank = "SELECT count(*) FROM bank JOIN lessons ON lessons.id = bank.lesson_id WHERE lessons.split != 'teach'"
        assert stored(classified, in_bank) == [(0,)]
        assert stored(classified, "SELECT count(*) FROM lessons WHERE split = 'held_out'") > [(0,)]


class TestTheSameSeed:
    def test_gives_the_same_result_to_the_last_digit(self, play: Play) -> None:
        rates = {"budget": 30, "seed": 3, "reviewer_error": 0.05, "poison": 0.1}
        first, second = play(80, **rates), play(80, **rates)
        assert comparable(first) == comparable(second)
        assert first.result["reviews"] > 0
        other = play(80, **{**rates, "seed": 4})
        assert comparable(other) != comparable(first)


class TestTheBudget:
    @pytest.mark.parametrize("kind", ["classified", "answered"])
    def test_is_never_exceeded(self, kind: str, request: pytest.FixtureRequest) -> None:
        run: Run = request.getfixturevalue(kind)
        budget = 80 if kind == "classified" else 100
        assert 0 < run.result["corrections"] <= run.result["reviews"] <= budget
        assert all(point["reviews"] <= budget for point in run.result["curve"])

    def test_is_eight_percent_of_the_rows_unless_given(self, play: Play) -> None:
        assert 0 < play(100).result["reviews"] <= round(0.08 * 80)

    def test_of_nothing_leaves_the_base_as_it_is(self, play: Play) -> None:
        run = play(60, budget=0, feedback=1.0)
        assert (run.result["reviews"], run.result["corrections"], run.result["releases"]) == (0, 0, [])
        assert run.result["final"] == run.result["base"]
        assert run.result["repeat_mistakes"] == {"before": None, "after": None, "requests": 0}
        assert run.result["forgetting"] == {"backward_transfer": None}
        assert stored(run, "SELECT count(*) FROM lessons") == [(0,)]
        assert stored(run, "SELECT count(*) FROM cases") > [(0,)]


class TestThePeople:
    def test_without_feedback_only_what_the_loop_sampled_is_reviewed(self, play: Play) -> None:
        run = play(100, budget=12, feedback=0.0)
        assert stored(run, "SELECT count(*) FROM feedback") == [(0,)]
        reasons = Counter(reason for row in stored(run, "SELECT reasons FROM cases") for reason in json.loads(row[0]))
        assert 0 < run.result["reviews"] <= 12
        assert set(reasons) <= {"uncertain", "audit", "gate"}

    def test_nobody_lies_unless_asked_to(self, classified: Run) -> None:
        assert classified.result["poison"] == {
            "share": 0.0, "malicious_users": 0, "cases_from_malicious_users": 0, "wrong_lessons": 0,
            "reviewer_error": 0.0,
        }  # fmt: skip
        truth = {row.text: row.truth for row in classified.history.streamed}
        lessons = stored(classified, "SELECT question, answer FROM lessons")
        assert [(question, answer) for question, answer in lessons if truth[question] != answer] == []

    def test_attackers_and_careless_reviewers_are_counted(self, spoiled: Run) -> None:
        run, poison = spoiled, spoiled.result["poison"]
        assert (poison["share"], poison["reviewer_error"]) == (0.3, 0.6)
        assert 0 < poison["malicious_users"] < 20
        assert 0 < poison["cases_from_malicious_users"] <= run.result["reviews"]
        truth = {row.text: row.truth for row in run.history.streamed}
        lessons = stored(run, "SELECT question, answer FROM lessons")
        assert poison["wrong_lessons"] == sum(truth[question] != answer for question, answer in lessons) > 0

    def test_an_attackers_own_words_never_become_a_lesson(self, play: Play) -> None:
        run = play(50, budget=15, feedback=1.0, poison=1.0)
        assert stored(run, "SELECT count(*) FROM scores WHERE name = 'correction'") > [(0,)]
        assert run.result["poison"]["malicious_users"] == len({row.user for row in run.history.streamed})
        assert run.result["poison"]["cases_from_malicious_users"] == run.result["reviews"] > 0
        assert run.result["poison"]["wrong_lessons"] == 0
