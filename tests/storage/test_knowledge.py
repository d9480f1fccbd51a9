from __future__ import annotations

import numpy as np

from ratchet.interfaces import Store
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import APP, a_passage, a_suite_case


def texts(store: Store, version: int) -> dict[str, str]:
    return {passage.id: passage.text for passage in store.knowledge.passages(APP, version)}


class TestKnowledge:
    def test_begins_at_version_0_with_nothing(self, store: Store) -> None:
        assert store.knowledge.version(APP) == 0
        assert store.knowledge.passages(APP, 0) == []

    def test_is_read_back_as_given(self, store: Store) -> None:
        assert store.knowledge.replace(APP, [a_passage("b"), a_passage("a", "Ärger")]) == 1
        assert store.knowledge.passages(APP, 1) == [a_passage("a", "Ärger"), a_passage("b")]

    def test_replacing_it_with_the_same_makes_no_version(self, store: Store) -> None:
        store.knowledge.replace(APP, [a_passage("a"), a_passage("b")])
        assert store.knowledge.replace(APP, [a_passage("b"), a_passage("a")]) == 1
        assert store.knowledge.version(APP) == 1

    def test_stores_only_what_changed(self, store: Store, place: SqlitePlace) -> None:
        store.knowledge.replace(APP, [a_passage("same"), a_passage("changed", "old"), a_passage("gone")])
        store.knowledge.replace(APP, [a_passage("same"), a_passage("changed", "new"), a_passage("added")])
        rows = place.sql("SELECT id, since, until FROM passages ORDER BY id, since")
        assert rows == [("added", 2, None), ("changed", 1, 2), ("changed", 2, None), ("gone", 1, 2), ("same", 1, None)]

    def test_every_version_can_be_read_again(self, store: Store) -> None:
        versions = [{"a": "1", "b": "1"}, {"a": "2", "b": "1"}, {"b": "1", "c": "1"}, {}, {"a": "1"}]
        for number, wanted in enumerate(versions, start=1):
            assert store.knowledge.replace(APP, [a_passage(key, text) for key, text in wanted.items()]) == number
        assert [texts(store, number) for number in range(1, 6)] == versions
        assert store.knowledge.version(APP) == 5

    def test_a_new_title_is_a_change(self, store: Store) -> None:
        store.knowledge.replace(APP, [a_passage("a")])
        assert store.knowledge.replace(APP, [a_passage("a", title="Other")]) == 2

    def test_belongs_to_the_app_it_is_given_to(self, store: Store) -> None:
        store.knowledge.replace(APP, [a_passage("a", app="other")])
        assert store.knowledge.version("other") == 0
        assert store.knowledge.passages(APP, 1) == [a_passage("a")]


class TestSuites:
    def test_a_case_is_read_back_in_every_field(self, store: Store) -> None:
        case = a_suite_case("s1", suite="safety", passage_id="p", origin="t1", source_user="u", segment="g", since=3)
        assert store.suites.add([case]) == 1
        assert store.suites.cases(APP) == [case]

    def test_adding_tells_how_many_were_new(self, store: Store) -> None:
        assert store.suites.add([a_suite_case("s1"), a_suite_case("s2")]) == 2
        assert store.suites.add([a_suite_case("s2", answer="b"), a_suite_case("s3"), a_suite_case("s3")]) == 1
        assert [case.answer for case in store.suites.cases(APP)] == ["a", "a", "a"]

    def test_a_dropped_case_is_gone_for_good(self, store: Store) -> None:
        store.suites.add([a_suite_case("s1"), a_suite_case("s2")])
        store.suites.drop(APP, ["s1", "never there"])
        assert store.suites.add([a_suite_case("s1")]) == 0
        assert store.suites.cases(APP) == [a_suite_case("s2")]

    def test_an_app_cannot_drop_the_case_of_another(self, store: Store) -> None:
        store.suites.add([a_suite_case("s1")])
        store.suites.drop("other", ["s1"])
        assert store.suites.cases(APP) == [a_suite_case("s1")]

    def test_cases_are_listed_oldest_first(self, store: Store) -> None:
        store.suites.add([a_suite_case("s1", at=9.0), a_suite_case("s2", at=2.0), a_suite_case("s0", at=9.0)])
        assert [case.id for case in store.suites.cases(APP)] == ["s2", "s0", "s1"]


class TestVectors:
    def test_come_back_rounded_to_float16_and_no_further(self, store: Store) -> None:
        seed = 7
        print(f"seed {seed}")
        made = np.random.default_rng(seed).normal(size=(5, 384)).astype(np.float32)
        store.vectors.put("e1", {f"text {row}": vector for row, vector in enumerate(made)})
        found = store.vectors.get("e1", [f"text {row}" for row in range(5)])
        for row, vector in enumerate(made):
            assert found[f"text {row}"].dtype == np.float32
            assert np.array_equal(found[f"text {row}"], vector.astype(np.float16).astype(np.float32))

    def test_belong_to_the_embedder_that_made_them(self, store: Store) -> None:
        store.vectors.put("e1", {"hello": np.ones(3, np.float32)})
        store.vectors.put("e2", {"hello": np.zeros(3, np.float32)})
        assert store.vectors.get("e1", ["hello"])["hello"].tolist() == [1, 1, 1]
        assert store.vectors.get("e2", ["hello"])["hello"].tolist() == [0, 0, 0]
        assert store.vectors.get("e3", ["hello"]) == {}

    def test_of_texts_that_are_not_there_are_left_out(self, store: Store) -> None:
        store.vectors.put("e1", {f"text {number}": np.full(2, number, np.float32) for number in range(700)})
        found = store.vectors.get("e1", [f"text {number}" for number in range(-100, 2_000)])
        assert {text: vector[0] for text, vector in found.items()} == {f"text {n}": n for n in range(700)}

    def test_are_counted_and_forgotten_by_embedder(self, store: Store) -> None:
        store.vectors.put("e1", {"a": np.ones(2, np.float32), "b": np.ones(2, np.float32)})
        store.vectors.put("e2", {"a": np.ones(2, np.float32)})
        assert store.vectors.fingerprints() == {"e1": 2, "e2": 1}
        assert store.vectors.forget("e1") == 2
        assert store.vectors.fingerprints() == {"e2": 1}
        assert store.vectors.get("e1", ["a", "b"]) == {}
