from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.errors import UnknownName
from ratchet.interfaces import Store
from ratchet.records.assessment import Evidence
from tests.storage.samples import APP, a_full_trace, a_trace, an_app, an_assessment, feedback


class TestApps:
    def test_an_app_is_read_back_as_it_was_declared(self, store: Store) -> None:
        app = an_app(prompt="Be brief. ✓", labels={"z": "last first", "a": ""})
        store.apps.put(app)
        assert store.apps.get(APP) == app
        assert list(store.apps.get(APP).labels) == ["z", "a"]

    def test_declaring_again_changes_the_declaration(self, store: Store) -> None:
        store.apps.put(an_app())
        store.apps.put(an_app(embedder="e2"))
        assert store.apps.all() == [an_app(embedder="e2")]

    def test_apps_are_listed_by_name(self, store: Store) -> None:
        for name in ("zeta", "alpha", "mid"):
            store.apps.put(an_app(name))
        assert [app.name for app in store.apps.all()] == ["alpha", "mid", "zeta"]

    def test_an_unknown_app_is_refused_with_the_names_there_are(self, store: Store) -> None:
        store.apps.put(an_app("alpha"))
        store.apps.put(an_app("beta"))
        with pytest.raises(UnknownName, match="'gamma'") as raised:
            store.apps.get("gamma")
        assert "alpha, beta" in raised.value.fix


class TestTraces:
    def test_a_trace_is_read_back_in_every_field(self, store: Store) -> None:
        assert store.traces.add(a_full_trace())
        assert store.traces.get("full") == a_full_trace()

    def test_a_trace_with_defaults_is_read_back_too(self, store: Store) -> None:
        store.traces.add(a_trace())
        assert store.traces.get("t1") == a_trace()

    def test_the_same_id_again_changes_nothing(self, store: Store) -> None:
        assert store.traces.add(a_trace())
        assert not store.traces.add(a_trace(input="something else"))
        assert store.traces.get("t1") == a_trace()
        assert store.traces.count(APP) == 1

    def test_a_trace_that_never_came_is_none(self, store: Store) -> None:
        assert store.traces.get("t1") is None

    def test_many_finds_those_that_arrived_among_more_ids_than_one_query_takes(self, store: Store) -> None:
        with store.transaction():
            for number in range(1_203):
                store.traces.add(a_trace(f"t{number}"))
        wanted = [f"t{number}" for number in range(0, 2_400, 2)]
        found = store.traces.many([*wanted, *wanted])
        assert sorted(found) == sorted(key for key in wanted if int(key[1:]) < 1_203)
        assert all(trace.id == key for key, trace in found.items())

    def test_recent_gives_the_newest_of_the_app_first(self, store: Store) -> None:
        for key, at in (("t1", 1.0), ("t2", 3.0), ("t3", 2.0), ("t4", 3.0)):
            store.traces.add(a_trace(key, at=at))
        store.traces.add(a_trace("foreign", at=9.0, app="other"))
        assert [trace.id for trace in store.traces.recent(APP, 3)] == ["t4", "t2", "t3"]

    def test_each_app_counts_its_own(self, store: Store) -> None:
        store.traces.add(a_trace("t1"))
        store.traces.add(a_trace("t2"))
        store.traces.add(a_trace("t3", app="other"))
        assert [store.traces.count(name) for name in (APP, "other", "none")] == [2, 1, 0]


class TestAssessments:
    def test_an_assessment_is_read_back_with_its_evidence(self, store: Store) -> None:
        store.traces.assess(an_assessment())
        assert store.traces.assessment("t1") == an_assessment()

    def test_a_newer_assessment_replaces_the_older(self, store: Store) -> None:
        store.traces.assess(an_assessment())
        newer = replace(an_assessment(), p_bad=0.25, failure_modes=(), evidence=(Evidence("stars", -2.5),))
        store.traces.assess(newer)
        assert store.traces.assessment("t1") == newer

    def test_no_assessment_is_none(self, store: Store) -> None:
        assert store.traces.assessment("t1") is None

    def test_assessing_one_trace_leaves_the_others_waiting(self, store: Store) -> None:
        for key in ("t1", "t2"):
            store.traces.add(a_trace(key))
            store.feedback.add(feedback(f"f-{key}", key, thumb="down"))
        store.traces.assess(an_assessment("t1"))
        assert store.feedback.unassessed(APP, 10) == ["t2"]
