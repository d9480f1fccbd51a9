"""Asks the layers what the lessons since the last release would change, and drafts a candidate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.errors import LeakageError
from ratchet.interfaces import Outside
from ratchet.layers import examples, retrieval
from ratchet.records.app import App
from ratchet.records.candidate import Candidate, LayerName
from ratchet.records.canonical import Json
from ratchet.records.lesson import Lesson


def propose(
    outside: Outside, app: App, *, parent: int, current: Sequence[Lesson], knowledge: int | None
) -> Candidate | None:
    """A candidate on top of release ``parent``, or ``None`` when nothing would change.

    ``current`` is the parent's bank, ``knowledge`` the version of the knowledge it reads (``None`` for the bare base,
    which always reads the newest).

    It is a draft until :func:`file_candidate` stores it.
    """
    store, now = outside.store, outside.clock.now()
    teaching = [lesson for lesson in store.lessons.all(app.name) if _may_teach(lesson, now)]
    known = {lesson.id for lesson in current}
    added = [lesson for lesson in teaching if lesson.id not in known]
    standing = {lesson.id for lesson in teaching}
    removed = [lesson.id for lesson in current if lesson.id not in standing]
    layers = _layers_that_learn(app, added)
    newest = store.knowledge.version(app.name)
    renewed = knowledge is not None and knowledge != newest
    if not layers and not removed and not renewed:
        return None
    refuse_leak(added)
    return Candidate(
        id=outside.ids.new("cand"),
        app=app.name,
        at=now,
        parent=parent,
        bank_version=store.releases.next_bank_version(app.name),
        layers=layers or _layers_that_learn(app, current),
        knowledge=newest,
        added=tuple(lesson.id for lesson in added),
        removed=tuple(removed),
    )


def file_candidate(outside: Outside, candidate: Candidate) -> None:
    """Store a candidate whose evaluation begins."""
    store = outside.store
    details: dict[str, Json] = {
        "added": len(candidate.added),
        "removed": len(candidate.removed),
        "layers": list(candidate.layers),
        "parent": candidate.parent,
    }
    with store.transaction():
        store.releases.put_candidate(replace(candidate, status="evaluating"))
        store.audit.append(candidate.at, "ratchet", "candidate.drafted", candidate.app, candidate.id, details)


def refuse_leak(lessons: Sequence[Lesson]) -> None:
    """Raise ``LeakageError`` when a lesson is about to teach that may not."""
    for lesson in lessons:
        if lesson.split != "teach":
            raise LeakageError(
                f"Lesson {lesson.id} is {lesson.split.replace('_', ' ')} and was about to teach.",
                "This is a defect in how the candidate was built: report it.",
            )


def _may_teach(lesson: Lesson, now: float) -> bool:
    in_time = lesson.valid_until is None or lesson.valid_until > now
    return lesson.split == "teach" and lesson.status == "active" and in_time


def _layers_that_learn(app: App, lessons: Sequence[Lesson]) -> tuple[LayerName, ...]:
    found: list[LayerName] = []
    if app.kind != "classify" and any(retrieval.can_learn(lesson) for lesson in lessons):
        found.append("retrieval")
    if any(examples.can_learn(app, lesson) for lesson in lessons):
        found.append("examples")
    return tuple(found)
