"""Reads Phoenix spans with their annotations, from data frames in files or from a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ratchet.errors import InvalidInput
from ratchet.importers.content import answer, question
from ratchet.importers.fields import count, decoded, dig, elapsed_ms, first, labels, listed, mapping, moment, words
from ratchet.importers.files import OnBytes, nothing, rows
from ratchet.importers.opinion import By, Opinion
from ratchet.importers.row import Row, Skipped, Unusable, app_name, checked_row, usable_id
from ratchet.importers.server import Server
from ratchet.records.trace import Context
from ratchet.wire.traces import TraceIn

APP = "phoenix"
_PAGE = 100
_NUMBERED = re.compile(r"\.(\d+)\.")


def read_phoenix(paths: Iterable[Path], *, app: str = "", on_bytes: OnBytes = nothing) -> Iterator[Row]:
    """Root spans and annotations in these files; a file of spans comes before the annotations on them.

    The files name no project, so that the app is ``phoenix`` unless ``app`` is given.
    """
    traces: dict[str, str] = {}
    for path in paths:
        for where, found in rows(path, on_bytes):
            yield from [found] if isinstance(found, Skipped) else _row(where, found, app or APP, traces)


def read_phoenix_server(
    server: Server, *, project: str = "", app: str = "", since: float | None = None
) -> Iterator[Row]:
    """Root spans and annotations of a server: of one project, by name or id, or of all.

    Each project becomes an app of its name unless ``app`` is given. Raises ``InvalidInput`` when the server cannot be
    reached, refuses, or has no such project.
    """
    for name, identifier in _projects(server, project):
        path = f"/v1/projects/{quote(identifier, safe='')}"
        asked = [("limit", str(_PAGE))]
        if since is not None:
            asked.append(("start_time", datetime.fromtimestamp(since, UTC).isoformat()))
        for spans in _pages(server, f"{path}/spans", asked):
            yield from _page(server, path, spans, app or app_name(name) or APP)


def _projects(server: Server, wanted: str) -> list[tuple[str, str]]:
    found = [
        (words(one.get("name")), words(one.get("id")))
        for page in _pages(server, "/v1/projects", [("limit", str(_PAGE))])
        for one in page
    ]
    chosen = [one for one in found if not wanted or wanted in one]
    if not chosen:
        names = ", ".join(sorted(name for name, _ in found)) or "none"
        raise InvalidInput(f"{server.url} has no project {wanted!r}.", f"It has: {names}.")
    return chosen


def _page(server: Server, path: str, spans: list[dict[str, Any]], app: str) -> Iterator[Row]:
    traces: dict[str, str] = {}
    roots: list[str] = []
    for span in spans:
        trace_id = words(first(span, "context.trace_id"))
        roots += [trace_id] if not span.get("parent_id") and trace_id else []
        yield from _row(f"span {words(first(span, 'context.span_id'))}", span, app, traces)
    for kind, ids in (("span", list(traces)), ("trace", list(dict.fromkeys(roots)))):
        if not ids:
            continue
        asked = [("limit", str(_PAGE)), *((f"{kind}_ids", one) for one in ids)]
        for found in _pages(server, f"{path}/{kind}_annotations", asked, optional=True):
            for one in found:
                yield from _row(f"annotation {words(one.get('id'))}", one, app, traces)


def _pages(
    server: Server, path: str, asked: list[tuple[str, str]], *, optional: bool = False
) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while True:
        page = server.get(path, [*asked, *([("cursor", cursor)] if cursor else [])], optional=optional)
        yield [one for one in listed(page.get("data")) if isinstance(one, dict)]
        following = words(page.get("next_cursor"))
        if not following or following == cursor:
            return
        cursor = following


def _row(where: str, row: dict[str, Any], app: str, traces: dict[str, str]) -> Iterator[Row]:
    """A span or an annotation; ``traces`` remembers to which trace every span belongs."""
    if "annotator_kind" in row:
        try:
            yield from checked_row(where, None, [_opinion(row, app, traces).feedback()])
        except Unusable as error:
            yield Skipped(where, f"feedback: {error}")
        return
    span_id, trace_id = (
        words(first(row, "context.span_id", "span_id")),
        words(first(row, "context.trace_id", "trace_id")),
    )
    if not span_id or not trace_id:
        yield Skipped(where, "it is no span and no annotation")
        return
    traces[span_id] = usable_id(APP, trace_id)
    if first(row, "parent_id") is not None:
        yield Skipped(where, "it is a step inside a trace")
        return
    yield from checked_row(where, _trace(row, traces[span_id], app), ())


def _trace(row: dict[str, Any], trace_id: str, app: str) -> TraceIn:
    seen = _attributes(row)
    asked, history = question(first(seen, "llm.input_messages"))
    if not asked.strip():
        asked, history = question(first(seen, "input.value"))
    metadata = mapping(first(seen, "metadata"))
    started, ended = moment(row.get("start_time")), moment(row.get("end_time"))
    return TraceIn(
        app=app,
        id=trace_id,
        input=asked,
        output=answer(first(seen, "llm.output_messages")) or answer(first(seen, "output.value")),
        at=started,
        context=Context(
            user=words(first(seen, "user.id")),
            role=words(first(metadata, "role", "user_role")),
            task_type=words(first(metadata, "task_type") or row.get("name")),
            session=words(first(seen, "session.id")),
            environment=words(first(metadata, "environment", "env") or first(seen, "deployment.environment")),
            segment=words(first(metadata, "segment")),
            tags=labels(first(seen, "tag.tags")),
        ),
        history=history,
        model=words(first(seen, "llm.model_name", "gen_ai.request.model")),
        input_tokens=count(first(seen, "llm.token_count.prompt")),
        output_tokens=count(first(seen, "llm.token_count.completion")),
        latency_ms=elapsed_ms(started, ended),
    )


def _attributes(row: dict[str, Any]) -> dict[str, Any]:
    """A span's attributes: columns of a data frame, or one object with flat or nested names."""
    found = mapping(row.get("attributes"))
    found |= {name.removeprefix("attributes."): item for name, item in row.items() if name.startswith("attributes.")}
    for name in ("llm.input_messages", "llm.output_messages"):
        if name not in found and dig(found, name) is None:
            numbered = _messages(found, f"{name}.")
            found |= {name: numbered} if numbered else {}
    told = {name.removeprefix("metadata."): item for name, item in found.items() if name.startswith("metadata.")}
    return found | ({"metadata": told} if told else {})


def _messages(found: dict[str, Any], prefix: str) -> list[dict[str, str]]:
    """Messages out of names with a number in them: ``llm.input_messages.0.message.role``."""
    turns: dict[int, dict[str, str]] = {}
    for name, item in found.items():
        place = _NUMBERED.search(name, len(prefix) - 1) if name.startswith(prefix) else None
        if place is None or len(place[1]) > 6:
            continue
        turn = turns.setdefault(int(place[1]), {"role": "", "content": ""})
        field = name[place.end() :]
        if field == "message.role":
            turn["role"] = words(item)
        elif field == "message.content" or field.endswith("message_content.text"):
            turn["content"] += words(item)
    return [turns[number] for number in sorted(turns)]


def _opinion(row: dict[str, Any], app: str, traces: dict[str, str]) -> Opinion:
    span_id, trace_id = words(first(row, "span_id", "context.span_id")), words(row.get("trace_id"))
    trace_id = trace_id or traces.get(span_id, "")
    if not trace_id:
        raise Unusable("the annotation is on a span that was not imported before it, or on a session")
    by = _by(row)
    label, score = first(row, "result.label", "label"), first(row, "result.score", "score")
    said = words(first(row, "result.explanation", "explanation"))
    return Opinion(
        trace_id=trace_id,
        name=words(first(row, "annotation_name", "name")),
        value=_value(label, score),
        by=by,
        source_id=words(row.get("id")) or f"{span_id} {words(row.get('identifier'))}",
        app=app,
        user="" if by == "program" else _author(row),
        at=moment(first(row, "created_at", "updated_at")),
        comment=said,
    )


def _value(label: object, score: object) -> object:
    """The number, or the label where there is none; both, where they say different things."""
    told = decoded(score)
    if told is None or told == "":
        return label
    if isinstance(told, str):
        try:
            return float(told)
        except ValueError:
            return label
    return told


def _by(row: dict[str, Any]) -> By:
    return "user" if words(row.get("annotator_kind")).upper() == "HUMAN" else "program"


def _author(row: dict[str, Any]) -> str:
    """Who said it, where the identifier or the metadata tells; Phoenix's own notes have identifiers of theirs."""
    identifier = words(row.get("identifier"))
    named = words(first(mapping(row.get("metadata")), "user", "user_id"))
    return named or ("" if identifier.startswith("px-") else identifier) or words(row.get("user_id"))
