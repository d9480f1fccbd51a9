"""A manifest says what decides the answers, and a loaded release is held against it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ratchet.errors import Conflict
from ratchet.layers.assemble import assemble
from ratchet.layers.layer import Bundle
from ratchet.providers.answerers import Extractive
from ratchet.records.app import App
from ratchet.records.passage import Passage
from ratchet.records.release import Manifest, Release
from ratchet.stages.release.manifest import layer_contents, manifest_of, verify
from ratchet.wiring import House
from tests.scenes import lesson

LESSONS = (lesson("do you sell kites", "No.", number=1), lesson("where is it", passage_id="p", number=2))
PASSAGES = (Passage(id="p", app="support", title="Delivery", text="Two days."),)


def loaded(house: House, app: App, **parts: object) -> Bundle:
    passages = parts.get("passages", PASSAGES)
    lessons = parts.get("lessons", LESSONS)
    return assemble(app, 1, Extractive(), passages, lessons, house.vectors.keep)  # type: ignore[arg-type]


def released(bundle: Bundle) -> Release:
    manifest = manifest_of(bundle, 0, "e", 1, [("target", "f" * 64)])
    return Release(
        app="support", number=1, id=manifest.id, manifest=manifest, candidate_id="c", at=0.0, bank_version=1,
        lessons=2, status="live",
    )  # fmt: skip


def test_the_same_content_gives_the_same_bytes_in_any_order(house: House, support: App) -> None:
    one = manifest_of(loaded(house, support), 0, "e", 1, [("anchor", "a"), ("target", "t")])
    two = manifest_of(loaded(house, support, lessons=LESSONS[::-1]), 0, "e", 1, [("target", "t"), ("anchor", "a")])
    assert one.to_json() == two.to_json()
    assert Manifest.from_json(one.to_json(), expected_id=one.id) == one


def test_everything_that_decides_an_answer_changes_the_id(house: House, support: App) -> None:
    bundle = loaded(house, support)
    ids = {
        manifest_of(bundle, 0, "e", 1, []).id,
        manifest_of(bundle, 1, "e", 1, []).id,
        manifest_of(bundle, 0, "other", 1, []).id,
        manifest_of(bundle, 0, "e", 2, []).id,
        manifest_of(bundle, 0, "e", 1, [("target", "t")]).id,
        manifest_of(replace(bundle, app=replace(support, prompt="Be kind.")), 0, "e", 1, []).id,
        manifest_of(replace(bundle, base=Extractive(0.3)), 0, "e", 1, []).id,
        manifest_of(replace(bundle, number=2), 0, "e", 1, []).id,
        manifest_of(loaded(house, support, lessons=LESSONS[:1]), 0, "e", 1, []).id,
        manifest_of(loaded(house, support, passages=[replace(PASSAGES[0], text="Three days.")]), 0, "e", 1, []).id,
    }
    assert len(ids) == 10


def test_a_layer_that_the_app_does_not_have_is_none(house: House, classify: App) -> None:
    bundle = assemble(classify, 1, house.bases["triage"], [], [lesson("a", "refund")], house.vectors.keep)
    contents = layer_contents(bundle)
    assert contents["retrieval"] is None
    assert contents["examples"] is not None


def test_what_was_released_verifies(house: House, support: App) -> None:
    verify(released(loaded(house, support)), loaded(house, support))


@pytest.mark.parametrize(
    ("parts", "layer"),
    [
        ({"lessons": (replace(LESSONS[0], answer="Yes."), LESSONS[1])}, "examples"),
        ({"lessons": LESSONS[:1]}, "retrieval"),
        ({"passages": [replace(PASSAGES[0], text="Three days.")]}, "retrieval"),
    ],
)
def test_other_lessons_or_knowledge_are_refused(
    house: House, support: App, parts: dict[str, object], layer: str
) -> None:
    with pytest.raises(Conflict, match=f"The {layer} layer of release 1 is not what was released"):
        verify(released(loaded(house, support)), loaded(house, support, **parts))


def test_another_base_is_refused(house: House, support: App) -> None:
    bundle = loaded(house, support)
    with pytest.raises(Conflict, match=r"was made for the base extractive:floor=0\.25, not extractive:floor=0\.3"):
        verify(released(bundle), replace(bundle, base=Extractive(0.3)))
