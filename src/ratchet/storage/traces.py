"""Apps, traces and assessments in SQL."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, select

from ratchet.errors import UnknownName
from ratchet.records.app import App
from ratchet.records.assessment import Assessment
from ratchet.records.trace import Trace
from ratchet.storage import tables
from ratchet.storage.rows import Access, from_row, insert_new, insert_or_replace, to_row

MOST_IDS_PER_QUERY = 500


class Apps:
    """The declared apps."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def put(self, app: App) -> None:
        """Declare the app, or change its declaration."""
        with self._access.transaction() as connection:
            insert_or_replace(connection, tables.apps, to_row(app))

    def get(self, name: str) -> App:
        """The app of that name; raises ``UnknownName`` with the names there are."""
        with self._access.reading() as connection:
            row = connection.execute(select(tables.apps).where(tables.apps.c.name == name)).first()
        if row is None:
            known = ", ".join(sorted(app.name for app in self.all())) or "none yet"
            raise UnknownName(f"There is no app named {name!r}.", f"Declare it with @loop.app, or use one of: {known}.")
        return from_row(App, row)

    def all(self) -> list[App]:
        """All apps, by name."""
        with self._access.reading() as connection:
            rows = connection.execute(select(tables.apps).order_by(tables.apps.c.name)).all()
        return [from_row(App, row) for row in rows]


class Traces:
    """Traces and their assessments."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, trace: Trace) -> bool:
        """Store the trace; ``False`` when its id was there already."""
        with self._access.transaction() as connection:
            return insert_new(connection, tables.traces, to_row(trace))

    def get(self, trace_id: str) -> Trace | None:
        """The trace, if it has arrived."""
        return self.many([trace_id]).get(trace_id)

    def many(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        """Those of the traces that have arrived, by id."""
        wanted = list(dict.fromkeys(trace_ids))
        found: dict[str, Trace] = {}
        with self._access.reading() as connection:
            for start in range(0, len(wanted), MOST_IDS_PER_QUERY):
                some = wanted[start : start + MOST_IDS_PER_QUERY]
                rows = connection.execute(select(tables.traces).where(tables.traces.c.id.in_(some))).all()
                found.update((row.id, from_row(Trace, row)) for row in rows)
        return found

    def recent(self, app: str, limit: int) -> list[Trace]:
        """The newest traces of the app, newest first."""
        table = tables.traces
        query = select(table).where(table.c.app == app).order_by(table.c.at.desc(), table.c.id.desc()).limit(limit)
        with self._access.reading() as connection:
            return [from_row(Trace, row) for row in connection.execute(query).all()]

    def count(self, app: str) -> int:
        """How many traces the app has."""
        query = select(func.count()).select_from(tables.traces).where(tables.traces.c.app == app)
        with self._access.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def assess(self, assessment: Assessment) -> None:
        """Store what enrichment concluded, in place of what it concluded before."""
        with self._access.transaction() as connection:
            insert_or_replace(connection, tables.assessments, to_row(assessment))
            waiting = tables.unassessed
            done = (waiting.c.trace_id == assessment.trace_id) & (waiting.c.app == assessment.app)
            connection.execute(waiting.delete().where(done))

    def assessment(self, trace_id: str) -> Assessment | None:
        """The standing assessment of the trace."""
        query = select(tables.assessments).where(tables.assessments.c.trace_id == trace_id)
        with self._access.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else from_row(Assessment, row)
