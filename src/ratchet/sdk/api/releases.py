"""Routes of releases, lessons and the audit log."""

from __future__ import annotations

from ratchet.records.lesson import Lesson
from ratchet.sdk.api.calling import Caller, part
from ratchet.wire.releases import AuditOut, LessonsOut, MovedOut, MoveIn, ReleaseDetail, ReleasesOut, RevokeIn


class ReleaseRoutes(Caller):
    """``/v1/apps/{app}/releases`` and what moves them, ``/v1/lessons``, ``/v1/audit``."""

    def releases(self, app: str) -> ReleasesOut:
        """All releases by number, and the candidates that were stopped or wait."""
        return self._get(ReleasesOut, f"/v1/apps/{part(app)}/releases")

    def release(self, app: str, number: int) -> ReleaseDetail:
        """A release with its candidate and what the gates found."""
        return self._get(ReleaseDetail, f"/v1/apps/{part(app)}/releases/{int(number)}")

    def rollback(self, app: str, move: MoveIn) -> MovedOut:
        """Put the release before the present one, or the one named, in force again."""
        return self._post(MovedOut, f"/v1/apps/{part(app)}/rollback", move)

    def promote(self, app: str, move: MoveIn) -> MovedOut:
        """Put a release that was in force before in force again."""
        return self._post(MovedOut, f"/v1/apps/{part(app)}/promote", move)

    def lessons(self, app: str) -> LessonsOut:
        """All lessons of the app, oldest first."""
        return self._get(LessonsOut, f"/v1/apps/{part(app)}/lessons")

    def lesson(self, lesson_id: str) -> Lesson:
        """One lesson."""
        return self._get(Lesson, f"/v1/lessons/{part(lesson_id)}")

    def revoke_lesson(self, lesson_id: str, why: RevokeIn) -> Lesson:
        """Stop a lesson at once, in every release."""
        return self._post(Lesson, f"/v1/lessons/{part(lesson_id)}/revoke", why)

    def audit(self, *, app: str = "", last: int | None = None) -> AuditOut:
        """Entries of the audit log in order, only the ``last`` so many where given."""
        return self._get(AuditOut, "/v1/audit", {"app": app, "last": last})
