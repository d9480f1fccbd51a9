"""Reads lessons and releases for a command: from the file, or from the service that was named by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratchet.cli.house import app_of, connected, named_service, opened, the_app
from ratchet.errors import UnknownName

if TYPE_CHECKING:
    from ratchet.records.candidate import Candidate
    from ratchet.records.gate import GateReport
    from ratchet.records.lesson import Lesson
    from ratchet.records.release import Release


def lessons_of(store: str | None, name: str | None) -> list[Lesson]:
    """All lessons of the app that was named, or of the only one, oldest first."""
    if named_service(store):
        with connected(store) as loop:
            return loop.lessons(app_of(loop, name).name)
    with opened(store, read_only=True) as house:
        return house.store.lessons.all(the_app(house, name))


def releases_of(store: str | None, name: str | None) -> tuple[int, list[Release], list[Candidate]]:
    """The number of the release in force, all releases by number, and all candidates."""
    if named_service(store):
        from ratchet.sdk.told_turn import release_of as told_release

        with connected(store) as loop:
            found = loop.api.releases(app_of(loop, name).name)
        active = next((item.number for item in found.releases if item.live), 0)
        return active, [told_release(item) for item in found.releases], found.candidates
    with opened(store, read_only=True) as house:
        known, releases = the_app(house, name), house.store.releases
        return releases.active(known), releases.all(known), releases.candidates(known)


def release_of(store: str | None, name: str | None, number: int) -> tuple[Release, Candidate | None, list[GateReport]]:
    """One release, its candidate, and what the gates found. Raises ``UnknownName``."""
    if named_service(store):
        from ratchet.sdk.told_turn import release_of as told_release

        with connected(store) as loop:
            found = loop.api.release(app_of(loop, name).name, number)
        return told_release(found.release), found.candidate, found.reports
    with opened(store, read_only=True) as house:
        known, releases = the_app(house, name), house.store.releases
        release = releases.get(known, number)
        if release is None:
            raise UnknownName(f"{known} has no release {number}.", "See `ratchet release list`.")
        return release, releases.candidate(release.candidate_id), releases.reports(release.candidate_id)
