"""The ladder of releases: the one in force, else the newest before it that loads, else the bare base."""

from __future__ import annotations

import logging
from collections.abc import Callable

from ratchet.layers.layer import Bundle
from ratchet.records.app import App
from ratchet.wiring import House

logger = logging.getLogger("ratchet.gateway")
AGAIN_S = 30.0


class Rungs:
    """Remembers for 30 s which releases cannot be loaded, for trying again costs more than answering.

    ``now`` is a clock in seconds that never goes back.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._broken: dict[tuple[str, int], float] = {}

    def bundle(self, house: House, app: App) -> tuple[Bundle, bool]:
        """A release that can be used, and whether it is the one in force. Raises when not even the bare base can."""
        active = number = house.store.releases.active(app.name)
        while True:
            try:
                if number and self._now() < self._broken.get((app.name, number), 0.0):
                    number = _before(house, app, number)
                    continue
                return house.bundles.of_release(app, number), number == active
            except Exception as error:
                if number == 0:
                    raise
                logger.error("Release %d of %s cannot be used (%s).", number, app.name, error)
                self._broken[app.name, number] = self._now() + AGAIN_S


def _before(house: House, app: App, number: int) -> int:
    """The release before; none when that cannot be read."""
    try:
        release = house.store.releases.get(app.name, number)
        parent = int(str(release.manifest.content["parent"])) if release is not None else 0
    except Exception:
        return 0
    return parent if parent < number else 0
