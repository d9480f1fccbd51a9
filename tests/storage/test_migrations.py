"""Migrations are checked on a file that they alone have made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, inspect, pool

import ratchet.storage.migrations
from ratchet.errors import StorageError
from ratchet.records.feedback import Feedback
from ratchet.records.filters import FeedbackFilter
from ratchet.records.trace import Context
from ratchet.storage import tables
from ratchet.storage.database import sqlite_module
from ratchet.storage.migrations.upgrade import HEAD, run_migrations, upgrade
from ratchet.storage.sql_store import SqlStore
from tests.storage.conftest import SqlitePlace
from tests.storage.samples import a_trace


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{tmp_path / 'made.db'}", module=sqlite_module(), poolclass=pool.NullPool)
    run_migrations(engine)
    yield engine
    engine.dispose()


def alembic(engine: Engine, direction: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(ratchet.storage.migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        getattr(command, direction)(config, revision)


def differences(engine: Engine) -> list[object]:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True, "target_metadata": tables.metadata}
        )
        return list(compare_metadata(context, tables.metadata))


def schema(engine: Engine) -> list[tuple[str, ...]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").all()
    return [tuple(row) for row in rows]


def test_the_migrated_schema_is_that_of_the_tables(engine: Engine) -> None:
    assert differences(engine) == []


def test_constraints_are_the_same_whether_migrated_or_created(engine: Engine, tmp_path: Path) -> None:
    created = create_engine(f"sqlite:///{tmp_path / 'created.db'}", module=sqlite_module(), poolclass=pool.NullPool)
    tables.metadata.create_all(created)
    for name in tables.metadata.tables:
        for question in ("get_pk_constraint", "get_foreign_keys", "get_unique_constraints", "get_indexes"):
            answers = [getattr(inspect(one), question)(name) for one in (engine, created)]
            assert answers[0] == answers[1], f"{question} of {name}"


def test_a_missing_column_would_be_noticed(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE traces DROP COLUMN cost")
    assert len(differences(engine)) == 1


def test_down_and_up_again_gives_the_same_schema(engine: Engine) -> None:
    before = schema(engine)
    alembic(engine, "downgrade", "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    alembic(engine, "upgrade", "head")
    assert schema(engine) == before


def test_the_newest_schema_is_the_one_the_program_names() -> None:
    script = ScriptDirectory(str(Path(ratchet.storage.migrations.__file__).parent))
    assert script.get_current_head() == HEAD


def test_opening_again_leaves_what_is_there(place: SqlitePlace) -> None:
    place.open().traces.add(a_trace())
    assert place.open().traces.get("t1") == a_trace()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(place: SqlitePlace) -> None:
    place.sql("UPDATE alembic_version SET version_num = '9999'")
    for read_only in (False, True):
        with pytest.raises(StorageError, match="schema 9999") as raised:
            SqlStore.open(place.path, read_only=read_only)
        assert str(place.path) in raised.value.what
        assert "Install" in raised.value.fix
    assert place.sql("SELECT version_num FROM alembic_version") == [("9999",)]


def test_a_database_of_an_older_version_cannot_be_opened_for_reading_only(place: SqlitePlace) -> None:
    place.sql("UPDATE alembic_version SET version_num = '0000'")
    with pytest.raises(StorageError, match="schema 0000") as raised:
        SqlStore.open(place.path, read_only=True)
    assert "for writing" in raised.value.fix


def test_reading_only_sees_what_a_running_owner_commits_and_writes_nothing(store: SqlStore, place: SqlitePlace) -> None:
    looking = SqlStore.open(place.path, read_only=True)
    try:
        store.traces.add(a_trace())
        assert looking.traces.get("t1") == a_trace()
        with pytest.raises(StorageError, match="reading only"):
            looking.traces.add(a_trace("t2"))
        with pytest.raises(StorageError, match="reading only"):
            looking.submit(lambda: looking.traces.add(a_trace("t2"))).result(5)
    finally:
        looking.close()
    assert store.traces.get("t2") is None


class TestFromTheFirstSchema:
    """A file that the first version made, with rows in it, opened by this one."""

    SAID: ClassVar[dict[str, dict[str, Any]]] = {
        "down": {"thumb": "down"},
        "up": {"thumb": "up"},
        "one star": {"stars": 1},
        "two stars": {"stars": 2},
        "three stars": {"stars": 3},
        "flag": {"flags": ["unsafe"]},
        "correction": {"correction": "It is 60 days."},
        "comment": {"comment": "thumb down, stars 1"},
        "nothing": {"correction": "", "flags": [], "stars": None, "thumb": ""},
    }

    @pytest.fixture
    def old(self, tmp_path: Path) -> Path:
        path = tmp_path / "old.db"
        engine = create_engine(f"sqlite:///{path}", module=sqlite_module(), poolclass=pool.NullPool)
        alembic(engine, "upgrade", "0001")
        with engine.begin() as connection:
            trace = {"id": "t1", "app": "triage", "at": 1.0, "input": "question t1", "output": "answer",
                     "context": '{"user": "kim"}', "release": 0, "source": "base", "confidence": None,
                     "passage_id": "", "influences": "[]", "latency_ms": None, "cost": None}  # fmt: skip
            names = ", ".join(trace)
            places = ", ".join("?" for _ in trace)
            connection.exec_driver_sql(f"INSERT INTO traces ({names}) VALUES ({places})", tuple(trace.values()))
            for name, said in self.SAID.items():
                body = {"id": name, "app": "triage", "trace_id": "t1", "at": 2.0, "user": "kim", **said}
                connection.exec_driver_sql(
                    "INSERT INTO feedback (app, id, trace_id, at, user, body) VALUES (?, ?, ?, ?, ?, ?)",
                    ("triage", name, "t1", 2.0, "kim", json.dumps(body)),
                )
        engine.dispose()
        return path

    def test_every_row_is_kept_and_complaints_are_told_from_the_rest(self, old: Path) -> None:
        store = SqlStore.open(old)
        try:
            trace = store.traces.get("t1")
            assert trace == a_trace(context=Context(user="kim"))
            assert (trace.history, trace.model, trace.input_tokens) == ((), "", None)
            found = {event.id: event for event in store.feedback.find(FeedbackFilter(app="triage"))}
            assert set(found) == set(self.SAID)
            negative = {event.id for event in store.feedback.find(FeedbackFilter(negative=True))}
            assert negative == {"down", "one star", "two stars", "flag", "correction"}
            assert negative == {name for name, event in found.items() if event.is_negative}
        finally:
            store.close()

    def test_what_is_new_works_beside_what_is_old(self, old: Path) -> None:
        store = SqlStore.open(old)
        try:
            store.feedback.add(Feedback(id="new", app="triage", trace_id="t1", at=3.0, thumb="down"))
            assert [event.id for event in store.feedback.find(FeedbackFilter(negative=True, limit=1))] == ["new"]
            assert store.leases.take("turn:triage", "a", 0.0, 1.0) == 1
            assert (store.keys.all(), store.keys.token_secrets()) == ([], [])
        finally:
            store.close()

    def test_the_schema_is_that_of_a_new_file(self, old: Path, engine: Engine) -> None:
        SqlStore.open(old).close()
        migrated = create_engine(f"sqlite:///{old}", module=sqlite_module(), poolclass=pool.NullPool)
        assert differences(migrated) == []
        assert schema(migrated) == schema(engine)


def test_an_empty_database_gets_at_once_what_the_migrations_would_make(engine: Engine, tmp_path: Path) -> None:
    made = create_engine(f"sqlite:///{tmp_path / 'at_once.db'}", module=sqlite_module(), poolclass=pool.NullPool)
    upgrade(made, tmp_path / "at_once.db")
    assert differences(made) == []
    assert set(inspect(made).get_table_names()) == set(inspect(engine).get_table_names())
    for name in tables.metadata.tables:
        columns = [
            {(c["name"], str(c["type"]), c["nullable"]) for c in inspect(one).get_columns(name)}
            for one in (made, engine)
        ]
        assert columns[0] == columns[1], name
    alembic(made, "upgrade", "head")
    assert differences(made) == [], "there is nothing left to migrate"
    made.dispose()
