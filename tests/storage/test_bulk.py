"""Many rows in one call: all of them, whatever their number and whatever was there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from ratchet.storage import tables
from ratchet.storage.bulk import MOST_IDS_PER_QUERY, among, as_json, existing, insert_rows
from ratchet.storage.sql_store import SqlStore
from tests.storage.samples import APP, a_trace, feedback

WAITING = "SELECT trace_id FROM unassessed WHERE app = {} AND trace_id IN ({ids})"


@pytest.fixture
def connection(store: SqlStore) -> Iterator[Connection]:
    with store._database.transaction() as connection:
        yield connection


def stored(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM unassessed ORDER BY trace_id").all()]


class TestInserting:
    def test_no_rows_is_nothing(self, connection: Connection) -> None:
        insert_rows(connection, tables.unassessed, [])
        assert stored(connection) == []

    @pytest.mark.parametrize(("conflict", "left"), [("keep", ("t1", APP, 1.0)), ("replace", ("t1", APP, 2.0))])
    def test_a_row_that_is_there_is_kept_or_replaced(
        self, connection: Connection, conflict: str, left: tuple[object, ...]
    ) -> None:
        insert_rows(connection, tables.unassessed, [("t1", APP, 1.0)])
        insert_rows(connection, tables.unassessed, [("t1", APP, 2.0), ("t2", APP, 2.0)], conflict=conflict)  # type: ignore[arg-type]
        assert stored(connection) == [left, ("t2", APP, 2.0)]

    def test_a_row_that_is_there_is_an_error_otherwise(self, connection: Connection) -> None:
        insert_rows(connection, tables.unassessed, [("t1", APP, 1.0)])
        with pytest.raises(IntegrityError):
            insert_rows(connection, tables.unassessed, [("t1", APP, 2.0)])

    def test_texts_are_values_and_never_statements(self, connection: Connection) -> None:
        odd = "'); DROP TABLE unassessed; --"
        insert_rows(connection, tables.unassessed, [(odd, APP, 1.0)])
        assert stored(connection) == [(odd, APP, 1.0)]
        assert [row[0] for row in among(connection, WAITING, [odd], APP)] == [odd]


class TestLookingUp:
    @pytest.mark.parametrize("count", [0, 1, 2, 4, 5, 20, 21, 100, 101, 499, 500, 501, 1203])
    def test_finds_those_that_are_there_each_once(self, connection: Connection, count: int) -> None:
        rows = [(f"t{n}", APP, float(n)) for n in range(0, 1300, 2)]
        insert_rows(connection, tables.unassessed, [*rows, ("t1", "other", 0.0)])
        wanted = [f"t{n}" for n in range(count)]
        found = sorted(row[0] for row in among(connection, WAITING, [*wanted, *wanted], APP))
        assert found == sorted(wanted[::2])
        same = existing(connection, tables.unassessed, "trace_id", wanted, tables.unassessed.c.app == APP)
        assert sorted(row.trace_id for row in same) == found
        assert MOST_IDS_PER_QUERY < 999, "the least number of places that a SQLite build may allow"


class TestManyOfEachKind:
    def test_traces_are_told_new_from_known_within_one_call_too(self, store: SqlStore) -> None:
        store.traces.add(a_trace("t1"))
        rows = [a_trace("t2"), a_trace("t1", input="other"), a_trace("t2", input="again"), a_trace("t3")]
        assert store.traces.add_many(rows) == [True, False, False, True]
        assert store.traces.get("t2") == rows[0]
        assert store.traces.add_many([]) == []

    def test_feedback_is_new_the_same_or_other(self, store: SqlStore) -> None:
        rows = [
            feedback("f1", thumb="up"), feedback("f1", thumb="up", at=9.0), feedback("f1", thumb="down"),
            feedback("f1", thumb="up", app="other"), feedback("f2", thumb="up"),
        ]  # fmt: skip
        assert store.feedback.add_many(rows) == ["new", "same", "other", "new", "new"]
        assert store.feedback.add_many(rows) == ["same", "same", "other", "same", "same"]
        assert [event.id for event in store.feedback.history("t1")] == ["f1", "f1", "f2"]

    def test_records_are_stored_as_json_text(self) -> None:
        assert as_json({"a": [1, "ä"]}) == '{"a":[1,"ä"]}'
