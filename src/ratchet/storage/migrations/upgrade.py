"""Brings a database to the newest schema; Alembic is imported only when there is something to do."""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Engine, inspect, text

from ratchet.errors import StorageError

HEAD = "0001"


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing; refuses a database made by a newer version."""
    with engine.connect() as connection:
        known = inspect(connection).has_table("alembic_version")
        version = connection.execute(text("SELECT version_num FROM alembic_version")).scalar() if known else None
    if version == HEAD:
        return
    if version is not None and version > HEAD:
        raise StorageError(
            f"The database has schema {version}; this version of Ratchet knows {HEAD}.",
            "Install the version of Ratchet that wrote it, or a newer one.",
        )
    _run_alembic(engine)


def _run_alembic(engine: Engine) -> None:
    from alembic import command
    from alembic.config import Config

    # Every start of a new store would otherwise print Alembic's own progress into the application's log.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
