"""Releases are loaded once, checked against what was released, and never hold a revoked lesson."""

from __future__ import annotations

import threading

import pytest

from ratchet.errors import Conflict, EmbedderMismatch, UnknownName
from ratchet.interfaces import Outside
from ratchet.providers.answerers import NearestLabel
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.stages.release.manifest import verify
from ratchet.stages.release.revoke import revoke
from ratchet.stages.serve.bundles import KEPT, Bundles
from ratchet.storage.vector_bank import StoredVectors
from ratchet.wiring import House
from tests.conftest import correct
from tests.scenes import edit


class OtherEmbedder(LexicalEmbedder):
    fingerprint = "another:v1"


@pytest.fixture
def lesson(house: House, classify: App, clock: ReplayClock) -> Lesson:
    """The lesson of release 1."""
    learned = correct(house, classify, "my parcel is late", answer="refund").lesson
    assert learned is not None
    assert house.loop.turn("triage").release is not None
    clock.advance(60)
    house.bundles.forget("triage")
    return learned


def test_a_release_is_loaded_once(house: House, classify: App, lesson: Lesson) -> None:
    first = house.bundles.active(classify)
    assert first.lesson_ids == {lesson.id}
    assert house.bundles.active(classify) is first
    house.bundles.forget("another")
    assert house.bundles.of_release(classify, 1) is first
    house.bundles.forget("triage")
    assert house.bundles.active(classify) is not first


def test_the_bare_base_is_release_0_and_holds_no_lesson(house: House, classify: App) -> None:
    bundle = house.bundles.active(classify)
    assert (bundle.number, bundle.lesson_ids, bundle.base) == (0, frozenset(), house.bases["triage"])
    assert house.bundles.bank("triage", 0) == []


def test_the_least_used_release_makes_room(house: House) -> None:
    apps = [house.declare(f"app{n}", "classify", labels={"a": "", "b": ""}) for n in range(KEPT + 1)]
    first, *rest = [house.bundles.active(app) for app in apps[:KEPT]]
    assert house.bundles.active(apps[0]) is first
    house.bundles.active(apps[KEPT])
    assert house.bundles.active(apps[0]) is first
    assert house.bundles.active(apps[1]) is not rest[0]


def test_a_release_that_does_not_exist_is_unknown(house: House, classify: App) -> None:
    with pytest.raises(UnknownName, match="triage has no release 3"):
        house.bundles.of_release(classify, 3)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE releases SET manifest = replace(manifest, 'nearest-label', 'nearest-lab3l')", "altered after release"),
        ("UPDATE releases SET id = replace(id, substr(id, 1, 1), 'x')", "altered after release"),
        ("UPDATE lessons SET question = 'something else'", "examples layer of release 1 is not what was released"),
        ("UPDATE lessons SET answer = 'account'", "examples layer of release 1 is not what was released"),
        ("UPDATE bank SET since = 9", "examples layer of release 1 is not what was released"),
    ],
)
def test_what_was_altered_in_the_database_is_refused(
    house: House, classify: App, lesson: Lesson, statement: str, message: str
) -> None:
    edit(house, statement)
    with pytest.raises(Conflict, match=message):
        house.bundles.active(classify)


def test_an_altered_passage_is_refused(house: House, support: App) -> None:
    correct(house, support, "do you sell kites", answer="No.")
    assert house.loop.turn("support").release is not None
    house.bundles.forget("support")
    edit(house, "UPDATE passages SET text = 'A parcel takes a year.' WHERE id = 'delivery'")
    with pytest.raises(Conflict, match="retrieval layer of release 1 is not what was released"):
        house.bundles.active(support)


def test_vectors_of_another_embedder_are_refused(house: House, classify: App, lesson: Lesson) -> None:
    vectors = StoredVectors(OtherEmbedder(), house.store.vectors)
    outside = Outside(house.store, vectors, house.outside.clock, house.outside.ids)
    bundles = Bundles(outside, {"triage": NearestLabel(vectors.keep)}, verify)
    with pytest.raises(EmbedderMismatch, match="was made with the embedder lexical-hash-512:v1"):
        bundles.active(classify)


def test_a_release_keeps_the_knowledge_it_was_released_with(house: House, support: App) -> None:
    correct(house, support, "do you sell kites", answer="No.")
    assert house.loop.turn("support").release is not None
    house.know("support", [])
    assert len(house.bundles.active(support).layers[0].passages) == 5  # type: ignore[attr-defined]
    assert house.bundles.of_release(support, 0).layers[0].passages == ()  # type: ignore[attr-defined]


def test_a_revoked_lesson_is_left_out_of_a_release_that_still_verifies(
    house: House, classify: App, lesson: Lesson, clock: ReplayClock
) -> None:
    second = correct(house, classify, "secret word forgotten", answer="account").lesson
    assert second is not None
    assert house.loop.turn("triage").release is not None
    revoke(house.outside, lesson.id, actor="ana", reason="wrong")
    house.bundles.forget("triage")
    assert house.bundles.of_release(classify, 1).lesson_ids == frozenset()
    assert house.bundles.of_release(classify, 2).lesson_ids == {second.id}
    assert {item.id for item in house.bundles.bank("triage", 2)} == {lesson.id, second.id}


def test_many_threads_get_the_same_answers(house: House, classify: App, lesson: Lesson) -> None:
    found: list[frozenset[str]] = []
    threads = [
        threading.Thread(target=lambda: found.append(house.bundles.active(classify).lesson_ids)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [frozenset({lesson.id})] * 4
