"""Many rows in one driver call, for the ingest path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, Literal

import msgspec
from sqlalchemy import Connection, Table, select

MOST_IDS_PER_QUERY = 500
_LENGTHS = (1, 4, 20, 100, MOST_IDS_PER_QUERY)


Conflict = Literal["raise", "keep", "replace"]


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]], *, conflict: Conflict = "raise"
) -> None:
    """Insert rows, given as tuples in the order of the table's columns (JSON columns as text).

    ``conflict`` says what happens to a row whose primary key is there already.
    """
    if rows:
        connection.exec_driver_sql(_statement(connection.dialect.paramstyle, table, conflict), list(rows))


def among(connection: Connection, query: str, wanted: Iterable[str], *first: str) -> list[Any]:
    """The rows of ``query``, in which ``{ids}`` stands for the places of ``wanted`` and ``{}`` for one of ``first``.

    Driver SQL, always of one of a few lengths, so that no statement is compiled anew.
    """
    ids = list(dict.fromkeys(wanted))
    place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    found: list[Any] = []
    for start in range(0, len(ids), MOST_IDS_PER_QUERY):
        some = ids[start : start + MOST_IDS_PER_QUERY]
        places = next(length for length in _LENGTHS if length >= len(some))
        some += some[-1:] * (places - len(some))
        statement = query.format(*[place for _ in first], ids=", ".join([place] * places))
        found += connection.exec_driver_sql(statement, (*first, *some)).all()
    return found


def existing(connection: Connection, table: Table, column: str, wanted: Iterable[str], *more: Any) -> list[Any]:
    """The rows whose ``column`` is among ``wanted`` and that fulfil ``more``."""
    ids = list(dict.fromkeys(wanted))
    found: list[Any] = []
    for start in range(0, len(ids), MOST_IDS_PER_QUERY):
        some = ids[start : start + MOST_IDS_PER_QUERY]
        found += connection.execute(select(table).where(table.c[column].in_(some), *more)).all()
    return found


def as_json(value: Any) -> str:
    """A record or a collection as JSON text."""
    return msgspec.json.encode(value).decode()


@cache
def _statement(paramstyle: str, table: Table, conflict: Conflict) -> str:
    place = "?" if paramstyle == "qmark" else "%s"
    names = [f'"{column.name}"' for column in table.columns]
    text = f'INSERT INTO "{table.name}" ({", ".join(names)}) VALUES ({", ".join(place for _ in names)})'
    if conflict == "raise":
        return text
    if conflict == "keep":
        return f"{text} ON CONFLICT DO NOTHING"
    keys = [f'"{column.name}"' for column in table.primary_key]
    rest = [f"{name} = excluded.{name}" for name in names if name not in keys]
    return f"{text} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(rest)}"
