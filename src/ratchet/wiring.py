"""Chooses the real storage, embedder, bases and clock: the only module that knows them all."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ratchet.errors import Conflict, EmbedderMismatch, InvalidInput
from ratchet.interfaces import Clock, Embedder, Ids, Outside
from ratchet.layers.layer import Answerer, Learned, Request, before
from ratchet.loop import Loop
from ratchet.providers.answerers import Absent, ChatModel, Extractive, NearestLabel, Recorded
from ratchet.providers.knowledge_files import read_knowledge
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.records import RecordedOutputs
from ratchet.providers.sentence_encoder import MINILM_SHA256, SentenceEncoder, can_run, packaged_weights
from ratchet.providers.system import RandomIds, SystemClock
from ratchet.records.app import App, Kind
from ratchet.records.passage import Passage
from ratchet.records.trace import Context, Turn
from ratchet.settings import AppSettings, ProviderSettings, Settings
from ratchet.stages.capture.batch import OBSERVED
from ratchet.stages.release.manifest import verify
from ratchet.stages.serve.bundles import Bundles
from ratchet.storage.database import owner_url
from ratchet.storage.sql_store import SqlStore
from ratchet.storage.vector_bank import StoredVectors
from ratchet.wire.apps import ReleaseContent
from ratchet.worker import Worker

logger = logging.getLogger("ratchet")


@dataclass(slots=True)
class House:
    """Everything put together over one store. ``bases`` is filled as apps are declared; ``recorded`` is set where
    recorded answers stand for functions in other programs."""

    store: SqlStore
    vectors: StoredVectors
    outside: Outside
    bundles: Bundles
    loop: Loop
    bases: dict[str, Answerer]
    recorded: RecordedOutputs | None = None

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
        if app.base == OBSERVED or app.base.startswith("function:"):
            stand_in = self._stand_in(app.base)
            if to_answer and app.base == OBSERVED:
                raise Conflict(
                    f"{name} is only observed: nothing here can answer for it.",
                    "Declare it in ratchet.toml, or with @loop.app in your program.",
                )
            if to_answer and self.recorded is None:
                raise Conflict(
                    f"The base of {name} is your own {app.base.replace(':', ' ')}, which is not loaded here.",
                    f"Run loop.learn({name!r}) in the program that defines it.",
                )
            return self.declare(name, app.kind, stand_in, app.labels, app.prompt)
        model = chat_model(app.base.removeprefix("model:")) if app.base.startswith("model:") else None
        return self.declare(name, app.kind, model, app.labels, app.prompt)

    def declare_absent(self, name: str, kind: Kind, base: str, labels: Mapping[str, str], prompt: str = "") -> App:
        """Declare an app whose base is a function in another program; an observed app of that name becomes it."""
        known = {app.name: app for app in self.store.apps.all()}.get(name)
        if known is not None and known.base == OBSERVED and known.kind != kind:
            self.store.apps.put(replace(known, kind=kind, labels=dict(labels)))
        return self.declare(name, kind, self._stand_in(base), labels, prompt)

    def stand_in_for_functions(self) -> None:
        """Let what functions in other programs answered before stand for them, so that a gate can run here."""
        self.recorded = RecordedOutputs(self.store.traces.recent, self.outside.clock.now)

    def _stand_in(self, base: str) -> Answerer:
        return Absent(base) if self.recorded is None or base == OBSERVED else Recorded(base, self.recorded)

    def learned(self, app: App, text: str, context: Context, history: tuple[Turn, ...] = ()) -> Learned:
        """What the release in force knows about a question."""
        vector = self.vectors.embed([text])[0]
        return before(self.bundles.active(app), Request(app, text, vector, context, history))

    def content(self, app: App) -> ReleaseContent:
        """The release in force with all that it reads, without revoked lessons; its ``revision`` is still empty."""
        number = self.store.releases.active(app.name)
        release = self.store.releases.get(app.name, number) if number else None
        version = self.bundles.knowledge(app.name, number) or self.store.knowledge.version(app.name)
        denied = self.store.lessons.denied(app.name)
        return ReleaseContent(
            app=app,
            number=number,
            id="" if release is None else release.id,
            manifest="" if release is None else release.manifest.to_json(),
            revision="",
            lessons=[lesson for lesson in self.bundles.bank(app.name, number) if lesson.id not in denied],
            passages=self.store.knowledge.passages(app.name, version),
        )

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


def background_worker(house: House, told: Callable[[str, str], None] = lambda app, outcome: None) -> Worker:
    """A worker over the house's store; ``told`` hears the app and the outcome of every turn."""
    return Worker(
        house.loop,
        house.outside.ids.new("worker"),
        apps=lambda: [app.name for app in house.store.apps.all()],
        learns=lambda name: name in house.bases and not isinstance(house.bases[name], Absent),
        told=told,
    )


def service_url(settings: Settings) -> str:
    """Where the service that owns the store listens; empty when none does, or when it cannot be known."""
    return owner_url(settings.store)


def chat_model(model: str) -> ChatModel:
    """A model behind the OpenAI-compatible endpoint of the environment (OPENAI_BASE_URL, OPENAI_API_KEY)."""
    from ratchet.providers.openai_compatible import Endpoint, OpenAICompatible

    return ChatModel(model, OpenAICompatible(Endpoint.from_environment(os.environ)))


def open_project(settings: Settings) -> House:
    """Open the store of a project and declare all apps of its ratchet.toml. Raises what is wrong with one of them."""
    house = open_house(settings)
    try:
        providers = {provider.name: provider for provider in settings.providers}
        for app in settings.apps:
            _declare_configured(house, app, providers.get(app.provider))
    except BaseException:
        house.close()
        raise
    return house


def _declare_configured(house: House, app: AppSettings, provider: ProviderSettings | None) -> None:
    house.loop.plans[app.name] = app.plan
    house.loop.rules_of_apps[app.name] = app.rules
    base = _model_of(app, provider) if app.model and provider is not None else None
    house.declare(app.name, app.kind, base, app.labels, app.prompt)
    if app.knowledge is not None:
        house.know(app.name, read_knowledge(app.knowledge, app.name))


def _model_of(app: AppSettings, provider: ProviderSettings) -> ChatModel:
    from ratchet.providers.openai_compatible import Endpoint, OpenAICompatible

    endpoint = Endpoint(
        provider.base_url,
        os.environ.get(provider.key_variable, "").strip() or None,
        connect_timeout_s=provider.connect_timeout_s,
        read_timeout_s=provider.read_timeout_s,
        retries=provider.retries,
        key_variable=provider.key_variable,
    )
    return ChatModel(app.model, OpenAICompatible(endpoint))


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
