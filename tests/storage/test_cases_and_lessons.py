from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ratchet.errors import Conflict, StorageError
from ratchet.interfaces import Store
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP, a_case, a_lesson, a_verdict


def learn(store: Store, *numbers: int) -> None:
    """Cases, verdicts and lessons of those numbers."""
    for number in numbers:
        store.cases.open(a_case(f"c{number}", f"t{number}"))
        store.cases.decide(a_verdict(f"v{number}", f"c{number}"))
        store.lessons.add(a_lesson(number))


class TestCases:
    def test_a_case_is_read_back_as_it_was_opened(self, store: Store) -> None:
        case = a_case(reasons=("thumb down", "flag:unsafe"), reporter="u1")
        assert store.cases.open(case)
        assert store.cases.get("c1") == case
        assert store.cases.get("c2") is None

    def test_a_trace_has_one_case_and_new_reasons_join_it(self, store: Store) -> None:
        store.cases.open(a_case("c1", reasons=("one", "two")))
        assert not store.cases.open(a_case("c2", reasons=("two", "three")))
        assert store.cases.get("c2") is None
        assert store.cases.opened(APP) == [a_case("c1", reasons=("one", "two", "three"))]

    def test_new_reasons_do_not_reopen_a_decided_case(self, store: Store) -> None:
        store.cases.open(a_case())
        store.cases.decide(a_verdict())
        assert not store.cases.open(a_case("c2", reasons=("again",)))
        assert store.cases.opened(APP) == []

    def test_open_cases_are_listed_oldest_first(self, store: Store) -> None:
        for key, at in (("c1", 9.0), ("c2", 3.0), ("c3", 9.0)):
            store.cases.open(a_case(key, f"t-{key}", at=at))
        store.cases.open(a_case("foreign", "t9", app="other"))
        assert [case.id for case in store.cases.opened(APP)] == ["c2", "c1", "c3"]

    def test_a_decided_case_still_counts_as_the_case_of_its_trace(self, store: Store) -> None:
        store.cases.open(a_case("c1", "t1"))
        store.cases.open(a_case("c2", "t2"))
        store.cases.decide(a_verdict())
        assert store.cases.traces_with_case(APP) == {"t1", "t2"}


class TestAReservation:
    def test_keeps_the_second_reviewer_out_until_it_ends(self, store: Store) -> None:
        store.cases.open(a_case())
        assert store.cases.reserve("c1", "ana", now=100.0, until=200.0)
        assert not store.cases.reserve("c1", "ben", now=199.0, until=300.0)
        assert store.cases.reserve("c1", "ben", now=200.0, until=300.0)
        assert store.cases.get("c1") == a_case(reserved_by="ben", reserved_until=300.0)

    def test_can_be_prolonged_by_its_holder(self, store: Store) -> None:
        store.cases.open(a_case())
        store.cases.reserve("c1", "ana", now=100.0, until=200.0)
        assert store.cases.reserve("c1", "ana", now=150.0, until=400.0)
        assert not store.cases.reserve("c1", "ben", now=250.0, until=500.0)

    def test_of_a_decided_or_unknown_case_is_refused(self, store: Store) -> None:
        store.cases.open(a_case())
        store.cases.decide(a_verdict())
        assert not store.cases.reserve("c1", "ana", now=100.0, until=200.0)
        assert not store.cases.reserve("c9", "ana", now=100.0, until=200.0)

    def test_goes_to_one_of_many_who_ask_at_once(self, store: Store) -> None:
        store.cases.open(a_case())
        ready, got = threading.Barrier(8), []

        def ask(name: str) -> None:
            ready.wait()
            if store.cases.reserve("c1", name, now=100.0, until=200.0):
                got.append(name)

        threads = [threading.Thread(target=ask, args=(f"reviewer {number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(got) == 1
        assert store.cases.get("c1") == a_case(reserved_by=got[0], reserved_until=200.0)


class TestVerdicts:
    def test_a_verdict_closes_its_case_and_is_read_back(self, store: Store) -> None:
        store.cases.open(a_case())
        verdict = a_verdict(failure_mode="wrong", answer="30 days", passage_id="p1", note="see §3")
        store.cases.decide(verdict)
        assert store.cases.verdicts(APP) == [verdict]
        assert store.cases.get("c1") == a_case(status="decided")

    def test_a_case_is_decided_once(self, store: Store) -> None:
        store.cases.open(a_case())
        store.cases.decide(a_verdict())
        with pytest.raises(Conflict, match="c1 was decided already"):
            store.cases.decide(a_verdict("v2", reviewer="ben"))
        assert store.cases.verdicts(APP) == [a_verdict()]

    def test_verdicts_on_names_the_traces_that_have_one(self, store: Store) -> None:
        for number in (1, 2, 3):
            store.cases.open(a_case(f"c{number}", f"t{number}"))
        store.cases.decide(a_verdict("v1", "c1"))
        store.cases.decide(a_verdict("v3", "c3", erred=False))
        assert store.cases.verdicts_on(["t3", "t2", "t9"]) == {"t3": a_verdict("v3", "c3", erred=False)}
        assert store.cases.verdicts_on([]) == {}

    def test_verdicts_on_takes_more_traces_than_one_query(self, store: Store) -> None:
        with store.transaction():
            for number in range(601):
                store.cases.open(a_case(f"c{number}", f"t{number}"))
                store.cases.decide(a_verdict(f"v{number}", f"c{number}"))
        found = store.cases.verdicts_on(f"t{number}" for number in range(700))
        assert {trace: verdict.case_id for trace, verdict in found.items()} == {f"t{n}": f"c{n}" for n in range(601)}

    def test_verdicts_are_listed_oldest_first(self, store: Store) -> None:
        for number, at in ((1, 9.0), (2, 5.0)):
            store.cases.open(a_case(f"c{number}", f"t{number}"))
            store.cases.decide(a_verdict(f"v{number}", f"c{number}", at=at))
        assert [verdict.id for verdict in store.cases.verdicts(APP)] == ["v2", "v1"]


class TestLessons:
    def test_a_lesson_is_read_back_in_every_field(self, store: Store) -> None:
        store.cases.open(a_case())
        store.cases.decide(a_verdict())
        lesson = a_lesson(passage_id="p", reporter="u1", erred=False, rejected_answer="x", failure_mode="wrong",
                          segment="gold", supersedes="l0", valid_until=9e9, split="held_out")  # fmt: skip
        store.lessons.add(lesson)
        assert store.lessons.get("l1") == lesson
        assert store.lessons.get("l2") is None

    def test_a_lesson_needs_its_case_and_verdict(self, store: Store) -> None:
        with pytest.raises(StorageError, match="FOREIGN KEY"):
            store.lessons.add(a_lesson())
        assert store.lessons.all(APP) == []

    def test_a_retired_lesson_changes_its_status_only(self, store: Store) -> None:
        learn(store, 1, 2)
        store.lessons.retire("l1", "superseded")
        assert store.lessons.all(APP) == [replace(a_lesson(1), status="superseded"), a_lesson(2)]

    def test_only_revoked_lessons_are_denied(self, store: Store) -> None:
        learn(store, 1, 2, 3)
        store.lessons.retire("l1", "superseded")
        store.lessons.retire("l2", "revoked")
        assert store.lessons.denied(APP) == {"l2"}
        assert store.lessons.denied("other") == frozenset()


class TestTheBank:
    def test_each_version_holds_what_was_put_in_and_not_taken_out(self, store: Store) -> None:
        learn(store, 1, 2, 3)
        store.lessons.set_bank(APP, 1, ["l2", "l1"])
        store.lessons.set_bank(APP, 2, ["l2", "l3"])
        store.lessons.set_bank(APP, 4, ["l1", "l2", "l3"])
        banks = {version: [lesson.id for lesson in store.lessons.bank(APP, version)] for version in range(6)}
        assert banks == {0: [], 1: ["l1", "l2"], 2: ["l2", "l3"], 3: ["l2", "l3"], 4: ["l1", "l2", "l3"],
                         5: ["l1", "l2", "l3"]}  # fmt: skip

    def test_an_older_version_is_not_changed_by_a_newer_one(self, store: Store) -> None:
        learn(store, 1, 2)
        store.lessons.set_bank(APP, 1, ["l1"])
        before = store.lessons.bank(APP, 1)
        store.lessons.set_bank(APP, 2, ["l2"])
        assert store.lessons.bank(APP, 1) == before == [a_lesson(1)]

    def test_a_change_that_fails_half_way_changes_nothing(self, store: Store, place: SqlitePlace) -> None:
        learn(store, 1)
        with pytest.raises(StorageError):
            store.lessons.set_bank(APP, 1, ["l1", "no such lesson"])
        assert place.sql("SELECT count(*) FROM bank") == [(0,)]
