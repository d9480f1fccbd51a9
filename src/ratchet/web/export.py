"""Rows as JSON Lines or CSV, for spreadsheets and pipelines."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import msgspec

from ratchet.records.feedback import Feedback
from ratchet.records.trace import Trace
from ratchet.web.routing import Answer

JSONL = "application/jsonl"
CSV = "text/csv; charset=utf-8"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def exported(rows: Sequence[Trace] | Sequence[Feedback], form: str, cursor: str | None) -> Answer:
    """The rows in that form; the cursor of the next page is in a header."""
    headers = {} if cursor is None else {"x-ratchet-next": cursor}
    if form == "jsonl":
        body = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        return Answer(body=body, headers=headers, content_type=JSONL)
    return Answer(body=_csv(rows), headers=headers, content_type=CSV)


def _csv(rows: Sequence[Trace] | Sequence[Feedback]) -> bytes:
    flat = [_feedback_row(row) if isinstance(row, Feedback) else _trace_row(row) for row in rows]
    names = list(dict.fromkeys(name for row in flat for name in row))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([_cell(name) for name in names])
    writer.writerows([_cell(row.get(name, "")) for name in names] for row in flat)
    return text.getvalue().encode()


def _feedback_row(row: Feedback) -> dict[str, Any]:
    fixed = {"id": row.id, "app": row.app, "trace_id": row.trace_id, "at": row.at, "user": row.user}
    return {**fixed, **{f"score:{s.name}" if s.name in fixed else s.name: s.value for s in row.as_scores()}}


def _trace_row(row: Trace) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in Trace.__slots__ if name not in ("context", "influences", "history")}
    return {**plain, **msgspec.to_builtins(row.context), "influences": " ".join(item.id for item in row.influences)}


def _cell(value: Any) -> Any:
    """A spreadsheet would run a text that begins like a formula."""
    if isinstance(value, list | tuple):
        value = " ".join(value)
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
