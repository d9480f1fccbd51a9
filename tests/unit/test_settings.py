"""Settings are read once, from an environment that is handed in."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest

from ratchet.errors import InvalidInput
from ratchet.settings import Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    read = Settings.read({})
    assert (read.store, read.embedder) == (Path("ratchet.db"), "auto")
    assert read.cache == Path.home() / ".cache" / "ratchet"


def test_the_environment_names_store_embedder_and_cache() -> None:
    read = Settings.read({"RATCHET_STORE": "/data/a.db", "RATCHET_EMBEDDER": "lexical", "RATCHET_CACHE": "~/c"})
    assert read == Settings(store=Path("/data/a.db"), embedder="lexical", cache=Path.home() / "c")


@pytest.mark.parametrize("store", ["/given.db", Path("/given.db")])
def test_a_store_that_is_given_wins_over_the_environment(store: str | Path) -> None:
    assert Settings.read({"RATCHET_STORE": "/other.db"}, store).store == Path("/given.db")


def test_the_home_folder_may_be_written_as_a_tilde() -> None:
    assert Settings.read({}, "~/a.db").store == Path.home() / "a.db"


@pytest.mark.parametrize("store", ["", "   "])
def test_a_store_without_a_name_is_refused_with_the_variable_to_set(store: str) -> None:
    for read in (lambda: Settings.read({"RATCHET_STORE": store}), lambda: Settings.read({}, store)):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert "RATCHET_STORE" in refused.value.fix


def test_an_address_is_no_file() -> None:
    with pytest.raises(InvalidInput) as refused:
        Settings.read({"RATCHET_STORE": "postgresql://db/ratchet"})
    assert "postgresql://db/ratchet" in refused.value.what
    assert "ratchet.db" in refused.value.fix


def test_settings_do_not_change_after_they_were_read() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings.read({}).store = Path("other.db")  # type: ignore[misc]


def test_a_ratchet_toml_in_the_current_folder_is_not_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ratchet.toml").write_text("[service]\nport = 1\n[store]\nfile = 'other.db'\n")
    monkeypatch.chdir(tmp_path)
    assert Settings.read({}) == Settings(cache=Path.home() / ".cache" / "ratchet")
