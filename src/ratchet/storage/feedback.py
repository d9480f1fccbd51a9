"""Feedback in SQL: every event kept, one standing score per trace, user and name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, exists, func, select

from ratchet.interfaces import Arrival
from ratchet.records.feedback import BAD_STARS, Feedback, Score
from ratchet.records.filters import FeedbackFilter
from ratchet.records.trace import Trace
from ratchet.storage import tables
from ratchet.storage.bulk import among, as_json, existing, insert_rows
from ratchet.storage.rows import Access, from_row, insert_or_replace, within

GOOD_STARS = 4
_KNOWN = "SELECT id FROM feedback WHERE app = {} AND id IN ({ids})"

_ADD_TO_TALLY = (
    "INSERT INTO tallies (app, outcome, count) VALUES (?, ?, ?)"
    " ON CONFLICT (app, outcome) DO UPDATE SET count = tallies.count + excluded.count"
)


class FeedbackEvents:
    """Feedback events, standing scores, tallies and the quarantine."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, feedback: Feedback) -> bool:
        """Store the event and its scores; ``False`` for an event id seen before."""
        return self.add_many([feedback])[0] == "new"

    def add_many(self, events: Sequence[Feedback]) -> list[Arrival]:
        """Store those that are new, in order; what each one was."""
        with self._access.transaction() as connection:
            known = self._bodies(connection, events)
            arrivals: list[Arrival] = []
            fresh: list[Feedback] = []
            for event in events:
                before = known.setdefault((event.app, event.id), event)
                if before is event:
                    fresh.append(event)
                arrivals.append("new" if before is event else "same" if _says_the_same(before, event) else "other")
            _insert(connection, fresh)
        return arrivals

    def _bodies(self, connection: Connection, events: Sequence[Feedback]) -> dict[tuple[str, str], Feedback]:
        """What is stored under the ids of these events; one look-up an app, for the key begins with it."""
        ids: dict[str, list[str]] = defaultdict(list)
        for event in events:
            ids[event.app].append(event.id)
        found: dict[tuple[str, str], Feedback] = {}
        for app, wanted in ids.items():
            known = [row[0] for row in among(connection, _KNOWN, wanted, app)]
            table = tables.feedback
            rows = existing(connection, table, "id", known, table.c.app == app) if known else ()
            found.update(((row.app, row.id), msgspec.convert(row.body, Feedback)) for row in rows)
        return found

    def find(self, wanted: FeedbackFilter) -> list[Feedback]:
        """The events that fit, newest first."""
        table = tables.feedback
        query = select(table.c.body).order_by(table.c.at.desc(), table.c.id.desc(), table.c.app.desc())
        for column in ("app", "trace_id", "user", "negative"):
            value = getattr(wanted, column)
            if value not in ("", None):
                query = query.where(table.c[column] == value)
        if wanted.name:
            score = tables.scores
            query = query.where(exists().where(score.c.feedback_id == table.c.id, score.c.name == wanted.name))
        query = query.where(*within(table, wanted.since, wanted.until, wanted.before)).limit(wanted.limit)
        with self._access.reading() as connection:
            return [msgspec.convert(body, Feedback) for body in connection.execute(query).scalars()]

    def get(self, app: str, feedback_id: str) -> Feedback | None:
        """The event of that id; an empty ``app`` takes the first there is."""
        table = tables.feedback
        query = select(table.c.body).where(table.c.id == feedback_id).order_by(table.c.app)
        if app:
            query = query.where(table.c.app == app)
        with self._access.reading() as connection:
            body = connection.execute(query).scalar()
        return None if body is None else msgspec.convert(body, Feedback)

    def scores(self, trace_id: str) -> dict[str, list[Score]]:
        """The standing scores of the trace, by user; what another app said of its id does not count."""
        table = tables.scores
        foreign = exists().where(tables.traces.c.id == trace_id, tables.traces.c.app != table.c.app)
        query = select(table).where(table.c.trace_id == trace_id, ~foreign).order_by(table.c.name)
        found: dict[str, list[Score]] = defaultdict(list)
        with self._access.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            found[row.user].append(_score(row))
        return dict(found)

    def history(self, trace_id: str) -> list[Feedback]:
        """Every event about the trace, oldest first."""
        table = tables.feedback
        query = select(table.c.body).where(table.c.trace_id == trace_id).order_by(table.c.at, table.c.id)
        with self._access.reading() as connection:
            return [msgspec.convert(body, Feedback) for body in connection.execute(query).scalars()]

    def unassessed(self, app: str, limit: int) -> list[str]:
        """Traces that have arrived and have feedback newer than their assessment, oldest feedback first."""
        table = tables.unassessed
        arrived = exists().where(tables.traces.c.id == table.c.trace_id, tables.traces.c.app == table.c.app)
        query = select(table.c.trace_id).where(table.c.app == app, arrived).order_by(table.c.at, table.c.trace_id)
        with self._access.reading() as connection:
            return list(connection.execute(query.limit(limit)).scalars())

    def praised(self, app: str, limit: int) -> list[tuple[Trace, str]]:
        """Traces with a thumb up or many stars and no complaint, newest first, with one user who said so."""
        table, other = tables.scores, tables.scores.alias()
        good = ((table.c.name == "thumb") & (table.c.words == "up")) | (
            (table.c.name == "stars") & (table.c.number >= GOOD_STARS)
        )
        bad = (
            ((other.c.name == "thumb") & (other.c.words == "down"))
            | ((other.c.name == "stars") & (other.c.number <= BAD_STARS))
            | other.c.name.like("flag:%")
            | (other.c.name == "correction")
        )
        complaint = exists().where(other.c.trace_id == table.c.trace_id, other.c.app == app, bad)
        query = (
            select(tables.traces, func.min(table.c.user).label("praised_by"))
            .join(table, table.c.trace_id == tables.traces.c.id)
            .where(tables.traces.c.app == app, table.c.app == app, good, ~complaint)
            .group_by(tables.traces.c.id)
            .order_by(func.max(table.c.at).desc(), tables.traces.c.id)
            .limit(limit)
        )
        with self._access.reading() as connection:
            rows = connection.execute(query).all()
        return [(from_row(Trace, row), row.praised_by) for row in rows]

    def tally(self, app: str, outcome: str, amount: int = 1) -> None:
        """Add to the count of an intake outcome."""
        self.tally_all({(app, outcome): amount})

    def tally_all(self, amounts: Mapping[tuple[str, str], int]) -> None:
        """Add to the counts of intake outcomes, each by app and outcome."""
        with self._access.transaction() as connection:
            place = "?" if connection.dialect.paramstyle == "qmark" else "%s"
            rows = [(app, outcome, amount) for (app, outcome), amount in amounts.items()]
            connection.exec_driver_sql(_ADD_TO_TALLY.replace("?", place), rows)

    def tallies(self, app: str) -> dict[str, int]:
        """The counts of intake outcomes."""
        table = tables.tallies
        with self._access.reading() as connection:
            rows = connection.execute(select(table.c.outcome, table.c.count).where(table.c.app == app)).all()
        return {str(row[0]): int(row[1]) for row in rows}

    def quarantine(self, app: str, event_id: str, at: float, reason: str, body: str) -> None:
        """Keep what could not be processed, with the reason."""
        row = {"app": app, "event_id": event_id, "at": at, "reason": reason, "body": body}
        with self._access.transaction() as connection:
            insert_or_replace(connection, tables.quarantine, row)

    def unquarantine(self, app: str, reason: str, before: float) -> None:
        """Let go of what has been kept for that reason since before a time."""
        table = tables.quarantine
        with self._access.transaction() as connection:
            old = (table.c.app == app) & (table.c.reason == reason) & (table.c.at < before)
            connection.execute(table.delete().where(old))

    def quarantined(self, app: str, limit: int) -> list[tuple[str, float, str, str]]:
        """Event id, time, reason and body of what could not be processed, newest first."""
        table = tables.quarantine
        query = select(table).where(table.c.app == app).order_by(table.c.at.desc(), table.c.event_id).limit(limit)
        with self._access.reading() as connection:
            return [(row.event_id, row.at, row.reason, row.body) for row in connection.execute(query)]


def _insert(connection: Connection, events: Sequence[Feedback]) -> None:
    rows = [(e.app, e.id, e.trace_id, e.at, e.user, as_json(e), e.is_negative) for e in events]
    insert_rows(connection, tables.feedback, rows)
    standing = [row for event in events for row in _score_rows(event)]
    insert_rows(connection, tables.scores, standing, conflict="replace")
    # The first feedback that waits decides a trace's place in the queue: what waits already stays as it is.
    waiting = [(event.trace_id, event.app, event.at) for event in events]
    insert_rows(connection, tables.unassessed, waiting, conflict="keep")


def _says_the_same(one: Feedback, other: Feedback) -> bool:
    """Whether two messages say the same of the same answer; in which order, and when, does not matter."""
    about = [(event.trace_id, event.user, sorted(event.as_scores(), key=_by_name)) for event in (one, other)]
    return about[0] == about[1]


def _by_name(score: Score) -> tuple[str, str, str]:
    return score.name, score.kind, str(score.value)


def _score_rows(event: Feedback) -> list[tuple[Any, ...]]:
    """A number for numeric and boolean scores, words for the others."""
    rows = []
    for score in event.as_scores():
        words = score.value if isinstance(score.value, str) else None
        number = None if words is not None else float(score.value)
        rows.append((event.trace_id, event.user, score.name, event.app, score.kind, number, words, event.id, event.at))
    return rows


def _score(row: Row[Any]) -> Score:
    if row.kind == "boolean":
        return Score(row.name, bool(row.number), "boolean")
    return Score(row.name, row.number if row.kind == "numeric" else row.words, row.kind)
