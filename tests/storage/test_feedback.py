from __future__ import annotations

from ratchet.interfaces import Store
from ratchet.records.feedback import Score
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP, a_trace, an_assessment, feedback


def standing(store: Store, trace_id: str = "t1") -> dict[str, dict[str, object]]:
    return {user: {s.name: s.value for s in scores} for user, scores in store.feedback.scores(trace_id).items()}


class TestAnEvent:
    def test_is_read_back_in_every_field_and_type(self, store: Store) -> None:
        event = feedback(
            scores=(
                Score.infer("relevance", 0.5),
                Score.infer("whole", 4),
                Score.infer("helpful", False),
                Score.infer("tone", "warm"),
                Score.infer("essay", "two\nlines"),
            ),
            thumb="down",
            stars=2,
            flags=("unsafe", "wrong"),
            correction="It is 30 days.",
            comment="No!",
            signals={"dwell_ms": 1500.0, "copy": True, "outcome": "solved"},
        )
        assert store.feedback.add(event)
        assert store.feedback.history("t1") == [event]
        assert sorted(store.feedback.scores("t1")["u1"], key=lambda score: score.name) == sorted(
            event.as_scores(), key=lambda score: score.name
        )
        assert all(type(value) in (bool, float, str) for value in standing(store)["u1"].values())

    def test_counts_once_however_often_it_comes(self, store: Store) -> None:
        assert store.feedback.add(feedback(thumb="up"))
        assert not store.feedback.add(feedback(thumb="down", stars=1))
        assert len(store.feedback.history("t1")) == 1
        assert standing(store) == {"u1": {"thumb": "up"}}

    def test_is_known_by_its_id_within_one_app_only(self, store: Store) -> None:
        assert store.feedback.add(feedback("f1", "t1", thumb="up"))
        assert store.feedback.add(feedback("f1", "t2", thumb="up", app="other"))

    def test_may_come_before_its_trace(self, store: Store) -> None:
        store.feedback.add(feedback(thumb="down"))
        assert store.feedback.unassessed(APP, 10) == []
        store.traces.add(a_trace())
        assert store.feedback.unassessed(APP, 10) == ["t1"]


class TestStandingScores:
    def test_the_last_value_stands_and_the_history_is_kept(self, store: Store) -> None:
        store.feedback.add(feedback("f1", thumb="up", stars=5, at=2.0))
        store.feedback.add(feedback("f2", thumb="down", at=3.0))
        assert standing(store) == {"u1": {"thumb": "down", "stars": 5.0}}
        assert [event.id for event in store.feedback.history("t1")] == ["f1", "f2"]

    def test_each_user_has_their_own(self, store: Store) -> None:
        store.feedback.add(feedback("f1", user="ana", thumb="up"))
        store.feedback.add(feedback("f2", user="ben", thumb="down"))
        assert standing(store) == {"ana": {"thumb": "up"}, "ben": {"thumb": "down"}}

    def test_a_score_may_change_its_type(self, store: Store) -> None:
        store.feedback.add(feedback("f1", scores=(Score.infer("tone", 3),)))
        store.feedback.add(feedback("f2", scores=(Score.infer("tone", "warm"),)))
        assert store.feedback.scores("t1") == {"u1": [Score("tone", "warm", "categorical")]}
        store.feedback.add(feedback("f3", scores=(Score.infer("tone", True),)))
        assert store.feedback.scores("t1") == {"u1": [Score("tone", True, "boolean")]}

    def test_a_trace_nobody_rated_has_none(self, store: Store) -> None:
        assert store.feedback.scores("t1") == {}
        assert store.feedback.history("t1") == []


class TestUnassessed:
    def test_oldest_feedback_comes_first(self, store: Store) -> None:
        for key, at in (("t1", 30.0), ("t2", 10.0), ("t3", 20.0)):
            store.traces.add(a_trace(key))
            store.feedback.add(feedback(f"f-{key}", key, thumb="up", at=at))
        assert store.feedback.unassessed(APP, 10) == ["t2", "t3", "t1"]
        assert store.feedback.unassessed(APP, 2) == ["t2", "t3"]

    def test_a_trace_that_is_rated_again_and_again_keeps_its_place(self, store: Store) -> None:
        for key, at in (("t1", 10.0), ("t2", 20.0)):
            store.traces.add(a_trace(key))
            store.feedback.add(feedback(f"f-{key}", key, thumb="up", at=at))
        store.feedback.add(feedback("again", "t1", stars=1, at=99.0))
        assert store.feedback.unassessed(APP, 10) == ["t1", "t2"]

    def test_feedback_after_the_assessment_makes_it_wait_again(self, store: Store) -> None:
        store.traces.add(a_trace())
        store.feedback.add(feedback("f1", thumb="up"))
        store.traces.assess(an_assessment())
        assert store.feedback.unassessed(APP, 10) == []
        store.feedback.add(feedback("f2", thumb="down"))
        assert store.feedback.unassessed(APP, 10) == ["t1"]

    def test_a_repeated_event_does_not_make_it_wait_again(self, store: Store) -> None:
        store.traces.add(a_trace())
        store.feedback.add(feedback("f1", thumb="up"))
        store.traces.assess(an_assessment())
        store.feedback.add(feedback("f1", thumb="up"))
        assert store.feedback.unassessed(APP, 10) == []

    def test_each_app_has_its_own(self, store: Store) -> None:
        store.traces.add(a_trace("t1", app="other"))
        store.feedback.add(feedback("f1", "t1", thumb="up", app="other"))
        assert store.feedback.unassessed(APP, 10) == []
        assert store.feedback.unassessed("other", 10) == ["t1"]


class TestPraised:
    def test_thumbs_up_and_many_stars_are_praise_and_the_newest_comes_first(self, store: Store) -> None:
        given = {"t1": {"thumb": "up"}, "t2": {"stars": 4}, "t3": {"stars": 3}, "t4": {"comment": "hm"}}
        for number, (key, said) in enumerate(given.items()):
            store.traces.add(a_trace(key))
            store.feedback.add(feedback(f"f-{key}", key, at=10.0 + number, **said))
        assert [trace.id for trace, _ in store.feedback.praised(APP, 10)] == ["t2", "t1"]
        assert [trace.id for trace, _ in store.feedback.praised(APP, 1)] == ["t2"]

    def test_one_complaint_of_anybody_excludes_a_trace(self, store: Store) -> None:
        complaints = {
            "t1": {"thumb": "down"},
            "t2": {"stars": 2},
            "t3": {"flags": ("wrong",)},
            "t4": {"correction": "No."},
            "t5": {"comment": "thanks"},
        }
        for key, said in complaints.items():
            store.traces.add(a_trace(key))
            store.feedback.add(feedback(f"up-{key}", key, user="ana", thumb="up"))
            store.feedback.add(feedback(f"then-{key}", key, user="ben", **said))
        assert store.feedback.praised(APP, 10) == [(a_trace("t5"), "ana")]

    def test_a_user_who_changes_their_mind_takes_the_praise_back(self, store: Store) -> None:
        store.traces.add(a_trace())
        store.feedback.add(feedback("f1", thumb="up"))
        store.feedback.add(feedback("f2", thumb="down"))
        assert store.feedback.praised(APP, 10) == []
        store.feedback.add(feedback("f3", thumb="up"))
        assert store.feedback.praised(APP, 10) == [(a_trace(), "u1")]

    def test_a_trace_that_many_praise_in_many_ways_is_one_trace(self, store: Store) -> None:
        store.traces.add(a_trace("t1"))
        store.traces.add(a_trace("t2"))
        store.feedback.add(feedback("f0", "t2", thumb="up", at=1.0))
        for number, user in enumerate(("ana", "ben", "cleo")):
            store.feedback.add(feedback(f"f-{user}", "t1", user=user, thumb="up", stars=5, at=2.0 + number))
        praised = store.feedback.praised(APP, 2)
        assert [trace.id for trace, _ in praised] == ["t1", "t2"]
        assert praised[0][1] in {"ana", "ben", "cleo"}

    def test_praise_of_a_trace_that_has_not_arrived_is_left_out(self, store: Store) -> None:
        store.feedback.add(feedback(thumb="up"))
        assert store.feedback.praised(APP, 10) == []


class TestTalliesAndQuarantine:
    def test_outcomes_are_counted_by_app(self, store: Store) -> None:
        for outcome, amount in (("received", 3), ("stored", 2), ("duplicate", 1), ("received", 1)):
            store.feedback.tally(APP, outcome, amount)
        store.feedback.tally("other", "received")
        assert store.feedback.tallies(APP) == {"received": 4, "stored": 2, "duplicate": 1}
        assert store.feedback.tallies("none") == {}

    def test_what_cannot_be_processed_is_kept_with_its_reason(self, store: Store, place: SqlitePlace) -> None:
        store.feedback.quarantine(APP, "e1", 1.5, "no scores", "{}")
        store.feedback.quarantine(APP, "e1", 2.5, "stars are 9", '{"stars": 9}')
        rows = place.sql("SELECT app, event_id, at, reason, body FROM quarantine")
        assert rows == [(APP, "e1", 2.5, "stars are 9", '{"stars": 9}')]


class TestAnotherAppsFeedback:
    """Feedback may name the id of a trace that belongs to another app; it is kept and changes nothing there."""

    def test_neither_rates_the_trace_nor_takes_its_praise_away(self, store: Store) -> None:
        store.traces.add(a_trace())
        store.feedback.add(feedback("f1", user="ana", thumb="up"))
        store.feedback.add(feedback("f2", user="ana", thumb="down", app="other"))
        store.feedback.add(feedback("f3", user="eve", flags=("wrong",), app="other"))
        assert standing(store) == {"ana": {"thumb": "up"}}
        assert store.feedback.praised(APP, 10) == [(a_trace(), "ana")]
        assert store.feedback.praised("other", 10) == []
        assert [event.id for event in store.feedback.history("t1")] == ["f1", "f2", "f3"]

    def test_neither_hides_the_trace_from_assessment_nor_asks_for_it(self, store: Store) -> None:
        store.feedback.add(feedback("f1", thumb="down", app="other"))
        store.traces.add(a_trace())
        assert store.feedback.unassessed(APP, 10) == []
        store.feedback.add(feedback("f2", thumb="down"))
        assert store.feedback.unassessed(APP, 10) == ["t1"]
        assert store.feedback.unassessed("other", 10) == []
