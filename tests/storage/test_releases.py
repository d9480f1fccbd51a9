from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from ratchet.errors import Conflict
from ratchet.interfaces import Store
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP, a_candidate, a_release, a_report


class TestCandidates:
    def test_a_candidate_is_read_back_in_every_field(self, store: Store) -> None:
        candidate = a_candidate(parent=3, layers=("retrieval", "examples"), removed=("l0",), sampled=("t1", "t2"),
                                status="held", reason="too little data")  # fmt: skip
        store.releases.put_candidate(candidate)
        assert store.releases.candidate("k1") == candidate
        assert store.releases.candidate("k2") is None

    def test_putting_it_again_changes_its_status(self, store: Store) -> None:
        store.releases.put_candidate(a_candidate())
        store.releases.put_candidate(a_candidate(status="rejected", reason="worse"))
        assert store.releases.candidates(APP) == [a_candidate(status="rejected", reason="worse")]

    def test_candidates_are_listed_by_bank_version_and_the_next_one_is_free(self, store: Store) -> None:
        assert store.releases.next_bank_version(APP) == 1
        for key, version in (("k9", 1), ("k1", 3), ("k5", 2)):
            store.releases.put_candidate(a_candidate(key, version))
        assert [candidate.id for candidate in store.releases.candidates(APP)] == ["k9", "k5", "k1"]
        assert store.releases.next_bank_version(APP) == 4
        assert store.releases.next_bank_version("other") == 1


class TestGateReports:
    def test_reports_are_read_back_oldest_first(self, store: Store) -> None:
        store.releases.put_candidate(a_candidate())
        late, early = a_report("r1", at=9.0), a_report("r2", at=3.0, decision="hold", checks=(), flips=(), suites=())
        for report in (late, early):
            store.releases.add_report(report)
        assert store.releases.reports("k1") == [early, late]
        assert store.releases.reports("k2") == []


class TestReleases:
    def test_a_release_is_read_back_with_its_manifest(self, store: Store) -> None:
        store.releases.add(a_release())
        assert store.releases.get(APP, 1) == a_release()
        assert store.releases.get(APP, 2) is None
        assert store.releases.get("other", 1) is None

    def test_a_number_is_given_once(self, store: Store) -> None:
        store.releases.add(a_release())
        with pytest.raises(Conflict, match="Release 1 exists already"):
            store.releases.add(a_release(lessons=99))
        assert store.releases.all(APP) == [a_release()]

    def test_only_the_status_of_a_release_changes(self, store: Store) -> None:
        store.releases.add(a_release(1))
        store.releases.add(a_release(2))
        store.releases.set_status(APP, 1, "retired")
        assert store.releases.all(APP) == [replace(a_release(1), status="retired"), a_release(2)]

    def test_an_altered_manifest_is_refused(self, store: Store, place: SqlitePlace) -> None:
        store.releases.add(a_release(1))
        store.releases.add(a_release(2))
        place.sql("""UPDATE releases SET manifest = replace(manifest, '"l1"', '"l9"') WHERE number = 1""")
        with pytest.raises(Conflict, match="has the hash") as raised:
            store.releases.get(APP, 1)
        assert "backup" in raised.value.fix
        assert store.releases.get(APP, 2) == a_release(2)

    def test_numbers_can_be_listed_when_a_manifest_was_altered(self, store: Store, place: SqlitePlace) -> None:
        store.releases.add(a_release(1))
        store.releases.add(a_release(2))
        place.sql("UPDATE releases SET id = 'x' WHERE number = 1")
        assert store.releases.numbers(APP) == [1, 2]
        with pytest.raises(Conflict):
            store.releases.all(APP)


class TestThePointer:
    def test_begins_at_the_bare_base(self, store: Store) -> None:
        assert store.releases.active(APP) == 0

    def test_moves_only_from_where_it_was_expected(self, store: Store) -> None:
        store.releases.point(APP, 1, expected=0)
        with pytest.raises(Conflict, match="Release 0 is no longer in force; release 1 is"):
            store.releases.point(APP, 2, expected=0)
        assert store.releases.active(APP) == 1
        store.releases.point(APP, 0, expected=1)
        assert store.releases.active(APP) == 0

    def test_of_one_app_leaves_the_others_alone(self, store: Store) -> None:
        store.releases.point(APP, 1, expected=0)
        assert store.releases.active("other") == 0

    def test_is_moved_by_one_of_many_who_try_at_once(self, store: Store) -> None:
        ready, moved = threading.Barrier(8), []

        def move(number: int) -> None:
            ready.wait()
            try:
                store.releases.point(APP, number, expected=0)
            except Conflict:
                return
            moved.append(number)

        threads = [threading.Thread(target=move, args=(number,)) for number in range(1, 9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(moved) == 1
        assert store.releases.active(APP) == moved[0]
