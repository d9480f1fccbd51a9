"""The audit log in SQL: entries chained by hash, written in the transaction of the change they record."""

from __future__ import annotations

import json
from collections.abc import Mapping

from sqlalchemy import select

from ratchet.records.audit import GENESIS, AuditEntry
from ratchet.records.canonical import Json, canonical_json
from ratchet.storage import tables
from ratchet.storage.rows import Access


class Audit:
    """An append-only, hash-chained log."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def append(self, at: float, actor: str, action: str, app: str, subject: str, details: Mapping[str, Json]) -> None:
        """Add the next entry; it is kept or lost together with the change around it."""
        table = tables.audit
        with self._access.transaction() as connection:
            newest = select(table.c.sequence, table.c.hash).order_by(table.c.sequence.desc()).limit(1)
            last = connection.execute(newest).first()
            entry = AuditEntry.chained(
                sequence=last.sequence + 1 if last else 1,
                at=round(at * 1_000_000),
                actor=actor,
                action=action,
                app=app,
                subject=subject,
                details=details,
                previous=last.hash if last else GENESIS,
            )
            row = {field: getattr(entry, field) for field in AuditEntry.__slots__ if field != "details"}
            connection.execute(table.insert().values({**row, "details": canonical_json(details).decode()}))

    def has(self, subject: str) -> bool:
        """Whether an entry is about that subject."""
        query = select(tables.audit.c.sequence).where(tables.audit.c.subject == subject).limit(1)
        with self._access.reading() as connection:
            return connection.execute(query).first() is not None

    def entries(self, app: str | None = None) -> list[AuditEntry]:
        """All entries in order, or those of one app."""
        table = tables.audit
        query = select(table).order_by(table.c.sequence)
        if app is not None:
            query = query.where(table.c.app == app)
        with self._access.reading() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        return [AuditEntry(**{**row, "details": _details(row["details"])}) for row in rows]


def _details(text: str) -> Mapping[str, Json]:
    """The details as stored; what is no JSON any more is kept as text, so that verification can name its entry."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"unreadable": text}
