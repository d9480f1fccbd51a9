"""Takes a lesson out of every release, at once: a deny-list that no rollback undoes."""

from __future__ import annotations

from ratchet.errors import Conflict, UnknownName
from ratchet.interfaces import Outside
from ratchet.records.lesson import Lesson


def revoke(outside: Outside, lesson_id: str, *, actor: str, reason: str) -> Lesson:
    """Revoke the lesson; releases ignore it from now on, earlier ones too, and the next turn leaves it out.

    A lesson that it had superseded counts again.
    """
    lesson = outside.store.lessons.get(lesson_id)
    if lesson is None:
        raise UnknownName(f"There is no lesson {lesson_id!r}.", "See `ratchet lessons list`.")
    if lesson.status == "revoked":
        raise Conflict(f"The lesson {lesson_id} is revoked already.", "There is nothing to do.")
    if not reason.strip():
        raise Conflict("No reason was given.", "Say why: the reason goes into the audit log.")
    with outside.store.transaction():
        outside.store.lessons.retire(lesson_id, "revoked")
        # One that was superseded itself stood for nothing: its successor still does.
        reinstated = _reinstate(outside, lesson) if lesson.status == "active" else ""
        outside.store.audit.append(
            outside.clock.now(),
            actor,
            "lesson.revoked",
            lesson.app,
            lesson_id,
            {"reason": reason, "reinstated": reinstated},
        )
    return lesson


def _reinstate(outside: Outside, lesson: Lesson) -> str:
    """Id of the lesson that counts again; empty when there is none. One revoked itself stays so, and its own
    predecessor is looked for instead."""
    older = outside.store.lessons.get(lesson.supersedes) if lesson.supersedes else None
    while older is not None and older.status == "revoked":
        older = outside.store.lessons.get(older.supersedes) if older.supersedes else None
    if older is None or older.status != "superseded":
        return ""
    outside.store.lessons.retire(older.id, "active")
    return older.id
