"""Releases, lessons and the audit log: what changed, who did it, and how to go back."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from ratchet.errors import InvalidInput, UnknownName
from ratchet.records.lesson import Lesson
from ratchet.records.release import Release
from ratchet.stages.release.revoke import revoke
from ratchet.stages.release.rollback import promote, rollback
from ratchet.web.routes.feedback import visible_app
from ratchet.web.routing import Call
from ratchet.wire.releases import (
    AuditOut,
    AuditRow,
    LessonsOut,
    MovedOut,
    MoveIn,
    ReleaseDetail,
    ReleaseOut,
    ReleasesOut,
    RevokeIn,
)


class AuditQuery(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Which entries: of one app, and how many of the newest."""

    app: Annotated[str, Meta(max_length=100)] = ""
    last: Annotated[int, Meta(ge=1, le=10_000)] = 100


def list_releases(call: Call) -> ReleasesOut:
    """All releases of an app, and its candidates."""
    store = call.service.house.store
    app = store.apps.get(call.path["app"]).name
    active = store.releases.active(app)
    return ReleasesOut(
        releases=[_out(release, active) for release in store.releases.all(app)],
        candidates=store.releases.candidates(app),
    )


def _out(release: Release, active: int) -> ReleaseOut:
    return ReleaseOut(
        app=release.app,
        number=release.number,
        id=release.id,
        manifest=release.manifest.to_json(),
        candidate_id=release.candidate_id,
        at=release.at,
        lessons=release.lessons,
        status=release.status,
        live=release.number == active,
    )


def get_release(call: Call) -> ReleaseDetail:
    """One release, with its candidate and what its gate found."""
    store = call.service.house.store
    app = store.apps.get(call.path["app"]).name
    number = call.path["number"]
    release = (
        store.releases.get(app, int(number)) if number.isascii() and number.isdigit() and len(number) < 10 else None
    )
    if release is None:
        raise UnknownName(f"{app} has no release {number!r}.", "List them first.")
    return ReleaseDetail(
        release=_out(release, store.releases.active(app)),
        candidate=store.releases.candidate(release.candidate_id),
        reports=store.releases.reports(release.candidate_id),
    )


def roll_back(call: Call) -> MovedOut:
    """Put the release before the present one, or the one that is named, in force again."""
    asked: MoveIn = call.body
    house = call.service.house
    app = house.store.apps.get(call.path["app"]).name
    number = rollback(house.outside, app, actor=asked.actor, reason=asked.reason, to=asked.number)
    call.service.moved(app)
    return MovedOut(release=number)


def promote_release(call: Call) -> MovedOut:
    """Put a release that was in force before in force again."""
    asked: MoveIn = call.body
    if asked.number is None:
        raise InvalidInput("It was not said which release.", "Send its `number`.")
    house = call.service.house
    app = house.store.apps.get(call.path["app"]).name
    number = promote(house.outside, app, asked.number, actor=asked.actor, reason=asked.reason)
    call.service.moved(app)
    return MovedOut(release=number)


def list_lessons(call: Call) -> LessonsOut:
    """All lessons of an app, oldest first."""
    store = call.service.house.store
    return LessonsOut(lessons=store.lessons.all(store.apps.get(call.path["app"]).name))


def get_lesson(call: Call) -> Lesson:
    """One lesson, with where it came from."""
    lesson = call.service.house.store.lessons.get(call.path["id"])
    if lesson is None or not call.caller.may_use(lesson.app):
        raise UnknownName(f"There is no lesson {call.path['id']!r}.", "List them first.")
    return lesson


def revoke_lesson(call: Call) -> Lesson:
    """Stop a lesson at once, in the present release and in every earlier one."""
    asked: RevokeIn = call.body
    house = call.service.house
    get_lesson(call)
    lesson = revoke(house.outside, call.path["id"], actor=asked.actor, reason=asked.reason)
    house.bundles.forget(lesson.app)
    call.service.moved(lesson.app)
    return get_lesson(call)


def list_audit(call: Call) -> AuditOut:
    """The newest entries of the audit log, in order."""
    app = visible_app(call.caller, call.query.app)
    entries = call.service.house.store.audit.entries(app or None)[-call.query.last :]
    return AuditOut(entries=[msgspec.convert(msgspec.to_builtins(entry), AuditRow) for entry in entries])
