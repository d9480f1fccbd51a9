"""Verifies the content of a release and loads it, with its embedder or with words alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

from ratchet.errors import Conflict
from ratchet.interfaces import Vector
from ratchet.layers.assemble import assemble
from ratchet.layers.layer import Answer, Bundle, Learned, Request
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.canonical import Json, normalised
from ratchet.records.lesson import Lesson
from ratchet.records.release import Manifest
from ratchet.stages.release.manifest import layer_contents
from ratchet.wire.apps import ReleaseContent

logger = logging.getLogger("ratchet.sdk")
REFUSED = "What is kept here stays in force; the next one from the service is tried again."
Embed: TypeAlias = Callable[[Sequence[str]], Vector]
ChooseEmbed: TypeAlias = Callable[[str], Embed | None]


def verify(app: str, content: ReleaseContent) -> None:
    """Raise ``Conflict`` when the content is of another app, or is not what its manifest, whose hash names it, says.

    A release whose lessons were revoked since has fewer than its manifest says; what is left then stands unproven.
    """
    if content.app.name != app:
        raise Conflict(f"It is of the app {content.app.name!r}.", REFUSED)
    if content.number == 0:
        return
    stated = Manifest.from_json(content.manifest, expected_id=content.id).content
    found: dict[str, Json] = {
        "app": app,
        "number": content.number,
        "kind": content.app.kind,
        **layer_contents(_assembled(content, _no_vectors, revoked=True)),
    }
    for name, value in found.items():
        if stated.get(name) != value and not _some_revoked(value, stated.get(name)):
            raise Conflict(f"Its {name} is not what was released.", REFUSED)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A kept release for one question, with the question's vector. ``is_whole``: it answers just as the service would,
    for it was loaded with the embedder it was made with."""

    bundle: Bundle
    vector: Vector
    is_whole: bool


class Loading:
    """A kept release being loaded, on a thread of its own, and then ready.

    ``choose`` gives the embedder of a fingerprint, or ``None`` where it is not installed.
    """

    def __init__(self, content: ReleaseContent, choose: ChooseEmbed) -> None:
        self._content = content
        self._choose = choose
        self._ready: tuple[Bundle, Embed, bool] | None = None
        self._done = threading.Event()
        threading.Thread(target=self._load, name="ratchet-load", daemon=True).start()

    def wait(self, question: str, seconds: float) -> Loaded:
        """The release for a question; when it is not ready within ``seconds``, its prompt and its reviewed answers."""
        self._done.wait(max(0.0, seconds))
        if self._ready is None:
            return Loaded(without_vectors(self._content), np.zeros(0, np.float32), is_whole=False)
        bundle, embed, is_whole = self._ready
        return Loaded(bundle, embed([question])[0], is_whole)

    def _load(self) -> None:
        try:
            found = self._choose(self._content.app.embedder)
            embed = _rounded(found or LexicalEmbedder().embed)
            if found is not None:
                self._ready = _assembled(self._content, embed), embed, True
            elif self._content.app.kind == "classify":
                # How far lessons outvote the base was gated for the distances of its own embedder.
                self._ready = without_vectors(self._content), embed, False
            else:
                # And "almost the same question" is not what it was then either: passages and examples are found.
                bundle = _assembled(self._content, embed)
                self._ready = replace(bundle, layers=(*bundle.layers, _OnlyExact())), embed, False
        except Exception:
            logger.exception("The kept release of %s cannot be loaded.", self._content.app.name)
        finally:
            self._done.set()


def without_vectors(content: ReleaseContent) -> Bundle:
    """What can be had of a release at once: its prompt, and reviewed answers to exactly the same questions."""
    return Bundle(content.app, content.number, _NoBase(), (_Exact(_in_force(content)),))


def _assembled(content: ReleaseContent, embed: Embed, *, revoked: bool = False) -> Bundle:
    lessons = content.lessons if revoked else _in_force(content)
    return assemble(content.app, content.number, _NoBase(), content.passages, lessons, embed)


def _in_force(content: ReleaseContent) -> list[Lesson]:
    return [lesson for lesson in content.lessons if lesson.status != "revoked"]


def _some_revoked(found: Json, stated: Json) -> bool:
    if not isinstance(found, Mapping) or not isinstance(stated, Mapping):
        return False
    return int(str(found.get("lessons", 0))) < int(str(stated.get("lessons", 0)))


def _no_vectors(texts: Sequence[str]) -> Vector:
    """For reading what the layers hold, without searching it: the same unit vector for every text."""
    return np.ones((len(texts), 1), np.float32)


def _rounded(embed: Embed) -> Embed:
    """The vectors as the service has them: stored in half precision."""
    return lambda texts: embed(texts).astype(np.float16).astype(np.float32)


class _NoBase:
    """Stands for the base until the app's own function takes its place."""

    id = "none"

    def answer(self, request: Request, learned: Learned) -> Answer:
        raise Conflict("This release was loaded without a base.", "Ask the app that was declared.")


class _OnlyExact:
    """Takes back a reviewed answer to a question that is not exactly this one."""

    def before(self, request: Request, learned: Learned) -> Learned:
        reviewed = learned.reviewed
        if reviewed is None or normalised(reviewed.question) == normalised(request.text):
            return learned
        return replace(learned, reviewed=None)

    def after(self, request: Request, learned: Learned, answer: Answer) -> Answer:
        return answer

    def manifest(self) -> dict[str, Json]:
        return {}


class _Exact:
    """Knows reviewed answers by their exact questions only."""

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        self._asked = {normalised(lesson.question): lesson for lesson in lessons if lesson.answer}

    def before(self, request: Request, learned: Learned) -> Learned:
        return replace(learned, reviewed=self._asked.get(normalised(request.text)))

    def after(self, request: Request, learned: Learned, answer: Answer) -> Answer:
        return answer

    def manifest(self) -> dict[str, Json]:
        return {}
