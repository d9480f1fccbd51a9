"""Chooses the real storage, embedder, bases and clock: the only module that knows them all."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ratchet.errors import Conflict, EmbedderMismatch, InvalidInput
from ratchet.interfaces import Clock, Embedder, Ids, Outside
from ratchet.layers.layer import Answerer
from ratchet.loop import Loop
from ratchet.providers.answerers import Absent, ChatModel, Extractive, NearestLabel
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.sentence_encoder import MINILM_SHA256, SentenceEncoder, can_run, packaged_weights
from ratchet.providers.system import RandomIds, SystemClock
from ratchet.records.app import App, Kind
from ratchet.records.passage import Passage
from ratchet.settings import Settings
from ratchet.stages.release.manifest import verify
from ratchet.stages.serve.bundles import Bundles
from ratchet.storage.sql_store import SqlStore
from ratchet.storage.vector_bank import StoredVectors

logger = logging.getLogger("ratchet")


@dataclass(slots=True)
class House:
    """Everything put together over one store. ``bases`` is filled as apps are declared."""

    store: SqlStore
    vectors: StoredVectors
    outside: Outside
    bundles: Bundles
    loop: Loop
    bases: dict[str, Answerer]

    def declare(
        self,
        name: str,
        kind: Kind,
        base: Answerer | None = None,
        labels: Mapping[str, str] | None = None,
        prompt: str = "",
    ) -> App:
        """Declare an app, or take up the one of that name; ``base`` is the built-in one for its kind unless given.

        Raises ``EmbedderMismatch`` when its vectors were made by another embedder.
        """
        answerer = base or self.built_in(kind)
        fingerprint = self.vectors.fingerprint
        known = {app.name: app for app in self.store.apps.all()}.get(name)
        if known is not None and known.embedder != fingerprint:
            raise EmbedderMismatch(
                f"The vectors of {name} were made by {known.embedder}, and {fingerprint} is configured.",
                "Configure that embedder (RATCHET_EMBEDDER), or run `ratchet reembed` to move to this one.",
            )
        if known is not None and known.kind != kind:
            raise InvalidInput(f"{name} is an app of kind {known.kind}, not {kind}.", "Give the new app another name.")
        app = App(
            name=name, kind=kind, base=answerer.id, embedder=fingerprint, labels=dict(labels or {}), prompt=prompt
        )
        if app != known:
            self.store.apps.put(app)
        self.bases[name] = answerer
        self.bundles.forget(name)
        self.loop.evaluation.forget(name)
        return app

    def reopen(self, name: str, *, to_answer: bool = True) -> App:
        """Take up a declared app with the base it was declared with. One whose base is the team's function raises
        ``Conflict``, unless it need not answer: then its releases can still be read and verified."""
        app = self.store.apps.get(name)
        if name in self.bases:
            return app
        if app.base.startswith("function:"):
            absent = Absent(app.base)
            if to_answer:
                raise Conflict(
                    f"The base of {name} is your own {app.base.replace(':', ' ')}, which is not loaded here.",
                    f"Run loop.learn({name!r}) in the program that defines it.",
                )
            return self.declare(name, app.kind, absent, app.labels, app.prompt)
        model = chat_model(app.base.removeprefix("model:")) if app.base.startswith("model:") else None
        return self.declare(name, app.kind, model, app.labels, app.prompt)

    def know(self, name: str, passages: Sequence[Passage]) -> int:
        """Make these the app's knowledge; the version's number. What did not change is not stored again."""
        version = self.store.knowledge.replace(name, passages)
        self.bundles.forget(name)
        self.loop.evaluation.forget(name)
        return version

    def built_in(self, kind: Kind) -> Answerer:
        """The offline base for a kind of app."""
        return NearestLabel(self.vectors.keep) if kind == "classify" else Extractive()

    def close(self) -> None:
        """Write what waits and give the store up."""
        self.store.close()


def chat_model(model: str) -> ChatModel:
    """A model behind the OpenAI-compatible endpoint of the environment (OPENAI_BASE_URL, OPENAI_API_KEY)."""
    from ratchet.providers.openai_compatible import Endpoint, OpenAICompatible

    return ChatModel(model, OpenAICompatible(Endpoint.from_environment(os.environ)))


def choose_embedder(settings: Settings, *, threads: int = 1) -> Embedder:
    """The embedder that the settings ask for; warns when only the lexical one can be had."""
    if settings.embedder == "lexical":
        return LexicalEmbedder()
    if settings.embedder == "auto":
        folder = packaged_weights()
        if folder is not None and can_run():
            return SentenceEncoder(folder, settings.cache, expected_sha256=MINILM_SHA256, threads=threads)
        logger.warning(
            "No sentence encoder is installed: the lexical embedder matches words, not meaning. "
            "Install ratchet-ai[embed] and set RATCHET_EMBEDDER to a folder with all-MiniLM-L6-v2."
        )
        return LexicalEmbedder()
    if not can_run():
        raise InvalidInput(
            f"The embedder {settings.embedder!r} needs packages that are not installed.",
            "Run `pip install 'ratchet-ai[embed]'`.",
        )
    return SentenceEncoder(Path(settings.embedder).expanduser(), settings.cache, threads=threads)


def open_house(
    settings: Settings,
    *,
    embedder: Embedder | None = None,
    clock: Clock | None = None,
    ids: Ids | None = None,
    read_only: bool = False,
) -> House:
    """Open the store and put everything together; raises ``StorageError`` when the store cannot be had."""
    store = SqlStore.open(settings.store, read_only=read_only)
    vectors = StoredVectors(embedder or choose_embedder(settings), store.vectors)
    outside = Outside(store, vectors, clock or SystemClock(), ids or RandomIds())
    bases: dict[str, Answerer] = {}
    bundles = Bundles(outside, bases, verify)
    return House(store, vectors, outside, bundles, Loop(outside, bundles), bases)
