"""Records to rows and back, and inserts that tell whether the row was new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, Table, and_, or_
from sqlalchemy.dialects import postgresql, sqlite

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Access:
    """How a store reaches the database: a transaction to write in, a connection to read from."""

    transaction: Callable[[], AbstractContextManager[Connection]]
    reading: Callable[[], AbstractContextManager[Connection]]


def to_row(record: Any) -> dict[str, Any]:
    """The record's fields as columns; nested records become JSON."""
    row: dict[str, Any] = msgspec.to_builtins(record)
    return row


def from_row(kind: type[T], row: Row[Any]) -> T:
    """The record of type ``kind`` that ``row`` holds."""
    # SQLAlchemy's column names are a subclass of str, which msgspec does not take for a key.
    return msgspec.convert({f"{name}": value for name, value in row._mapping.items()}, kind)


def within(table: Table, since: float | None, until: float | None, before: tuple[float, str, str] | None) -> list[Any]:
    """Conditions on a table with ``at`` and ``id``: a span of time, and what comes after a page's last row."""
    found: list[Any] = []
    if since is not None:
        found.append(table.c.at >= since)
    if until is not None:
        found.append(table.c.at < until)
    if before is not None:
        at, row_id, app = before
        # Two apps may use the same event id, so the id alone does not say where a page ended.
        same = and_(table.c.at == at, table.c.id == row_id, table.c.app < app)
        found.append(or_(table.c.at < at, and_(table.c.at == at, table.c.id < row_id), same))
    return found


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert unless a unique column says it is there already; whether it was new."""
    statement = _statement(connection.dialect.name, table, replace=False)
    return bool(connection.execute(statement, dict(row)).rowcount)


def insert_or_replace(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert, or overwrite the row with the same primary key; ``row`` has every column."""
    connection.execute(_statement(connection.dialect.name, table, replace=True), dict(row))


@cache
def _statement(dialect: str, table: Table, *, replace: bool) -> sqlite.Insert | postgresql.Insert:
    """The statement for one table, built once: building it anew would cost more than running it."""
    statement = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    if not replace:
        return statement.on_conflict_do_nothing()
    keys = [column.name for column in table.primary_key]
    rest = {column.name: statement.excluded[column.name] for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=rest)
