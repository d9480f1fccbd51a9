"""Checks of the store, which is only looked at: never made, changed, or brought up to date."""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from ratchet.cli.checks.finding import Finding, fail, ok, warn
from ratchet.cli.checks.machine import sqlite_module

FIRST_BYTES = b"SQLite format 3\0"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
VALID_KEYS = "SELECT count(*) FROM keys WHERE kind = 'secret' AND revoked_at IS NULL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a store says of itself: its schema (empty where it has none), the kind and embedder of every app, and how
    many secret keys are not revoked."""

    schema: str
    apps: dict[str, tuple[str, str]]
    keys: int = 0


def newest_schema() -> str:
    """The schema of this version of Ratchet."""
    versions = resources.files("ratchet.storage.migrations") / "versions"
    found = [re.match(r"(\d{4})_\w+\.py$", file.name) for file in versions.iterdir()]
    return max(match[1] for match in found if match)


def check(path: Path) -> Iterator[Finding]:
    """The checks of the store at ``path``."""
    if not path.exists():
        yield _place_for(path)
        return
    problem = _not_usable(path)
    if problem:
        yield problem
        return
    yield ok("store", f"{path} ({path.stat().st_size / 10**6:,.1f} MB)")
    yield owner(path)
    yield schema(path)


def owner(path: Path) -> Finding:
    """Which process holds the store."""
    lock = path.with_name(path.name + ".lock")
    try:
        with lock.open(encoding="ascii", errors="replace") as file:
            held = _is_locked(file.fileno())
            pid, _, url = file.read(300).strip().partition(" ")
    except OSError:
        held, pid, url = False, "", ""
    if held:
        at = f", serving {url}" if url else ""
        return ok("owner", f"A running process owns the store (pid {pid or 'unknown'}{at}).")
    log = path.with_name(path.name + "-wal")
    if log.is_file() and log.stat().st_size:
        return ok("owner", "No process owns it; the last one was cut off, and the next start takes over what it wrote.")
    return ok("owner", "No process owns it.")


def schema(path: Path) -> Finding:
    """Whether this version of Ratchet reads the store as it is."""
    try:
        found, known = look(path).schema, newest_schema()
    except ValueError as error:
        return fail("schema", f"{path} cannot be read: {error}.", "Restore it from a backup, or name another store.")
    if not found:
        return fail("schema", f"{path} is not a Ratchet store.", "Name another store, or move that file away.")
    if found > known:
        return fail(
            "schema",
            f"The store has schema {found}; this version of Ratchet knows {known}.",
            "Install the version of Ratchet that wrote it, or a newer one.",
        )
    if found < known:
        return warn(
            "schema",
            f"The store has schema {found}, this version of Ratchet {known}.",
            "Copy the file; the next start of the service brings it up to date.",
        )
    return ok("schema", f"{found}, the newest")


def access(path: Path, host: str) -> Iterator[Finding]:
    """Whether anybody can call a service that is to be reached from elsewhere; nothing to say on loopback."""
    if host in LOOPBACK:
        return
    try:
        keys = look(path).keys if path.is_file() else 0
    except ValueError:
        return  # the check of the schema says so
    if keys:
        yield ok("keys", f"{keys} secret, not revoked")
    else:
        what = f"The service is to listen at {host}, and there is no key: every request will be refused."
        yield warn("keys", what, "Make one with `ratchet keys`, or set host to 127.0.0.1, where none is needed.")


def look(path: Path) -> Look:
    """What the store says of itself; raises ``ValueError`` where it cannot be read."""
    module = sqlite_module()
    try:
        with closing(_reader(module, path)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if "alembic_version" not in tables:
                return Look(schema="", apps={})
            version = connection.execute("SELECT version_num FROM alembic_version").fetchone()
            rows = connection.execute("SELECT name, kind, embedder FROM apps") if "apps" in tables else ()
            return Look(
                schema=str(version[0]) if version else "",
                apps={name: (kind, embedder) for name, kind, embedder in rows},
                keys=connection.execute(VALID_KEYS).fetchone()[0] if "keys" in tables else 0,
            )
    except module.Error as error:
        raise ValueError(str(error)) from None


def _reader(module: Any, path: Path) -> Any:
    # A reader of a closed store would leave two files beside it, unless it is told that nobody writes.
    quiet = not path.with_name(path.name + "-wal").exists()
    address = f"{path.resolve().as_uri()}?{'immutable=1' if quiet else 'mode=ro'}"
    return module.connect(address, uri=True, timeout=2.0)


def _place_for(path: Path) -> Finding:
    folder = path.parent
    if not folder.is_dir():
        return fail("store", f"There is no folder {folder} for the store {path.name}.", "Make it, or name another.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return fail("store", f"The folder {folder.resolve()} may not be written.", "Give write permission on it.")
    return ok("store", f"None yet; the first start makes {path}.")


def _not_usable(path: Path) -> Finding | None:
    if path.is_dir():
        return fail("store", f"{path} is a folder.", f"Name a file in it, such as {path / 'ratchet.db'}.")
    try:
        with path.open("rb") as file:
            start = file.read(len(FIRST_BYTES))
    except OSError as error:
        return fail("store", f"{path} cannot be read: {error.strerror}.", "Give read permission on it.")
    if start and start != FIRST_BYTES:
        return fail("store", f"{path} is not a SQLite file.", "Name another store, or move that file away.")
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK | os.X_OK):
        return fail("store", f"{path} may only be read.", "Give write permission on it and on its folder.")
    return None


def _is_locked(file: int) -> bool:
    """Tried with a shared lock that is given back at once: the owner's own is the only exclusive one."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
