"""Brings a database to the newest schema; Alembic is imported only when an older one must be moved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Engine, inspect, text

from ratchet.errors import StorageError
from ratchet.storage import tables

HEAD = "0002"


def upgrade(engine: Engine, path: Path) -> None:
    """Make the schema in an empty database, or run the migrations that are missing; refuses a database made by a
    newer version."""
    version = _version(engine)
    if version > HEAD:
        _refuse_newer(path, version)
    if not version and _is_empty(engine):
        _create(engine)
    elif version < HEAD:
        run_migrations(engine)


def refuse_other(engine: Engine, path: Path) -> None:
    """Refuse a database that cannot be read as it is: one of another version, or not one of ours."""
    version = _version(engine)
    if version > HEAD:
        _refuse_newer(path, version)
    if not version:
        raise StorageError(f"{path} is not a Ratchet database.", "Name the --store that holds your traces.")
    if version < HEAD:
        raise StorageError(
            f"{path} has schema {version}; this version of Ratchet reads {HEAD}.",
            "Open it once for writing, which brings it up to date.",
        )


def _version(engine: Engine) -> str:
    """The schema's version; empty for a database that has none yet."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(text("SELECT version_num FROM alembic_version")).scalar() or "")


def _refuse_newer(path: Path, version: str) -> NoReturn:
    raise StorageError(
        f"{path} has schema {version}; this version of Ratchet knows {HEAD}.",
        "Install the version of Ratchet that wrote it, or a newer one.",
    )


def _is_empty(engine: Engine) -> bool:
    return not inspect(engine).get_table_names()


def _create(engine: Engine) -> None:
    """The newest schema at once: a test holds it to what the migrations make, and starting takes half the time."""
    with engine.begin() as connection:
        tables.metadata.create_all(connection)
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
        connection.execute(text("INSERT INTO alembic_version (version_num) VALUES (:head)"), {"head": HEAD})


def run_migrations(engine: Engine) -> None:
    """Run all migrations that are missing."""
    from alembic import command
    from alembic.config import Config

    # Every start of a new store would otherwise print Alembic's own progress into the application's log.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
