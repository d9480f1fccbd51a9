"""Everything put together over one store: declaring apps, taking them up again, choosing an embedder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet.errors import Conflict, EmbedderMismatch, InvalidInput, StorageError, UnknownName
from ratchet.providers import sentence_encoder
from ratchet.providers.answerers import Extractive, NearestLabel, OwnFunction
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.app import App
from ratchet.records.passage import Passage
from ratchet.settings import Settings
from ratchet.wiring import House, choose_embedder, open_house
from tests.conftest import LABELS, ask, correct

own = OwnFunction("answer_it", lambda question, learned: f"own: {question}")


class OtherEmbedder(LexicalEmbedder):
    fingerprint = "another:v1"


def test_an_app_is_declared_with_the_base_of_its_kind(house: House) -> None:
    classify = house.declare("triage", "classify", labels=LABELS)
    assert house.store.apps.get("triage") == classify
    assert (classify.base, classify.embedder) == ("nearest-label", LexicalEmbedder.fingerprint)
    assert isinstance(house.bases["triage"], NearestLabel)
    house.declare("support", "answer")
    assert isinstance(house.bases["support"], Extractive)


def test_declaring_the_same_app_again_takes_it_up_with_its_new_words(house: House, classify: App) -> None:
    assert house.declare("triage", "classify", labels=LABELS) == classify
    changed = house.declare("triage", "classify", labels={**LABELS, "other": "anything else"}, prompt="Be kind.")
    assert house.store.apps.get("triage") == changed
    assert len(house.store.apps.all()) == 1


def test_an_app_keeps_its_kind(house: House, classify: App) -> None:
    with pytest.raises(InvalidInput, match="triage is an app of kind classify, not answer"):
        house.declare("triage", "answer")


def test_an_app_whose_vectors_another_embedder_made_is_refused(house: House, classify: App, tmp_path: Path) -> None:
    house.close()
    other = open_house(Settings(store=tmp_path / "ratchet.db"), embedder=OtherEmbedder())
    try:
        with pytest.raises(EmbedderMismatch, match="made by lexical-hash-512:v1, and another:v1 is configured"):
            other.declare("triage", "classify", labels=LABELS)
        assert other.declare("fresh", "answer").embedder == "another:v1"
    finally:
        other.close()


def test_a_built_in_app_is_taken_up_after_a_restart_with_what_it_learned(
    house: House, classify: App, open_store: Callable[[], House]
) -> None:
    correct(house, classify, "my parcel is late", answer="refund")
    assert house.loop.turn("triage").release is not None
    again = open_store()
    assert again.reopen("triage") == classify
    assert again.reopen("triage") == classify
    assert ask(again, classify, "my parcel is late").trace.output == "refund"


def test_an_app_with_your_own_function_needs_the_program_that_defines_it(
    house: House, open_store: Callable[[], House]
) -> None:
    app = house.declare("mine", "answer", own)
    assert house.reopen("mine") == app
    with pytest.raises(Conflict, match="is your own function answer_it, which is not loaded here"):
        open_store().reopen("mine")


def test_an_app_that_was_never_declared_is_unknown(house: House) -> None:
    with pytest.raises(UnknownName, match="no app named 'nope'"):
        house.reopen("nope")


def test_new_knowledge_answers_at_once_on_the_bare_base(house: House, support: App) -> None:
    assert ask(house, support, "do you repair kettles").answer.source == "abstained"
    repairs = Passage(id="repairs", app="support", title="Repairs", text="Yes, we do repair kettles.")
    assert house.know("support", [repairs]) == 2
    assert house.know("support", [repairs]) == 2
    assert ask(house, support, "do you repair kettles").answer.text == "Yes, we do repair kettles."


def test_a_store_has_one_owner_and_may_be_looked_at_beside_it(house: House, classify: App, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="in use by another process"):
        open_house(Settings(store=tmp_path / "ratchet.db"), embedder=LexicalEmbedder())
    beside = open_house(Settings(store=tmp_path / "ratchet.db"), embedder=LexicalEmbedder(), read_only=True)
    try:
        assert beside.store.apps.all() == [classify]
        with pytest.raises(StorageError, match="open for reading only"):
            beside.declare("other", "answer")
    finally:
        beside.close()


def test_the_lexical_embedder_is_chosen_by_name() -> None:
    assert isinstance(choose_embedder(Settings(embedder="lexical")), LexicalEmbedder)


def test_without_weights_the_lexical_embedder_serves_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sentence_encoder, "PACKAGE", "a_package_that_is_not_installed")
    with caplog.at_level(logging.WARNING, logger="ratchet"):
        assert isinstance(choose_embedder(Settings()), LexicalEmbedder)
    assert "matches words, not meaning" in caplog.text


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"There is no model\.safetensors|packages that are not installed"):
        choose_embedder(Settings(embedder=str(tmp_path)))
