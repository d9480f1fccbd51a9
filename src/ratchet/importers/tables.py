"""Reads any table of requests, answers and feedback, with a mapping or a guess of its columns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ratchet.importers.columns import Columns, chosen
from ratchet.importers.content import answer, messages, question
from ratchet.importers.fields import amount, count, dig, labels, moment, number, words
from ratchet.importers.files import Found, OnBytes, nothing, rows
from ratchet.importers.opinion import as_stars, as_thumb, score_name
from ratchet.importers.row import Imported, Row, Skipped, app_name, checked_row, stable_id, usable_id
from ratchet.records.trace import Context
from ratchet.wire.feedback import FeedbackIn, ScoreValue
from ratchet.wire.traces import TraceIn

PEEKED = 100
_NUMBER_WORDS = {"true": True, "false": False}


def read_table(
    paths: Iterable[Path],
    *,
    app: str = "",
    told: Iterable[str] = (),
    on_bytes: OnBytes = nothing,
    on_columns: Callable[[Path, Columns], None] = lambda path, columns: None,
) -> Iterator[Row]:
    """Traces and feedback in these files. ``told`` maps columns (``ROLE=COLUMN``); without it they are guessed, and
    ``on_columns`` hears the guess.

    The app is ``app``, else the mapped column, else the name of the file. Raises ``InvalidInput`` for a mapping that
    does not fit the file.
    """
    told = list(told)
    for path in paths:
        found = rows(path, on_bytes)
        peeked = list(islice(found, PEEKED))
        sample = [row for _, row in peeked if not isinstance(row, Skipped)]
        if sample or told:
            columns = chosen(told, sample, path.name)
            on_columns(path, columns)
            yield from _rows(path, columns, chain(peeked, found), app)
        else:
            yield from (row for _, row in peeked if isinstance(row, Skipped))


def _rows(path: Path, columns: Columns, found: Iterable[Found], app: str) -> Iterator[Row]:
    named = app or ("" if "input" not in columns.roles else app_name(path.name.partition(".")[0]) or "imported")
    for where, row in found:
        if isinstance(row, Skipped):
            yield row
            continue
        try:
            yield from _Reading(where, row, columns).rows(named, asked=app)
        except RecursionError:
            yield Skipped(where, "it is nested too deeply")


class _Reading:
    """One row, read with a mapping."""

    def __init__(self, where: str, row: dict[str, Any], columns: Columns) -> None:
        self._where = where
        self._row = row
        self._columns = columns
        self._skipped: list[Skipped] = []

    def rows(self, named: str, *, asked: str) -> Iterator[Row]:
        app = asked or app_name(self._words("app")) or named
        identity = self._words("id")
        text, history = question(self._get("input"))
        trace_id = usable_id("table", identity) if identity else self._own_id(app)
        trace = self._trace(app, trace_id, text, history) if text.strip() else None
        feedback = self._feedback(app, trace_id) if trace is not None or identity else None
        kept = list(checked_row(self._where, trace, [feedback] if feedback is not None else []))
        yield from self._skipped
        yield from kept
        if not any(isinstance(row, Imported) for row in kept) and not kept and not self._skipped:
            yield Skipped(self._where, "there is no text in its input, and no feedback")

    def _own_id(self, app: str) -> str:
        """An id made of the whole row: rows without one that are alike are one trace."""
        return stable_id(app, json.dumps(self._row, sort_keys=True, default=str))

    def _get(self, role: str) -> Any:
        column = self._columns.roles.get(role)
        return None if column is None else dig(self._row, column)

    def _words(self, role: str) -> str:
        return words(self._get(role))

    def _trace(self, app: str, trace_id: str, text: str, history: list[Any]) -> TraceIn:
        return TraceIn(
            app=app,
            id=trace_id,
            input=text,
            output=answer(self._get("output")),
            at=moment(self._get("at")),
            context=Context(
                user=self._words("user"), role=self._words("role"), task_type=self._words("task_type"),
                session=self._words("session"), environment=self._words("environment"),
                segment=self._words("segment"), tags=labels(self._get("tags")),
            ),
            history=messages(self._get("history")) or history,
            model=self._words("model"),
            input_tokens=count(self._get("input_tokens")),
            output_tokens=count(self._get("output_tokens")),
            latency_ms=amount(self._get("latency_ms")),
            cost=amount(self._get("cost")),
        )  # fmt: skip

    def _feedback(self, app: str, trace_id: str) -> FeedbackIn | None:
        message = FeedbackIn(
            id=trace_id,
            app=app,
            event_id=usable_id("event", self._words("feedback_id")) if self._words("feedback_id") else "",
            at=moment(self._get("at")),
            user=self._words("user"),
            thumb=self._part("thumb", as_thumb) or "",
            stars=self._part("stars", as_stars),
            flags=list(labels(self._get("flags"))),
            correction=answer(self._get("correction")),
            comment=self._words("comment"),
            scores={score_name(name): value for name, value in self._values(self._columns.scores)},
            signals=dict(self._values(self._columns.signals)),
        )
        empty = FeedbackIn(id=trace_id, app=app, event_id=message.event_id, at=message.at, user=message.user)
        return None if message == empty else message

    def _part(self, role: str, read: Callable[[object], Any]) -> Any:
        """A thumb or stars; says so when the column holds something else."""
        value = self._get(role)
        found = read(value)
        if not found and value not in (None, ""):
            allowed = "up, down, true, false, 1, 0 or -1" if role == "thumb" else "a whole number from 1 to 5"
            self._skipped.append(Skipped(self._where, f"its {role} is not {allowed}"))
        return found

    def _values(self, columns: Mapping[str, str]) -> Iterator[tuple[str, ScoreValue]]:
        for name, column in columns.items():
            value = _value(dig(self._row, column))
            if value is not None:
                yield name, value


def _value(value: object) -> ScoreValue | None:
    """A score's value; text of a number or a truth value, as CSV holds them, is that."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        plain = value.strip()
        return _NUMBER_WORDS.get(plain.lower(), number(plain) if number(plain) is not None else plain or None)
    return number(value)
