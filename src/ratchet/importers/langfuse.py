"""Reads Langfuse exports of traces, observations and scores, whichever way they were made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ratchet.importers.content import answer, question
from ratchet.importers.fields import amount, count, dig, first, labels, listed, mapping, moment, number, words
from ratchet.importers.files import OnBytes, nothing, rows
from ratchet.importers.opinion import By, Opinion
from ratchet.importers.row import Row, Skipped, Unusable, app_name, checked_row, usable_id
from ratchet.records.trace import Context
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn

APP = "langfuse"
_TRACE_COLUMNS = {
    "id", "timestamp", "name", "userid", "sessionid", "release", "version", "environment", "tags", "bookmarked",
    "public", "input", "output", "metadata", "latency", "usage", "inputcost", "outputcost", "totalcost", "level",
    "levelcounts", "errorcount", "warningcount", "defaultcount", "debugcount", "observationcount", "inputtokens",
    "outputtokens", "totaltokens", "comments", "projectid", "createdat", "updatedat", "externalid", "htmlpath",
    "observations", "scores", "prompttokens", "completiontokens", "usagedetails", "costdetails",
}  # fmt: skip


def read_langfuse(paths: Iterable[Path], *, app: str = "", on_bytes: OnBytes = nothing) -> Iterator[Row]:
    """Traces and scores in these files, in any order; ``app`` is used for all of them when it is given.

    Without ``app``, rows that name their project use that as the app, and others ``langfuse``.
    """
    for path in paths:
        told: set[str] = set()
        for where, found in rows(path, on_bytes):
            if isinstance(found, Skipped):
                yield found
                continue
            for place, row in _unwrapped(where, found):
                yield from _row(place, row, app)
                yield from _score_columns(path, row, told)


def _unwrapped(where: str, found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The row itself, the rows of an API page, or the trace of a single download with its parts."""
    page = found.get("data")
    whole = found.get("trace")
    if isinstance(page, list) and "id" not in found:
        yield from ((f"{where}, {number}", row) for number, row in enumerate(page, start=1) if isinstance(row, dict))
    elif isinstance(whole, dict):
        yield where, {**{name: found[name] for name in ("observations", "scores") if name in found}, **whole}
    else:
        yield where, found


def _row(where: str, row: dict[str, Any], app: str) -> Iterator[Row]:
    if first(row, "dataType", "data_type") is not None or ("stringValue" in row and "value" in row):
        yield from _score_row(where, row, app)
    elif first(row, "traceId", "trace_id") is not None and first(row, "type") is not None:
        yield from _observation(where, row, app)
    elif "id" in row and ("input" in row or "output" in row):
        yield from _trace_row(where, row, app)
    else:
        yield Skipped(where, "it is no trace, observation or score")


def _app(row: dict[str, Any], app: str) -> str:
    return app or app_name(words(first(row, "projectName", "project_name", "projectId", "project_id")))


def _trace_row(where: str, row: dict[str, Any], app: str) -> Iterator[Row]:
    parts = [part for part in listed(row.get("observations")) if isinstance(part, dict)]
    call = _last_call(parts)
    asked, history = question(row.get("input"))
    if not asked.strip():
        asked, history = question(call.get("input"))
    trace = TraceIn(
        app=_app(row, app) or APP,
        id=usable_id(APP, words(row.get("id"))),
        input=asked,
        output=answer(row.get("output")) or answer(call.get("output")),
        at=moment(first(row, "timestamp", "startTime", "createdAt", "created_at")),
        context=_context(row),
        history=history,
        model=_model(call),
        input_tokens=count(first(row, "inputTokens", "usage.promptTokens")) or _tokens(call, "input"),
        output_tokens=count(first(row, "outputTokens", "usage.completionTokens")) or _tokens(call, "output"),
        latency_ms=_milliseconds(row.get("latency")),
        cost=amount(first(row, "totalCost", "total_cost")),
    )
    scores = [score for score in listed(row.get("scores")) if isinstance(score, dict)]
    yield from _with_scores(where, row, trace, scores, app)


def _with_scores(
    where: str, row: dict[str, Any], trace: TraceIn, scores: list[dict[str, Any]], app: str
) -> Iterator[Row]:
    feedback: list[FeedbackIn] = []
    for score in scores:
        placed = {"traceId": row.get("id"), "userId": first(row, "userId", "user_id"), **score}
        try:
            feedback.append(_opinion(placed, app or trace.app).feedback())
        except Unusable as error:
            yield Skipped(where, f"feedback: {error}")
    yield from checked_row(where, trace, feedback)


def _last_call(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The last call of a model among a trace's observations."""
    calls = [part for part in parts if part.get("type") == "GENERATION"]
    return max(calls, key=lambda part: words(first(part, "startTime", "start_time")), default={})


def _observation(where: str, row: dict[str, Any], app: str) -> Iterator[Row]:
    """The outermost observation of a trace stands for it."""
    if first(row, "parentObservationId", "parent_observation_id") is not None:
        yield Skipped(where, "it is a step inside a trace")
        return
    asked, history = question(row.get("input"))
    trace = TraceIn(
        app=_app(row, app) or APP,
        id=usable_id(APP, words(first(row, "traceId", "trace_id"))),
        input=asked,
        output=answer(row.get("output")),
        at=moment(first(row, "startTime", "start_time")),
        context=_context(row),
        history=history,
        model=_model(row),
        input_tokens=_tokens(row, "input"),
        output_tokens=_tokens(row, "output"),
        latency_ms=_milliseconds(row.get("latency")),
        cost=amount(first(row, "totalCost", "total_cost", "calculatedTotalCost")),
    )
    yield from checked_row(where, trace, ())


def _score_row(where: str, row: dict[str, Any], app: str) -> Iterator[Row]:
    try:
        yield from checked_row(where, None, [_opinion(row, _app(row, app)).feedback()])
    except Unusable as error:
        yield Skipped(where, f"feedback: {error}")


def _opinion(row: dict[str, Any], app: str) -> Opinion:
    trace_id = words(first(row, "traceId", "trace_id", "subject.traceId", "subject.trace_id"))
    if not trace_id and dig(row, "subject.kind") == "trace":
        trace_id = words(dig(row, "subject.id"))
    if not trace_id:
        raise Unusable("the score is about a session or an experiment, not about one answer")
    by = _by(row)
    author = first(row, "authorUserName", "author_user_name", "authorUserId", "author_user_id")
    return Opinion(
        trace_id=trace_id,
        name=words(row.get("name")),
        value=_value(row),
        by=by,
        source_id=words(row.get("id")),
        app=app,
        user=words(author if by == "reviewer" else first(row, "userId", "user_id")) if by != "program" else "",
        at=moment(first(row, "timestamp", "createdAt", "created_at")),
        comment=words(row.get("comment")),
        ideal=_kind(row) == "CORRECTION",
    )


def _kind(row: dict[str, Any]) -> str:
    return words(first(row, "dataType", "data_type")).upper()


def _by(row: dict[str, Any]) -> By:
    source = words(row.get("source")).upper()
    return "program" if source == "EVAL" else "reviewer" if source == "ANNOTATION" else "user"


def _value(row: dict[str, Any]) -> object:
    """The value in the type that the score says it has; older exports keep text beside a number."""
    value, kind = row.get("value"), _kind(row)
    text = first(row, "stringValue", "string_value")
    if kind == "BOOLEAN":
        return words(value if value not in (None, "") else text).lower() in ("1", "1.0", "true")
    if kind in ("CATEGORICAL", "TEXT", "CORRECTION"):
        return text if text is not None else value if isinstance(value, str) else None
    found = number(value)
    return found if found is not None else text


def _context(row: dict[str, Any]) -> Context:
    metadata = mapping(row.get("metadata"))
    return Context(
        user=words(first(row, "userId", "user_id")),
        role=words(first(metadata, "role", "user_role")),
        task_type=words(first(metadata, "task_type") or first(row, "traceName", "trace_name", "name")),
        session=words(first(row, "sessionId", "session_id")),
        environment=words(row.get("environment")),
        segment=words(first(metadata, "segment")),
        tags=labels(first(row, "tags", "traceTags")),
    )


def _model(row: dict[str, Any]) -> str:
    return words(first(row, "model", "providedModelName", "provided_model_name", "internalModel"))


def _tokens(row: dict[str, Any], side: str) -> int | None:
    asked = {"input": "prompt", "output": "completion"}[side]
    return count(
        first(row, f"usageDetails.{side}", f"usage_details.{side}", f"{side}Tokens", f"{asked}Tokens", f"usage.{side}")
    )


def _milliseconds(seconds: object) -> float | None:
    found = amount(seconds)
    return None if found is None else round(found * 1000, 3)


def _score_columns(path: Path, row: dict[str, Any], told: set[str]) -> Iterator[Skipped]:
    """Says once a column that averages of scores are not read: they name no author and no score."""
    if "bookmarked" not in row:
        return
    for name in row:
        if name.replace("_", "").lower() not in _TRACE_COLUMNS and name not in told:
            told.add(name)
            yield Skipped(
                f"{path.name}, column {name}", "score columns say not whose they are: export the Scores table too"
            )
