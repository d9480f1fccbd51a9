"""Takes a lesson out of every release, at once: a deny-list that no rollback undoes."""

from __future__ import annotations

from ratchet.errors import Conflict, UnknownName
from ratchet.interfaces import Outside
from ratchet.records.lesson import Lesson


def revoke(outside: Outside, lesson_id: str, *, actor: str, reason: str) -> Lesson:
    """Revoke the lesson; releases ignore it from now on, earlier ones too, and the next turn leaves it out."""
    lesson = outside.store.lessons.get(lesson_id)
    if lesson is None:
        raise UnknownName(f"There is no lesson {lesson_id!r}.", "See `ratchet lessons list`.")
    if lesson.status == "revoked":
        raise Conflict(f"The lesson {lesson_id} is revoked already.", "There is nothing to do.")
    if not reason.strip():
        raise Conflict("No reason was given.", "Say why: the reason goes into the audit log.")
    with outside.store.transaction():
        outside.store.lessons.retire(lesson_id, "revoked")
        outside.store.audit.append(
            outside.clock.now(), actor, "lesson.revoked", lesson.app, lesson_id, {"reason": reason}
        )
    return lesson
