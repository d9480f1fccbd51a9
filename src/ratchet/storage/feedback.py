"""Feedback in SQL: every event kept, one standing score per trace, user and name."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
from sqlalchemy import Row, exists, func, select, text

from ratchet.records.feedback import Feedback, Score
from ratchet.records.trace import Trace
from ratchet.storage import tables
from ratchet.storage.rows import Access, from_row, insert_new, insert_or_replace, to_row

GOOD_STARS = 4
BAD_STARS = 2

_ADD_TO_TALLY = text(
    "INSERT INTO tallies (app, outcome, count) VALUES (:app, :outcome, :amount)"
    " ON CONFLICT (app, outcome) DO UPDATE SET count = tallies.count + excluded.count"
)


class FeedbackEvents:
    """Feedback events, standing scores, tallies and the quarantine."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, feedback: Feedback) -> bool:
        """Store the event and its scores; ``False`` for an event id seen before."""
        row = {"app": feedback.app, "id": feedback.id, "trace_id": feedback.trace_id, "at": feedback.at,
               "user": feedback.user, "body": to_row(feedback)}  # fmt: skip
        with self._access.transaction() as connection:
            if not insert_new(connection, tables.feedback, row):
                return False
            for score in feedback.as_scores():
                standing = {"app": feedback.app, "trace_id": feedback.trace_id, "user": feedback.user,
                            "feedback_id": feedback.id, "at": feedback.at, **_score_columns(score)}  # fmt: skip
                insert_or_replace(connection, tables.scores, standing)
            waiting = {"trace_id": feedback.trace_id, "app": feedback.app, "at": feedback.at}
            insert_new(connection, tables.unassessed, waiting)
        return True

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
        with self._access.transaction() as connection:
            connection.execute(_ADD_TO_TALLY, {"app": app, "outcome": outcome, "amount": amount})

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


def _score_columns(score: Score) -> dict[str, Any]:
    """A number for numeric and boolean scores, words for the others."""
    is_text = isinstance(score.value, str)
    return {
        "name": score.name,
        "kind": score.kind,
        "number": None if is_text else float(score.value),
        "words": score.value if is_text else None,
    }


def _score(row: Row[Any]) -> Score:
    if row.kind == "boolean":
        return Score(row.name, bool(row.number), "boolean")
    return Score(row.name, row.number if row.kind == "numeric" else row.words, row.kind)
