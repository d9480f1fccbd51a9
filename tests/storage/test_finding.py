"""Rows by what is known of them: filters, the newest first, and counts."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.interfaces import Store
from ratchet.records.feedback import Score
from ratchet.records.filters import FeedbackFilter, TraceFilter
from ratchet.records.trace import Context
from tests.storage.samples import APP, a_case, a_lesson, a_trace, a_verdict, an_app, feedback


class TestTraces:
    @pytest.fixture(autouse=True)
    def some(self, store: Store) -> None:
        for number in range(6):
            context = Context(user=f"u{number % 2}", session=f"s{number % 3}", segment="gold" if number else "")
            text = f"{number}% off_{number} Süß"
            store.traces.add(a_trace(f"t{number}", at=float(number // 3), input=text, output="", context=context))
        store.traces.add(a_trace("other", at=0.5, app="other", output="50% off_5"))

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, ["t5", "t4", "t3", "other", "t2", "t1", "t0"]),
            ({"app": APP}, ["t5", "t4", "t3", "t2", "t1", "t0"]),
            ({"user": "u1"}, ["t5", "t3", "t1"]),
            ({"session": "s0"}, ["t3", "t0"]),
            ({"segment": "gold", "user": "u0"}, ["t4", "t2"]),
            ({"words": "off_3"}, ["t3"]),
            ({"words": "off-3"}, []),
            ({"words": "5%"}, ["t5"]),
            ({"words": "50%"}, ["other"]),
            ({"words": "~"}, []),
            ({"words": "Süß", "limit": 2}, ["t5", "t4"]),
            ({"since": 0.5, "until": 1.0}, ["other"]),
            ({"before": (1.0, "t4", APP)}, ["t3", "other", "t2", "t1", "t0"]),
            ({"before": (0.0, "t0", APP)}, []),
            ({"app": "none"}, []),
        ],
        ids=str,
    )
    def test_that_fit_are_found_newest_first(self, store: Store, wanted: dict[str, Any], found: list[str]) -> None:
        assert [trace.id for trace in store.traces.find(TraceFilter(**wanted))] == found

    def test_tell_which_app_they_are_of(self, store: Store) -> None:
        assert store.traces.apps_of(["t1", "other", "never", "t1"]) == {"t1": APP, "other": "other"}
        assert store.traces.apps_of([]) == {}


class TestFeedback:
    @pytest.fixture(autouse=True)
    def some(self, store: Store) -> None:
        tone = (Score.infer("tone", "warm"),)
        given: list[dict[str, Any]] = [
            {"thumb": "down"},
            {"stars": 2},
            {"stars": 3},
            {"flags": ("unsafe",)},
            {"correction": "No."},
            {"scores": tone},
        ]
        for number, said in enumerate(given):
            event = feedback(f"f{number}", f"t{number % 2}", at=float(number // 2), user=f"u{number % 3}", **said)
            store.feedback.add(event)
        store.feedback.add(feedback("f0", "t9", at=0.0, app="other", thumb="up"))

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            ({}, ["f5", "f4", "f3", "f2", "f1", "f0", "f0"]),
            ({"app": "other"}, ["f0"]),
            ({"trace_id": "t1"}, ["f5", "f3", "f1"]),
            ({"user": "u0"}, ["f3", "f0"]),
            ({"name": "stars"}, ["f2", "f1"]),
            ({"name": "flag:unsafe"}, ["f3"]),
            ({"name": "tone"}, ["f5"]),
            ({"name": "none"}, []),
            ({"negative": True}, ["f4", "f3", "f1", "f0"]),
            ({"negative": False}, ["f5", "f2", "f0"]),
            ({"since": 1.0, "until": 2.0}, ["f3", "f2"]),
            ({"before": (1.0, "f3", APP), "limit": 2}, ["f2", "f1"]),
            ({"before": (0.0, "f0", APP)}, ["f0"]),
            ({"before": (0.0, "f0", "other")}, []),
        ],
        ids=str,
    )
    def test_that_fits_is_found_newest_first(self, store: Store, wanted: dict[str, Any], found: list[str]) -> None:
        assert [event.id for event in store.feedback.find(FeedbackFilter(**wanted))] == found

    def test_is_found_by_the_name_of_a_score_that_still_stands(self, store: Store) -> None:
        store.feedback.add(feedback("f9", "t1", at=9.0, user="u1", stars=5))
        found = [event.id for event in store.feedback.find(FeedbackFilter(name="stars"))]
        assert found == ["f9", "f2"], "f1 gave stars for the same trace and user before"

    def test_is_found_by_its_id_in_the_app_that_is_meant(self, store: Store) -> None:
        store.feedback.add(feedback("twin", "t1", app="another", thumb="up"))
        store.feedback.add(feedback("twin", "t1", thumb="down"))
        for app in ("another", APP):
            found = store.feedback.get(app, "twin")
            assert found is not None
            assert found.app == app
        first = store.feedback.get("", "twin")
        assert first is not None
        assert first.app == "another"
        assert store.feedback.get("none", "twin") is None
        assert store.feedback.get("", "never") is None

    def test_that_could_not_be_processed_is_listed_newest_first(self, store: Store) -> None:
        for number in range(3):
            store.feedback.quarantine(APP, f"e{number}", float(number), "odd", "{}")
        store.feedback.quarantine("other", "e9", 9.0, "odd", "{}")
        assert store.feedback.quarantined(APP, 2) == [("e2", 2.0, "odd", "{}"), ("e1", 1.0, "odd", "{}")]
        assert store.feedback.quarantined("none", 2) == []


class TestCasesAndLessons:
    def test_a_case_is_found_by_its_trace(self, store: Store) -> None:
        store.cases.open(a_case("c1", "t1"))
        store.cases.open(a_case("c2", "t2"))
        assert store.cases.of_trace("t2") == a_case("c2", "t2")
        assert store.cases.of_trace("never") is None

    def test_a_lesson_is_found_by_its_case(self, store: Store) -> None:
        store.cases.open(a_case("c1", "t1"))
        store.cases.decide(a_verdict("v1", "c1"))
        assert store.lessons.of_case("c1") is None
        store.lessons.add(a_lesson(1))
        assert store.lessons.of_case("c1") == a_lesson(1)
        store.lessons.retire("l1", "revoked")
        found = store.lessons.of_case("c1")
        assert found is not None
        assert found.status == "revoked", "a revoked one is found too"

    def test_lessons_and_verdicts_are_counted(self, store: Store) -> None:
        assert (store.lessons.counts(APP), store.cases.decided(APP)) == ({}, 0)
        for number in (1, 2, 3):
            store.cases.open(a_case(f"c{number}", f"t{number}"))
            store.cases.decide(a_verdict(f"v{number}", f"c{number}"))
            store.lessons.add(a_lesson(number))
        store.lessons.retire("l2", "revoked")
        assert store.lessons.counts(APP) == {"active": 2, "revoked": 1}
        assert (store.cases.decided(APP), store.cases.decided("other"), store.lessons.counts("other")) == (3, 0, {})


def test_names_are_told_from_apps(store: Store) -> None:
    for name in ("one", "two"):
        store.apps.put(an_app(name))
    assert store.apps.named(["one", "three", "", "ONE"]) == {"one"}
    assert store.apps.named([]) == set()
