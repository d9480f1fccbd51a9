"""Reads LangSmith exports: runs and feedback, as its SDK or its bulk export writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ratchet.importers.content import answer, question
from ratchet.importers.fields import amount, count, dig, elapsed_ms, first, labels, listed, mapping, moment, words
from ratchet.importers.files import OnBytes, nothing, rows
from ratchet.importers.opinion import By, Opinion
from ratchet.importers.row import Row, Skipped, Unusable, app_name, checked_row, usable_id
from ratchet.records.trace import Context
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn

APP = "langsmith"


def read_langsmith(paths: Iterable[Path], *, app: str = "", on_bytes: OnBytes = nothing) -> Iterator[Row]:
    """Root runs and feedback in these files, in any order; ``app`` is used for all of them when it is given.

    Without ``app``, runs that name their project use that as the app, and others ``langsmith``.
    """
    for path in paths:
        for where, found in rows(path, on_bytes):
            if isinstance(found, Skipped):
                yield found
                continue
            pages = next(
                (found[name] for name in ("runs", "feedback", "data") if isinstance(found.get(name), list)), None
            )
            if pages is None or "id" in found:
                yield from _row(where, found, app)
                continue
            for number, row in enumerate(pages, start=1):
                if isinstance(row, dict):
                    yield from _row(f"{where}, {number}", row, app)


def _row(where: str, row: dict[str, Any], app: str) -> Iterator[Row]:
    if "key" in row and ("run_id" in row or "trace_id" in row):
        try:
            yield from checked_row(where, None, [_opinion(row, _app(row, app)).feedback()])
        except Unusable as error:
            yield Skipped(where, f"feedback: {error}")
    elif "inputs" in row or "run_type" in row:
        yield from _run(where, row, app)
    else:
        yield Skipped(where, "it is no run and no feedback")


def _app(row: dict[str, Any], app: str) -> str:
    return app or app_name(words(first(row, "session_name", "project_name", "extra.metadata.LANGSMITH_PROJECT")))


def _run(where: str, row: dict[str, Any], app: str) -> Iterator[Row]:
    run_id = words(row.get("id"))
    trace_id = words(row.get("trace_id")) or run_id
    if first(row, "parent_run_id") is not None or (run_id and trace_id != run_id):
        yield Skipped(where, "it is a step inside a trace")
        return
    asked, history = question(row.get("inputs"))
    started, ended = moment(row.get("start_time")), moment(row.get("end_time"))
    trace = TraceIn(
        app=_app(row, app) or APP,
        id=usable_id(APP, trace_id),
        input=asked,
        output=answer(row.get("outputs")),
        at=started,
        context=_context(row),
        history=history,
        model=words(first(row, "extra.metadata.ls_model_name", "extra.invocation_params.model")),
        input_tokens=count(row.get("prompt_tokens")),
        output_tokens=count(row.get("completion_tokens")),
        latency_ms=elapsed_ms(started, ended),
        cost=amount(row.get("total_cost")),
    )
    feedback: list[FeedbackIn] = []
    for given in listed(row.get("feedback")):
        if isinstance(given, dict):
            try:
                feedback.append(_opinion({"run_id": trace_id, **given}, trace.app).feedback())
            except Unusable as error:
                yield Skipped(where, f"feedback: {error}")
    yield from checked_row(where, trace, feedback)


def _opinion(row: dict[str, Any], app: str) -> Opinion:
    trace_id = words(row.get("trace_id")) or words(row.get("run_id"))
    if not trace_id:
        raise Unusable("the feedback is about a project or an experiment, not about one answer")
    by = _by(row)
    score, value = row.get("score"), row.get("value")
    return Opinion(
        trace_id=trace_id,
        name=words(row.get("key")),
        value=score if score not in (None, "") else value,
        by=by,
        source_id=words(row.get("id")),
        app=app,
        user="" if by == "program" else words(first(mapping(row.get("feedback_source")), "user_name", "user_id")),
        at=moment(first(row, "created_at", "modified_at")),
        comment=words(row.get("comment")),
        correction=row.get("correction"),
    )


def _by(row: dict[str, Any]) -> By:
    """Feedback from the API is the app's own users'; ``app`` means a person inside LangSmith."""
    kind = words(dig(row, "feedback_source.type")).lower()
    return "program" if kind in ("model", "auto_eval") else "reviewer" if kind == "app" else "user"


def _context(row: dict[str, Any]) -> Context:
    metadata = mapping(dig(row, "extra.metadata"))
    return Context(
        user=words(first(metadata, "user_id", "user", "userId")),
        role=words(first(metadata, "role", "user_role")),
        task_type=words(first(metadata, "task_type") or row.get("name")),
        session=words(first(metadata, "session_id", "thread_id", "conversation_id")),
        environment=words(first(metadata, "environment", "env")),
        segment=words(first(metadata, "segment")),
        tags=labels(row.get("tags")),
    )
