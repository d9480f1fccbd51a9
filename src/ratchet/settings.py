"""One frozen Settings, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ratchet.errors import InvalidInput
from ratchet.records.app import Kind
from ratchet.records.plan import ChangePlan
from ratchet.stages.enrich.escalate import EscalationRules

STORE = "RATCHET_STORE"
EMBEDDER = "RATCHET_EMBEDDER"
CACHE = "RATCHET_CACHE"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """An OpenAI-compatible endpoint. ``name`` is what apps call it, ``base_url`` where it is, ``key_variable`` the
    environment variable that holds its key. ``connect_timeout_s`` and ``read_timeout_s`` are in seconds, ``retries``
    is how often a failed call is repeated."""

    name: str
    base_url: str
    key_variable: str = "OPENAI_API_KEY"
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 60.0
    retries: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AppSettings:
    """An app that the service runs.

    ``name``, ``kind``, ``labels`` and ``prompt`` (its text) are the app's. ``model`` answers through ``provider``;
    without a model the app is offline: the best passage, or the nearest label. ``embedding_model`` is what the
    gateway's embeddings route asks that provider for. ``knowledge`` is a folder or JSONL file. ``rules`` escalate,
    ``plan`` governs change. ``learned_budget_s`` bounds the time for finding what was learned before the bare prompt
    is used instead.
    """

    name: str
    kind: Kind = "answer"
    model: str = ""
    provider: str = ""
    embedding_model: str = ""
    prompt: str = ""
    knowledge: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    rules: EscalationRules = field(default_factory=EscalationRules)
    plan: ChangePlan = field(default_factory=ChangePlan)
    learned_budget_s: float = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSettings:
    """How the service listens.

    ``host`` and ``port``; ``origins`` are the web origins that may send feedback with a token alone (``*`` for any);
    ``token_hours`` is how long a feedback token is good for; ``requests_per_minute`` bounds each key, or each address
    without one (0 for no bound); ``learn`` switches the background worker on. ``record`` says when the gateway's
    traces are on disk: ``durable`` before the answer goes out, ``soon`` up to 200 ms after it.
    """

    host: str = "127.0.0.1"
    port: int = 8400
    origins: tuple[str, ...] = ("*",)
    token_hours: float = 24.0
    requests_per_minute: int = 0
    learn: bool = True
    record: Literal["durable", "soon"] = "durable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are, and what the project's ratchet.toml declares.

    ``store``: the SQLite file. ``embedder``: ``auto`` (the sentence encoder if its weights are installed, else the
    lexical one), ``lexical``, or the folder of a sentence encoder. ``cache``: where converted weights are kept.
    ``service``, ``providers`` and ``apps`` come from ratchet.toml, and are the defaults where there is none.
    """

    store: Path = Path("ratchet.db")
    embedder: str = "auto"
    cache: Path = Path("~/.cache/ratchet")
    service: ServiceSettings = field(default_factory=ServiceSettings)
    providers: tuple[ProviderSettings, ...] = ()
    apps: tuple[AppSettings, ...] = ()

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
