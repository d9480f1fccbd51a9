"""One frozen Settings, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import InvalidInput

STORE = "RATCHET_STORE"
EMBEDDER = "RATCHET_EMBEDDER"
CACHE = "RATCHET_CACHE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are.

    ``store``: the SQLite file. ``embedder``: ``auto`` (the sentence encoder if its weights are installed, else the
    lexical one), ``lexical``, or the folder of a sentence encoder. ``cache``: where converted weights are kept.
    """

    store: Path = Path("ratchet.db")
    embedder: str = "auto"
    cache: Path = Path("~/.cache/ratchet")

    @classmethod
    def read(cls, environment: Mapping[str, str], store: str | Path | None = None) -> Settings:
        """Settings from ``environment`` (RATCHET_STORE, RATCHET_EMBEDDER, RATCHET_CACHE); ``store`` overrides."""
        chosen = str(store) if store is not None else environment.get(STORE, "ratchet.db")
        if not chosen.strip():
            raise InvalidInput("The store has no name.", f"Set {STORE} to a file name, or leave it unset.")
        if "://" in chosen:
            raise InvalidInput(f"The store {chosen!r} is not a file.", "Name a file such as ratchet.db.")
        return cls(
            store=Path(chosen).expanduser(),
            embedder=environment.get(EMBEDDER, "auto"),
            cache=Path(environment.get(CACHE, "~/.cache/ratchet")).expanduser(),
        )
