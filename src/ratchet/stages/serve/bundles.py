"""Loads releases once and keeps them in memory; revoked lessons are left out of every one of them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence

from ratchet.errors import EmbedderMismatch, UnknownName
from ratchet.interfaces import Outside
from ratchet.layers.assemble import LEARNING, assemble
from ratchet.layers.layer import Answerer, Bundle
from ratchet.records.app import App
from ratchet.records.candidate import Candidate
from ratchet.records.lesson import Lesson
from ratchet.records.release import Release

KEPT = 16


class Bundles:
    """Releases and candidates, loaded.

    ``bases`` gives each app's base by the app's name; ``verify`` raises when a release is not what was released.
    """

    def __init__(
        self, outside: Outside, bases: Mapping[str, Answerer], verify: Callable[[Release, Bundle], None]
    ) -> None:
        self._outside = outside
        self._bases = bases
        self._verify = verify
        self._learning: Collection[str] = LEARNING
        self._kept: OrderedDict[tuple[str, int], Bundle] = OrderedDict()
        self._lock = threading.Lock()
        self._forgotten = 0

    def active(self, app: App) -> Bundle:
        """The release in force, loaded."""
        return self.of_release(app, self._outside.store.releases.active(app.name))

    def of_release(self, app: App, number: int) -> Bundle:
        """A release by number; 0 is the bare base with the team's knowledge."""
        with self._lock:
            if (app.name, number) in self._kept:
                self._kept.move_to_end((app.name, number))
                return self._kept[app.name, number]
            began = self._forgotten
        bundle = self._load(app, number)
        with self._lock:
            if began != self._forgotten:
                # Something was revoked or changed while this was loading: serve it once, but do not keep it.
                return bundle
            self._kept[app.name, number] = bundle
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return bundle

    def kept(self, app: str, number: int) -> Bundle | None:
        """The release if it is loaded already; looks nothing up."""
        return self._kept.get((app, number))

    def of_candidate(self, app: App, candidate: Candidate, number: int) -> tuple[Bundle, list[Lesson]]:
        """What the candidate would be as release ``number``, and the lessons it would hold."""
        bank = {lesson.id: lesson for lesson in self.bank(app.name, candidate.parent)}
        for lesson_id in candidate.removed:
            bank.pop(lesson_id, None)
        denied = self._outside.store.lessons.denied(app.name)
        for lesson_id in candidate.added:
            lesson = self._outside.store.lessons.get(lesson_id)
            if lesson is not None:
                bank[lesson_id] = lesson
        kept = [lesson for lesson in bank.values() if lesson.id not in denied]
        lessons = sorted(kept, key=lambda lesson: (lesson.at, lesson.id))
        version = candidate.knowledge or self._outside.store.knowledge.version(app.name)
        return self._assemble(app, number, version, lessons), lessons

    def bank(self, app: str, number: int) -> list[Lesson]:
        """The lessons of a release."""
        release = self._release(app, number)
        return [] if release is None else self._outside.store.lessons.bank(app, release.bank_version)

    def knowledge(self, app: str, number: int) -> int | None:
        """The version of the knowledge that a release reads; ``None`` for the bare base, which reads the newest."""
        release = self._release(app, number)
        return None if release is None else int(str(release.manifest.content["knowledge"]))

    def use_only(self, layers: Collection[str]) -> None:
        """Let only these layers learn from now on (all when empty): for finding out what each of them is worth."""
        self._learning = layers or LEARNING

    def forget(self, app: str) -> None:
        """Load everything of the app anew: after a revocation, or when its base changed."""
        with self._lock:
            self._forgotten += 1
            for key in [key for key in self._kept if key[0] == app]:
                del self._kept[key]

    def _load(self, app: App, number: int) -> Bundle:
        release = self._release(app.name, number)
        if release is None:
            version = self._outside.store.knowledge.version(app.name)
            return self._assemble(app, 0, version, [])
        made_with = release.manifest.content["embedder"]
        if made_with != self._outside.vectors.fingerprint:
            raise EmbedderMismatch(
                f"Release {number} of {app.name} was made with the embedder {made_with}.",
                f"Configure that one, or run `ratchet reembed` to move to {self._outside.vectors.fingerprint}.",
            )
        knowledge = int(str(release.manifest.content["knowledge"]))
        lessons = self._outside.store.lessons.bank(app.name, release.bank_version)
        whole = self._assemble(app, number, knowledge, lessons)
        self._verify(release, whole)
        denied = self._outside.store.lessons.denied(app.name)
        if not denied & whole.lesson_ids:
            return whole
        return self._assemble(app, number, knowledge, [lesson for lesson in lessons if lesson.id not in denied])

    def _release(self, app: str, number: int) -> Release | None:
        if number == 0:
            return None
        release = self._outside.store.releases.get(app, number)
        if release is None:
            raise UnknownName(f"{app} has no release {number}.", "See `ratchet release list`.")
        return release

    def _assemble(self, app: App, number: int, version: int, lessons: Sequence[Lesson]) -> Bundle:
        passages = self._outside.store.knowledge.passages(app.name, version)
        return assemble(
            app, number, self._bases[app.name], passages, lessons, self._outside.vectors.keep, self._learning
        )
