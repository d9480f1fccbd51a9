"""Passages, held-out cases and vectors in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from sqlalchemy import delete, func, select, update

from ratchet.interfaces import Vector
from ratchet.records.canonical import content_hash
from ratchet.records.passage import Passage
from ratchet.records.suite import SuiteCase
from ratchet.storage import tables
from ratchet.storage.rows import Access, from_row, insert_new, to_row

MOST_HASHES_PER_QUERY = 500


class Knowledge:
    """The team's passages, by version."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def replace(self, app: str, passages: Sequence[Passage]) -> int:
        """Make these the current passages, storing only what changed; the version's number."""
        table = tables.passages
        with self._access.transaction() as connection:
            version = self.version(app)
            standing = {passage.id: passage for passage in self.passages(app, version)}
            wanted = {passage.id: passage for passage in passages}
            gone = [key for key, old in standing.items() if key not in wanted or wanted[key].content() != old.content()]
            new = [item for key, item in wanted.items() if key not in standing or key in gone]
            if not gone and not new:
                return version
            for key in gone:
                ended = (table.c.app == app) & (table.c.id == key) & table.c.until.is_(None)
                connection.execute(update(table).where(ended).values(until=version + 1))
            for item in new:
                connection.execute(
                    table.insert().values({**to_row(item), "app": app, "since": version + 1, "until": None})
                )
            return version + 1

    def version(self, app: str) -> int:
        """Number of the newest version; 0 when there is no knowledge."""
        table = tables.passages
        query = select(func.max(table.c.since), func.max(table.c.until)).where(table.c.app == app)
        with self._access.reading() as connection:
            row = connection.execute(query).one()
        return max(row[0] or 0, row[1] or 0)

    def passages(self, app: str, version: int) -> list[Passage]:
        """The passages in force in that version, by id."""
        table = tables.passages
        in_force = (table.c.since <= version) & (table.c.until.is_(None) | (table.c.until > version))
        query = select(table).where(table.c.app == app, in_force).order_by(table.c.id)
        with self._access.reading() as connection:
            return [from_row(Passage, row) for row in connection.execute(query).all()]


class Suites:
    """Held-out cases."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, cases: Iterable[SuiteCase]) -> int:
        """Store the cases that are new; how many were."""
        with self._access.transaction() as connection:
            return sum(insert_new(connection, tables.suite_cases, {**to_row(case), "dropped": False}) for case in cases)

    def cases(self, app: str) -> list[SuiteCase]:
        """The standing cases, oldest first."""
        table = tables.suite_cases
        columns = [column for column in table.c if column.name != "dropped"]
        query = select(*columns).where(table.c.app == app, ~table.c.dropped).order_by(table.c.at, table.c.id)
        with self._access.reading() as connection:
            return [from_row(SuiteCase, row) for row in connection.execute(query).all()]

    def drop(self, app: str, case_ids: Iterable[str]) -> None:
        """Take cases out of their suites for good; they cannot be added again."""
        table = tables.suite_cases
        with self._access.transaction() as connection:
            for case_id in case_ids:
                connection.execute(update(table).where(table.c.app == app, table.c.id == case_id).values(dropped=True))


class Vectors:
    """Embeddings by content, as float16."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def get(self, fingerprint: str, texts: Sequence[str]) -> dict[str, Vector]:
        """The stored vectors of those texts that have one."""
        table = tables.vectors
        by_hash = {content_hash(text): text for text in texts}
        hashes = list(by_hash)
        found: dict[str, Vector] = {}
        with self._access.reading() as connection:
            for start in range(0, len(hashes), MOST_HASHES_PER_QUERY):
                some = table.c.text_hash.in_(hashes[start : start + MOST_HASHES_PER_QUERY])
                query = select(table.c.text_hash, table.c.vector).where(table.c.fingerprint == fingerprint, some)
                for row in connection.execute(query):
                    found[by_hash[row.text_hash]] = np.frombuffer(row.vector, np.float16).astype(np.float32)
        return found

    def put(self, fingerprint: str, vectors: Mapping[str, Vector]) -> None:
        """Store vectors by text."""
        with self._access.transaction() as connection:
            for text, vector in vectors.items():
                data = vector.astype(np.float16).tobytes()
                row = {"fingerprint": fingerprint, "text_hash": content_hash(text), "vector": data}
                insert_new(connection, tables.vectors, row)

    def fingerprints(self) -> dict[str, int]:
        """How many vectors each embedder made."""
        table = tables.vectors
        with self._access.reading() as connection:
            rows = connection.execute(select(table.c.fingerprint, func.count()).group_by(table.c.fingerprint)).all()
        return {row[0]: row[1] for row in rows}

    def forget(self, fingerprint: str) -> int:
        """Delete all vectors of one embedder; how many there were."""
        with self._access.transaction() as connection:
            done = connection.execute(delete(tables.vectors).where(tables.vectors.c.fingerprint == fingerprint))
            return int(done.rowcount)
