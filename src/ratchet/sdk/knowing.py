"""Finds out what is known about a question: from the service, the kept release, or not at all."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ratchet.errors import RatchetError, Unavailable
from ratchet.interfaces import Vector
from ratchet.layers.layer import Answer, Answerer, BaseFailed, Bundle, Request, answer
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.sdk.told import told, untold

if TYPE_CHECKING:
    from ratchet.records.trace import Context, Turn
    from ratchet.sdk.api import Api
    from ratchet.sdk.aside import Aside
    from ratchet.sdk.breaker import Breaker
    from ratchet.sdk.keeper import Keeper, Watched
    from ratchet.sdk.kept_bundle import Embed
    from ratchet.wire.apps import AskIn, LearnedOut

logger = logging.getLogger("ratchet.sdk")
_NO_VECTOR = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Known:
    """A release as far as it is known here. ``trace_id`` and ``token`` are set when the service was asked;
    ``nothing`` when neither it nor a kept release could be had."""

    bundle: Bundle
    vector: Vector
    trace_id: str = ""
    token: str = ""
    nothing: bool = False


class Knowing:
    """Asks the service within ``budget_s`` seconds; what it cannot say in time comes from the kept release."""

    def __init__(self, api: Api, aside: Aside, breaker: Breaker, keeper: Keeper, budget_s: float) -> None:
        self._api = api
        self._aside = aside
        self._breaker = breaker
        self._keeper = keeper
        self._budget_s = budget_s
        self._away = False

    def about(self, watched: Watched, base: Answerer, ask: AskIn) -> Known:
        """What is known about a question; never raises for what the service does."""
        until = time.monotonic() + self._budget_s
        out = self._from_service(watched, ask, until)
        if out is not None:
            voting = self._voting(watched, base, ask, out, until)
            bundle, vector = voting or (told(watched.record, base, out), _NO_VECTOR)
            return Known(bundle, vector, out.trace_id, out.feedback_token)
        kept = watched.kept.load(base, ask.input, until - time.monotonic())
        if kept is not None:
            return Known(kept.bundle, kept.vector)
        return Known(untold(watched.record, base), _NO_VECTOR, nothing=True)

    def _from_service(self, watched: Watched, ask: AskIn, until: float) -> LearnedOut | None:
        if self._breaker.is_open:
            if self._breaker.probe_is_due:
                self._keeper.nudge()  # it tries in the background, so that nobody waits for that
            return None
        # Only for a first moment: declaring may take minutes where there is much knowledge.
        watched.settled.wait(min(until, watched.began + self._budget_s) - time.monotonic())
        if not watched.is_declared:
            self._keeper.nudge()
            return None
        left = until - time.monotonic()
        if left <= 0:
            return None
        try:
            out = self._aside.run(lambda: self._api.learned(watched.record.name, ask, timeout_s=left), left)
        except (Unavailable, TimeoutError) as error:
            self._breaker.failed()
            self._say(f"not in time ({self._budget_s:g} s)" if isinstance(error, TimeoutError) else str(error))
            return None
        except RatchetError as error:
            self._say(str(error))
            return None
        self._breaker.succeeded()
        if self._away:
            self._away = False
            logger.info("The service answers again.")
        return out

    def _voting(
        self, watched: Watched, base: Answerer, ask: AskIn, out: LearnedOut, until: float
    ) -> tuple[Bundle, Vector] | None:
        """For ``classify``, the same release as it is kept here: lessons vote after the function has said its label,
        so the service cannot do it. ``None`` where that release is not kept, or its embedder is not installed."""
        content = watched.kept.content
        if content is None or content.number != out.release:
            self._keeper.nudge()
            return None
        if watched.record.kind != "classify" or not content.lessons:
            return None
        kept = watched.kept.load(base, ask.input, until - time.monotonic())
        return (kept.bundle, kept.vector) if kept is not None and kept.is_whole else None

    def _say(self, why: str) -> None:
        if not self._away:
            self._away = True
            logger.warning("The service does not say what was learned; the kept release answers meanwhile. %s", why)


def answered(known: Known, app_question: Request) -> tuple[Answer, int]:
    """The answer and the number of the release that gave it. The base's own error passes through unchanged."""
    try:
        given, _ = answer(known.bundle, replace(app_question, vector=known.vector))
    except BaseFailed as failure:
        raise failure.cause from None
    return (replace(given, source="fallback") if known.nothing else given), known.bundle.number


def request(watched: Watched, question: str, context: Context, history: tuple[Turn, ...]) -> Request:
    """The question to the app, its vector not known yet."""
    return Request(watched.record, question, _NO_VECTOR, context, history)


class Embedders:
    """The embedders installed here, by fingerprint; the configured one is loaded when a release names it."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def choose(self, fingerprint: str) -> Embed | None:
        """The embedder of that fingerprint, or ``None``."""
        if fingerprint == LexicalEmbedder.fingerprint:
            return LexicalEmbedder().embed
        from ratchet.settings import CACHE, EMBEDDER, Settings
        from ratchet.wiring import choose_embedder

        if self._environment.get(EMBEDDER) == "lexical":
            return None
        settings = Settings(
            embedder=self._environment.get(EMBEDDER, "auto"),
            cache=Path(self._environment.get(CACHE, "~/.cache/ratchet")).expanduser(),
        )
        embedder = choose_embedder(settings)
        return embedder.embed if embedder.fingerprint == fingerprint else None
