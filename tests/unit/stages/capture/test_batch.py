"""Batches: each row stands for itself, all that pass are written together, and nothing is counted twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.errors import Conflict, InvalidInput, StorageError, UnknownName
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import SeededIds
from ratchet.records.feedback import Feedback
from ratchet.records.trace import Trace
from ratchet.settings import Settings
from ratchet.stages.capture import batch
from ratchet.stages.capture.batch import OBSERVED, Intake, Prepared, Taken, acknowledgement, take_batch
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceBatchIn, TraceIn
from ratchet.wiring import House, open_house


@pytest.fixture
def intake(house: House) -> Intake:
    return Intake(house.outside)


def trace(key: str = "t1", app: str = "support", **fields: Any) -> TraceIn:
    return TraceIn(**{"app": app, "id": key, "input": f"question {key}", **fields})


def said(key: str = "t1", event: str = "", **fields: Any) -> FeedbackIn:
    return FeedbackIn(**{"id": key, "event_id": event, **({} if fields else {"thumb": "up"}), **fields})


def outcomes(taken: list[Taken]) -> list[tuple[str, str]]:
    return [(row.id, row.outcome) for row in taken]


def take(intake: Intake, traces: list[TraceIn], feedback: list[FeedbackIn] | None = None) -> list[Taken]:
    return intake.write([intake.prepare(traces, feedback or [])])[0]


class TestPreparing:
    def test_keeps_refused_rows_in_their_place_with_the_reason(self, intake: Intake) -> None:
        prepared = intake.prepare(
            [trace("t1"), trace("t2", input=" "), trace("t3", app="no name at all"), trace("x" * 65)],
            [said("t1", "f1"), said("t1", "f2", stars=None), said("", "f3"), said("t1", "f4", flags=["a\x00"])],
        )
        kinds = [type(row) for row in prepared.rows]
        assert kinds == [Trace, Taken, Taken, Taken, Feedback, Taken, Taken, Taken]
        refused = [row for row in prepared.rows if isinstance(row, Taken)]
        assert [row.id for row in refused] == ["t2", "t3", "x" * 65, "f2", "f3", "f4"]
        assert all(isinstance(row.error, InvalidInput) for row in refused)

    def test_fills_in_what_was_left_out(self, intake: Intake, house: House) -> None:
        made = intake.trace(trace(""))
        assert (made.id[:3], made.at, made.output) == ("tr_", house.outside.clock.now(), "")
        told = intake.feedback(said("t1"))
        assert (told.id[:3], told.at, told.app) == ("fb_", house.outside.clock.now(), "")
        assert intake.trace(trace("t9", at=5.0)).at == intake.feedback(said("t1", at=5.0, thumb="up")).at == 5.0

    def test_writes_nothing(self, intake: Intake, house: House) -> None:
        intake.prepare([trace("t1", app="brand-new")], [said("t1")])
        assert house.store.traces.get("t1") is None
        assert house.store.apps.named(["brand-new"]) == set()


class TestWriting:
    def test_tells_for_each_row_of_each_batch_what_became_of_it(self, intake: Intake) -> None:
        first = intake.prepare([trace("t1"), trace("t1")], [said("t1", "f1")])
        second = intake.prepare([trace("t1"), trace("t2", input="")], [said("t1", "f1"), said("t1", "f1", stars=1)])
        assert [outcomes(taken) for taken in intake.write([first, second])] == [
            [("t1", "stored"), ("t1", "duplicate"), ("f1", "stored")],
            [("t1", "duplicate"), ("t2", "rejected"), ("f1", "duplicate"), ("f1", "rejected")],
        ]

    def test_refuses_a_trace_whose_id_stands_for_one_of_another_app(self, intake: Intake, house: House) -> None:
        stored, foreign = take(intake, [trace("t1"), trace("t1", app="other")])
        assert (stored.outcome, foreign.outcome) == ("stored", "rejected")
        assert isinstance(foreign.error, Conflict)
        assert "support" not in str(foreign.error), "whose it is, is not told"
        assert outcomes(take(intake, [trace("t1")])) == [("t1", "duplicate")]

    def test_puts_feedback_under_the_app_of_its_trace(self, intake: Intake, house: House) -> None:
        first, second, third = take(intake, [trace("t1")], [said("t1", "f1"), said("t1", "f2", app="other", stars=1),
                                                            said("t1", "f3", app="support", stars=5)])[1:]  # fmt: skip
        assert first.feedback is not None
        assert first.feedback.app == "support"
        assert second.outcome == "rejected"
        assert isinstance(second.error, InvalidInput)
        assert "belongs to support, not to other" in second.error.what
        assert third.outcome == "stored"

    def test_feedback_before_its_trace_needs_an_app_where_there_are_several(self, intake: Intake) -> None:
        nameless, named, unknown = take(intake, [], [
            said("late", "f1"), said("late", "f2", app="support", stars=1), said("late", "f3", app="nowhere", stars=1)
        ])  # fmt: skip
        assert isinstance(nameless.error, InvalidInput)
        assert "has not arrived, and there are 3 apps" in nameless.error.what
        assert named.outcome == "stored"
        assert isinstance(unknown.error, UnknownName)
        assert outcomes(take(intake, [trace("late")], [said("late", "f1")])) == [("late", "stored"), ("f1", "stored")]

    def test_an_event_id_with_other_content_is_refused_by_itself(self, intake: Intake) -> None:
        taken = take(
            intake, [trace()], [said("t1", "f1"), said("t1", "f1", thumb="down"), said("t1", "f1", at=9.0, thumb="up")]
        )
        assert outcomes(taken)[1:] == [("f1", "stored"), ("f1", "rejected"), ("f1", "duplicate")]
        assert isinstance(taken[2].error, Conflict)

    def test_nothing_is_nothing(self, intake: Intake, house: House) -> None:
        assert intake.write([]) == []
        assert intake.write([Prepared()]) == [[]]
        assert house.store.feedback.tallies("") == {}


class TestAppsNobodyDeclared:
    def test_are_taken_as_observed(self, intake: Intake, house: House) -> None:
        take(intake, [trace("t1", app="seen"), trace("t2", app="seen")])
        app = house.store.apps.get("seen")
        assert (app.kind, app.base, app.embedder) == ("chat", OBSERVED, house.outside.vectors.fingerprint)

    def test_leave_a_declared_app_as_it_is(self, intake: Intake, house: House) -> None:
        before = house.store.apps.get("triage")
        take(intake, [trace("t1", app="triage")])
        assert house.store.apps.get("triage") == before

    def test_beyond_the_most_there_may_be_are_refused_row_by_row(
        self, intake: Intake, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch, "MOST_APPS", 4)
        rows = [trace("t1"), trace("t2", app="n2"), trace("t3", app="n3"), trace("t4", app="n2"), trace("t5", app="n3")]
        taken = take(intake, rows, [said("t1", "f1"), said("t3", "f2", app="n3", stars=1)])
        assert outcomes(taken) == [
            ("t1", "stored"), ("t2", "stored"), ("t3", "rejected"), ("t4", "stored"), ("t5", "rejected"),
            ("f1", "stored"), ("f2", "rejected"),
        ]  # fmt: skip
        assert taken[2].error is not None
        assert "'n3' would be one more" in taken[2].error.what
        assert house.store.apps.named(["n2", "n3"]) == {"n2"}
        assert house.store.traces.get("t3") is None
        assert house.store.feedback.tallies("") == {"received": 3, "rejected": 3}, "an app that is not has no counts"

    def test_are_declared_again_after_a_commit_that_failed(self, intake: Intake, house: House) -> None:
        """Other writes share the commit; when one of them fails, what this one declared is undone with it."""
        prepared = intake.prepare([trace("t1", app="seen")], [said("t1", "f1")])

        def fail() -> None:
            with house.store.transaction():
                intake.write([prepared])
                raise StorageError("The disk is full.", "Free some.")

        with pytest.raises(StorageError, match="full"):
            fail()
        assert house.store.apps.named(["seen"]) == set()
        assert outcomes(intake.write([prepared])[0]) == [("t1", "stored"), ("f1", "stored")]
        assert house.store.apps.get("seen").base == OBSERVED

    def test_are_declared_when_a_neighbour_in_the_journal_fails(self, intake: Intake, house: House) -> None:
        gate: Future[None] = Future()
        blocked = house.store.submit(gate.result)
        good = house.store.submit(lambda: intake.write([intake.prepare([trace("t1", app="seen")])]))
        bad = house.store.submit(lambda: house.store.apps.get("nowhere"))
        gate.set_result(None)
        blocked.result(10)
        assert isinstance(bad.exception(10), UnknownName)
        assert outcomes(good.result(10)[0]) == [("t1", "stored")]
        assert house.store.apps.get("seen").base == OBSERVED


class TestCounting:
    def test_received_is_stored_duplicate_and_rejected_app_by_app(self, intake: Intake, house: House) -> None:
        take(
            intake,
            [trace("t1"), trace("t1"), trace("t2", app="other"), trace("t3", input="")],
            [said("t1", "f1"), said("t1", "f1"), said("t1", "f1", stars=1), said("t1", "f2", app="other", stars=1)],
        )
        tallies = {app: house.store.feedback.tallies(app) for app in ("support", "other", "")}
        assert tallies == {
            "support": {"received": 4, "stored": 2, "duplicate": 2},
            "other": {"received": 2, "stored": 1, "rejected": 1},
            "": {"received": 2, "rejected": 2},
        }

    def test_feedback_for_an_app_that_is_not_makes_no_counts_of_its_own(self, intake: Intake, house: House) -> None:
        take(intake, [], [said("t1", f"f{n}", app=f"made-up-{n}", stars=1) for n in range(3)])
        assert house.store.feedback.tallies("made-up-0") == {}
        assert house.store.feedback.tallies("") == {"received": 3, "rejected": 3}

    def test_an_acknowledgement_adds_up(self, house: House) -> None:
        told = take_batch(
            house.outside,
            TraceBatchIn(traces=[trace("t1"), trace("t1")], feedback=[said("t1", "f1"), said("t9", "f2")]),
        )
        assert (told.stored, told.duplicate, told.rejected) == (2, 1, 1)
        assert [(row.id, row.outcome, bool(row.error), bool(row.fix)) for row in told.results] == [
            ("t1", "stored", False, False), ("t1", "duplicate", False, False), ("f1", "stored", False, False),
            ("f2", "rejected", True, True),
        ]  # fmt: skip
        assert acknowledgement([]).results == []


@cache
def empty_file() -> bytes:
    """A new store: making one for every example would take most of the time."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.db"
        open_house(Settings(store=path), embedder=LexicalEmbedder()).close()
        return path.read_bytes()


@contextmanager
def a_house() -> Iterator[House]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "r.db"
        path.write_bytes(empty_file())
        house = open_house(Settings(store=path), embedder=LexicalEmbedder(), ids=SeededIds(1))
        try:
            yield house
        finally:
            house.close()


IDS, APPS = st.sampled_from(["a", "b", "c"]), st.sampled_from(["one", "two", "three"])
TRACES = st.builds(lambda key, app, good: trace(key, app, input="x" if good else ""), IDS, APPS, st.booleans())
FEEDBACK = st.builds(
    lambda key, event, app, stars: FeedbackIn(id=key, event_id=event, app=app, stars=stars),
    IDS, st.sampled_from(["e1", "e2", "e3"]), st.sampled_from(["", "one", "two", "never"]),
    st.sampled_from([1, 5, None]),
)  # fmt: skip
BATCHES = st.lists(st.tuples(st.lists(TRACES, max_size=4), st.lists(FEEDBACK, max_size=4)), max_size=3)


class Model:
    """What intake should do, in dictionaries."""

    def __init__(self) -> None:
        self.apps: set[str] = set()
        self.traces: dict[str, str] = {}
        self.events: dict[tuple[str, str], tuple[str, int | None]] = {}

    def commit(self, batches: list[tuple[list[TraceIn], list[FeedbackIn]]]) -> list[list[str]]:
        """All traces of a commit are there before its feedback."""
        self.apps |= {row.app for traces, _ in batches for row in traces if row.input}
        traces = [[self.trace(row) for row in rows] for rows, _ in batches]
        return [[*done, *[self.feedback(row) for row in rows]] for done, (_, rows) in zip(traces, batches, strict=True)]

    def trace(self, row: TraceIn) -> str:
        if not row.input:
            return "rejected"
        if row.id in self.traces:
            return "duplicate" if self.traces[row.id] == row.app else "rejected"
        self.traces[row.id] = row.app
        return "stored"

    def feedback(self, row: FeedbackIn) -> str:
        app = self.traces.get(row.id) or row.app or (next(iter(self.apps)) if len(self.apps) == 1 else "")
        if row.stars is None or app not in self.apps or row.app not in ("", app):
            return "rejected"
        event = app, row.event_id
        if event in self.events:
            return "duplicate" if self.events[event] == (row.id, row.stars) else "rejected"
        self.events[event] = row.id, row.stars
        return "stored"


@settings(max_examples=40, deadline=None)
@given(commits=st.lists(BATCHES, max_size=4))
def test_intake_does_what_a_model_in_dictionaries_does(
    commits: list[list[tuple[list[TraceIn], list[FeedbackIn]]]],
) -> None:
    model = Model()
    with a_house() as house:
        intake, received = Intake(house.outside), 0
        for batches in commits:
            taken = intake.write([intake.prepare(*batch) for batch in batches])
            assert [[row.outcome for row in rows] for rows in taken] == model.commit(batches)
            received += sum(len(rows) for rows in taken)
        assert {app.name for app in house.store.apps.all()} == model.apps
        assert house.store.traces.apps_of("abc") == model.traces
        counted = [house.store.feedback.tallies(app) for app in (*model.apps, "")]
        assert sum(tallies.get("received", 0) for tallies in counted) == received
        for tallies in counted:
            rest = sum(tallies.get(outcome, 0) for outcome in ("stored", "duplicate", "rejected"))
            assert tallies.get("received", 0) == rest
