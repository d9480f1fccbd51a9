"""Records to rows and back, and inserts that tell whether the row was new."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from sqlalchemy import Connection, Row, Table
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


def insert_new(connection: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """Insert unless a unique column says it is there already; whether it was new."""
    return bool(connection.execute(_insert(connection, table).values(row).on_conflict_do_nothing()).rowcount)


def insert_or_replace(connection: Connection, table: Table, row: Mapping[str, Any]) -> None:
    """Insert, or overwrite the row with the same primary key."""
    keys = [column.name for column in table.primary_key]
    statement = _insert(connection, table).values(row)
    rest = {name: statement.excluded[name] for name in row if name not in keys}
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=rest))


def _insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    return postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
