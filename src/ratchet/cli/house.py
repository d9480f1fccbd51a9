"""Opens the store that a command works on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ratchet.errors import StorageError, UnknownName
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.wiring import House


@contextmanager
def opened(store: str | None, *, read_only: bool = False) -> Iterator[House]:
    """The store, which must exist; closed afterwards."""
    from ratchet.wiring import open_house

    settings = Settings.read(os.environ, store)
    if not settings.store.exists():
        raise StorageError(
            f"There is no store at {settings.store}.", "Name it with --store, or try `ratchet demo` to make one."
        )
    house = open_house(settings, read_only=read_only)
    try:
        yield house
    finally:
        house.close()


def the_app(house: House, name: str | None) -> str:
    """The app that was named, or the only one there is."""
    known = [app.name for app in house.store.apps.all()]
    if name is not None:
        return house.store.apps.get(name).name
    if len(known) == 1:
        return known[0]
    raise UnknownName(
        f"The store has {len(known)} apps: {', '.join(known) or 'none'}.", "Say which one with --app NAME."
    )
