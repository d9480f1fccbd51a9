"""Apps, traces and assessments in SQL."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, or_, select

from ratchet.errors import UnknownName
from ratchet.records.app import App
from ratchet.records.assessment import Assessment
from ratchet.records.filters import TraceFilter
from ratchet.records.trace import Trace
from ratchet.storage import tables
from ratchet.storage.bulk import among, as_json, existing, insert_rows
from ratchet.storage.rows import Access, from_row, insert_or_replace, to_row, within

_KNOWN = "SELECT id FROM traces WHERE id IN ({ids})"
_APPS = "SELECT id, app FROM traces WHERE id IN ({ids})"
_NAMED = "SELECT name FROM apps WHERE name IN ({ids})"


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

    def named(self, names: Iterable[str]) -> set[str]:
        """Those of the names that are apps."""
        with self._access.reading() as connection:
            return {row[0] for row in among(connection, _NAMED, names)}

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
        return self.add_many([trace])[0]

    def add_many(self, traces: Sequence[Trace]) -> list[bool]:
        """Store those whose id is new; for each whether it was."""
        with self._access.transaction() as connection:
            seen = {row[0] for row in among(connection, _KNOWN, (trace.id for trace in traces))}
            new: list[bool] = []
            for trace in traces:
                new.append(trace.id not in seen)
                seen.add(trace.id)
            fresh = [_row(trace) for trace, is_new in zip(traces, new, strict=True) if is_new]
            insert_rows(connection, tables.traces, fresh)
        return new

    def apps_of(self, trace_ids: Iterable[str]) -> dict[str, str]:
        """The app of each of those traces that have arrived, by the trace's id."""
        with self._access.reading() as connection:
            return {row[0]: row[1] for row in among(connection, _APPS, trace_ids)}

    def find(self, wanted: TraceFilter) -> list[Trace]:
        """The traces that fit, newest first."""
        table = tables.traces
        query = select(table).order_by(table.c.at.desc(), table.c.id.desc()).limit(wanted.limit)
        if wanted.app:
            query = query.where(table.c.app == wanted.app)
        for name in ("user", "session", "segment"):
            if getattr(wanted, name):
                query = query.where(table.c.context[name].as_string() == getattr(wanted, name))
        if wanted.words:
            like = f"%{wanted.words.replace('~', '~~').replace('%', '~%').replace('_', '~_')}%"
            query = query.where(or_(table.c.input.like(like, escape="~"), table.c.output.like(like, escape="~")))
        query = query.where(*within(table, wanted.since, wanted.until, wanted.before))
        with self._access.reading() as connection:
            return [from_row(Trace, row) for row in connection.execute(query).all()]

    def get(self, trace_id: str) -> Trace | None:
        """The trace, if it has arrived."""
        return self.many([trace_id]).get(trace_id)

    def many(self, trace_ids: Iterable[str]) -> dict[str, Trace]:
        """Those of the traces that have arrived, by id."""
        with self._access.reading() as connection:
            rows = existing(connection, tables.traces, "id", trace_ids)
        return {row.id: from_row(Trace, row) for row in rows}

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


def _row(trace: Trace) -> tuple[Any, ...]:
    """The trace in the order of the table's columns."""
    return (
        trace.id, trace.app, trace.at, trace.input, trace.output, as_json(trace.context), trace.release, trace.source,
        trace.confidence, trace.passage_id, as_json(trace.influences), trace.latency_ms, trace.cost,
        as_json(trace.history), trace.model, trace.input_tokens, trace.output_tokens,
    )  # fmt: skip
