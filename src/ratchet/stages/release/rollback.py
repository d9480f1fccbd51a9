"""Puts an earlier release in force again: one pointer moves, nothing is rebuilt."""

from __future__ import annotations

from ratchet.errors import Conflict, UnknownName
from ratchet.interfaces import Outside
from ratchet.records.canonical import Json


def rollback(outside: Outside, app: str, *, actor: str, reason: str, to: int | None = None) -> int:
    """Go back to release ``to`` (the parent of the one in force unless given; 0 is the bare base); its number."""
    active = outside.store.releases.active(app)
    if active == 0:
        raise Conflict(f"{app} runs on its bare base; there is nothing to roll back.", "See `ratchet release list`.")
    target = _parent(outside, app, active) if to is None else to
    _put_in_force(outside, app, target, active, "rolled_back", "release.rolled_back", actor, reason)
    return target


def promote(outside: Outside, app: str, number: int, *, actor: str, reason: str) -> int:
    """Put a release that passed its gate before in force again; its number."""
    active = outside.store.releases.active(app)
    _put_in_force(outside, app, number, active, "retired", "release.promoted", actor, reason)
    return number


def _parent(outside: Outside, app: str, number: int) -> int:
    release = outside.store.releases.get(app, number)
    if release is None:
        raise UnknownName(f"{app} has no release {number}.", "See `ratchet release list`.")
    return int(str(release.manifest.content["parent"]))


def _put_in_force(
    outside: Outside, app: str, number: int, active: int, old_status: str, action: str, actor: str, reason: str
) -> None:
    store = outside.store
    if not reason.strip():
        raise Conflict("No reason was given.", "Say why: the reason goes into the audit log.")
    if number == active:
        raise Conflict(f"Release {number} is in force already.", "Name another one; see `ratchet release list`.")
    if number != 0 and store.releases.get(app, number) is None:
        raise UnknownName(f"{app} has no release {number}.", "See `ratchet release list`.")
    with store.transaction():
        store.releases.point(app, number, expected=active)
        if active:
            store.releases.set_status(app, active, old_status)  # type: ignore[arg-type]
        if number:
            store.releases.set_status(app, number, "live")
        details: dict[str, Json] = {"from": active, "to": number, "reason": reason}
        store.audit.append(outside.clock.now(), actor, action, app, f"release {number}", details)
