"""Opens the store that a command works on."""

from __future__ import annotations

import getpass
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ratchet.errors import StorageError, UnknownName
from ratchet.settings import Settings

if TYPE_CHECKING:
    from ratchet.records.app import App
    from ratchet.records.key import Key
    from ratchet.sdk.api import Api
    from ratchet.sdk.client import Ratchet
    from ratchet.wire.keys import KeyIn, KeyMade
    from ratchet.wiring import House


def project_settings(store: str | None) -> Settings:
    """The settings of the project in this folder (or RATCHET_PROJECT); ``store`` overrides its store."""
    from ratchet.project.read import project_folder, read_project

    return read_project(os.environ, project_folder(os.environ), store)


def service_address(store: str | None) -> str:
    """The service to talk to instead of opening the store: named by URL, by RATCHET_URL, or the store's owner."""
    from ratchet.wiring import service_url

    return named_service(store) or service_url(project_settings(store))


def named_service(store: str | None) -> str:
    """The service that was named by URL, or by RATCHET_URL; empty where a file is meant."""
    if store is not None:
        return store if "://" in store else ""
    return os.environ.get("RATCHET_URL", "")


@contextmanager
def connected(store: str | None) -> Iterator[Ratchet]:
    """The loop of a store: at the service that owns it, else in the store itself, which must exist."""
    from ratchet.sdk.client import Ratchet
    from ratchet.wiring import open_project

    if url := service_address(store):
        loop = Ratchet(url, key=os.environ.get("RATCHET_API_KEY", ""))
    else:
        settings = project_settings(store)
        _refuse_missing(settings)
        loop = Ratchet.over(lambda: open_project(settings))
    with loop:
        yield loop


def app_of(loop: Ratchet, name: str | None) -> App:
    """The app that was named, or the only one there is."""
    known = {app.name: app for app in loop.apps()}
    if name is None and len(known) == 1:
        return next(iter(known.values()))
    if name in known:
        return known[name]
    said = f"There is no app named {name!r}." if name else f"There are {len(known)} apps."
    raise UnknownName(f"{said} Known are: {', '.join(known) or 'none'}.", "Say which one with --app NAME.")


def _refuse_missing(settings: Settings) -> None:
    if not settings.store.exists():
        raise StorageError(
            f"There is no store at {settings.store}.", "Name it with --store, or try `ratchet demo` to make one."
        )


class KeyDesk(Protocol):
    """Where keys are managed: in a store, or at the service that owns it."""

    def create_key(self, asked: KeyIn) -> KeyMade:
        """A new key, with its secret."""
        ...

    def all_keys(self) -> list[Key]:
        """All keys."""
        ...

    def revoke_key(self, key_id: str) -> Key:
        """End a key."""
        ...

    def rotate_tokens(self) -> str:
        """Sign tokens with a new secret; its id."""
        ...


@contextmanager
def key_desk(store: str | None) -> Iterator[KeyDesk]:
    """The keys of the store, through the service where one owns it."""
    from ratchet.sdk.api import Api

    if url := service_address(store):
        yield _RemoteDesk(Api(url, os.environ.get("RATCHET_API_KEY", "")))
        return
    with made(store) as house:
        yield _StoreDesk(house)


@dataclass(frozen=True, slots=True)
class _RemoteDesk:
    api: Api

    def create_key(self, asked: KeyIn) -> KeyMade:
        return self.api.make_key(asked)

    def all_keys(self) -> list[Key]:
        return self.api.keys().keys

    def revoke_key(self, key_id: str) -> Key:
        return self.api.revoke_key(key_id)

    def rotate_tokens(self) -> str:
        return self.api.rotate_tokens().secret_id


@dataclass(frozen=True, slots=True)
class _StoreDesk:
    house: House

    def create_key(self, asked: KeyIn) -> KeyMade:
        from ratchet.web.access import make_key
        from ratchet.wire.keys import KeyMade

        key, secret = make_key(
            self.house.outside,
            asked.name,
            kind=asked.kind,
            scopes=asked.scopes,
            apps=asked.apps,
            origins=asked.origins,
            expires_at=asked.expires_at,
            actor=getpass.getuser(),
        )
        return KeyMade(key=key, secret=secret)

    def all_keys(self) -> list[Key]:
        return self.house.store.keys.all()

    def revoke_key(self, key_id: str) -> Key:
        from ratchet.web.access import revoke_key

        return revoke_key(self.house.outside, key_id, actor=getpass.getuser())

    def rotate_tokens(self) -> str:
        from ratchet.web.tokens import rotate

        return rotate(self.house.outside, actor=getpass.getuser())


@contextmanager
def made(store: str | None) -> Iterator[House]:
    """The store, made if there is none; closed afterwards."""
    from ratchet.wiring import open_house

    house = open_house(project_settings(store))
    try:
        yield house
    finally:
        house.close()


@contextmanager
def opened(store: str | None, *, read_only: bool = False) -> Iterator[House]:
    """The store, which must exist; closed afterwards."""
    from ratchet.wiring import open_house

    settings = project_settings(store)
    _refuse_missing(settings)
    house = open_house(settings, read_only=read_only)
    try:
        yield house
    finally:
        house.close()


@contextmanager
def opened_project(store: str | None) -> Iterator[House]:
    """The store with the apps that ratchet.toml declares; it must exist, and is closed afterwards."""
    from ratchet.wiring import open_project

    settings = project_settings(store)
    _refuse_missing(settings)
    house = open_project(settings)
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
