"""Moves every app to the configured embedder: the same lessons, released again on new vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ratchet.errors import Conflict
from ratchet.records.app import App
from ratchet.records.candidate import Candidate
from ratchet.stages.release.publish import next_number, republish
from ratchet.wiring import House

BATCH = 256


def reembed(house: House, report: Callable[[str, int, int], None]) -> list[tuple[str, int, int]]:
    """For each app that moved: its name, how many texts were embedded, and the release now in force.

    Raises ``Conflict``, before anything is changed, for an app whose base is a function that is not loaded here.
    """
    moved = [app for app in house.store.apps.all() if app.embedder != house.vectors.fingerprint]
    for app in moved:
        if app.base.startswith("function:") and app.name not in house.bases:
            raise Conflict(
                f"The base of {app.name} is your own {app.base.replace(':', ' ')}, which is not loaded here.",
                "Call loop.reembed() in the program that defines it.",
            )
    return [_move(house, app, report) for app in moved]


def _move(house: House, app: App, report: Callable[[str, int, int], None]) -> tuple[str, int, int]:
    texts = _lasting_texts(house, app)
    for start in range(0, len(texts), BATCH):
        house.vectors.keep(texts[start : start + BATCH])
        report(f"embedding {app.name}", min(start + BATCH, len(texts)), len(texts))
    house.store.apps.put(replace(app, embedder=house.vectors.fingerprint))
    present = house.reopen(app.name)
    active = house.store.releases.active(app.name)
    return app.name, len(texts), _release_again(house, present, active) if active else 0


def _lasting_texts(house: House, app: App) -> list[str]:
    version = house.store.knowledge.version(app.name)
    passages = house.store.knowledge.passages(app.name, version)
    words = [text for passage in passages for text in (passage.words(), passage.title or passage.text)]
    words += [lesson.question for lesson in house.store.lessons.all(app.name)]
    words += [case.question for case in house.store.suites.cases(app.name)]
    words += [description or name for name, description in app.labels.items()]
    return list(dict.fromkeys(words))


def _release_again(house: House, app: App, active: int) -> int:
    """The lessons in force, on the new vectors, as a release of their own."""
    outside = house.outside
    candidate = Candidate(
        id=outside.ids.new("cand"),
        app=app.name,
        at=outside.clock.now(),
        parent=active,
        bank_version=outside.store.releases.next_bank_version(app.name),
        layers=(),
        added=(),
        knowledge=outside.store.knowledge.version(app.name),
        reason=f"Re-embedded with {house.vectors.fingerprint}.",
    )
    bundle, _ = house.bundles.of_candidate(app, candidate, next_number(outside, app.name))
    return republish(outside, candidate, bundle, candidate.knowledge).number
