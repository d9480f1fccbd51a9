"""Reads MLflow traces with their assessments, from files or from a tracking server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ratchet.errors import InvalidInput
from ratchet.importers.content import answer, question
from ratchet.importers.fields import amount, count, decoded, first, labels, listed, mapping, moment, parsed, words
from ratchet.importers.files import OnBytes, nothing, rows
from ratchet.importers.opinion import By, Opinion
from ratchet.importers.row import Row, Skipped, Unusable, app_name, checked_row, usable_id
from ratchet.importers.server import Server
from ratchet.records.trace import Context
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn

APP = "mlflow"
_PAGE = 100
_FETCHED = 20
_DEEPEST = 20


def read_mlflow(paths: Iterable[Path], *, app: str = "", on_bytes: OnBytes = nothing) -> Iterator[Row]:
    """Traces in these files, as ``Trace.to_json`` or a data frame of ``search_traces`` writes them.

    The files name no experiment, so that the app is ``mlflow`` unless ``app`` is given.
    """
    for path in paths:
        for where, found in rows(path, on_bytes):
            yield from [found] if isinstance(found, Skipped) else _row(where, found, app or APP)


def read_mlflow_server(
    server: Server, *, experiment: str = "", app: str = "", since: float | None = None
) -> Iterator[Row]:
    """Traces of a tracking server (MLflow 3), newest first: of one experiment, by name or id, or of all.

    Each experiment becomes an app of its name unless ``app`` is given. Raises ``InvalidInput`` when the server cannot
    be reached, refuses, or has no such experiment.
    """
    for name, number in _experiments(server, experiment):
        for where, trace in _traces(server, number, since):
            yield from _row(where, trace, app or app_name(name) or APP)


def _experiments(server: Server, wanted: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    token = ""
    while True:
        body = {"max_results": 1000, **({"page_token": token} if token else {})}
        page = server.post("/api/2.0/mlflow/experiments/search", body)
        found += [(words(one.get("name")), words(one.get("experiment_id"))) for one in _objects(page, "experiments")]
        token = words(page.get("next_page_token"))
        if not token:
            break
    chosen = [one for one in found if not wanted or wanted in one]
    if not chosen:
        names = ", ".join(sorted(name for name, _ in found)) or "none"
        raise InvalidInput(f"{server.url} has no experiment {wanted!r}.", f"It has: {names}.")
    return chosen


def _traces(server: Server, experiment: str, since: float | None) -> Iterator[tuple[str, dict[str, Any]]]:
    place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    body: dict[str, Any] = {"locations": [place], "max_results": _PAGE, "order_by": ["timestamp_ms DESC"]}
    if since is not None:
        body["filter"] = f"trace.timestamp_ms >= {int(since * 1000)}"
    while True:
        page = server.post("/api/3.0/mlflow/traces/search", body)
        infos = _objects(page, "traces")
        for start in range(0, len(infos), _FETCHED):
            yield from _with_spans(server, infos[start : start + _FETCHED])
        if not page.get("next_page_token"):
            return
        body["page_token"] = page["next_page_token"]


def _with_spans(server: Server, infos: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The traces whole. Spans are in the server's database or in its files; without them there are previews."""
    wanted = [("trace_ids", words(info.get("trace_id"))) for info in infos if _in_database(info)]
    page = server.get("/api/3.0/mlflow/traces/batchGet", wanted, optional=True) if wanted else {}
    kept = {words(first(one, "trace_info.trace_id")): listed(one.get("spans")) for one in _objects(page, "traces")}
    for info in infos:
        name = words(info.get("trace_id"))
        spans = kept.get(name)
        if not spans:
            file = server.get("/ajax-api/2.0/mlflow/get-trace-artifact", [("request_id", name)], optional=True)
            spans = listed(file.get("spans"))
        yield f"trace {name}", {"info": info, "data": {"spans": spans}}


def _in_database(info: dict[str, Any]) -> bool:
    """Asking for one trace whose spans are elsewhere makes the server refuse all that were asked for with it."""
    return words(mapping(info.get("tags")).get("mlflow.trace.spansLocation")) == "TRACKING_STORE"


def _objects(page: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return [one for one in listed(page.get(name)) if isinstance(one, dict)]


def _row(where: str, found: dict[str, Any], app: str) -> Iterator[Row]:
    whole = mapping(found.get("trace")) or found
    info = mapping(whole.get("info")) or mapping(whole.get("trace_info"))
    spans = listed(mapping(whole.get("data")).get("spans")) or listed(whole.get("spans"))
    if not info and "trace_id" in whole:
        info = whole
    if not info:
        yield Skipped(where, "it is no trace")
        return
    trace = _trace(info, [span for span in spans if isinstance(span, dict)], app)
    feedback: list[FeedbackIn] = []
    for given in listed(info.get("assessments")):
        if isinstance(given, dict):
            try:
                feedback.append(_opinion(given, trace).feedback())
            except Unusable as error:
                yield Skipped(where, f"feedback: {error}")
    yield from checked_row(where, trace, feedback)


def _trace(info: dict[str, Any], spans: list[dict[str, Any]], app: str) -> TraceIn:
    metadata, tags = mapping(info.get("trace_metadata")), mapping(info.get("tags"))
    root = next((_attributes(span) for span in spans if not span.get("parent_span_id")), {})
    asked, history = question(
        first(root, "mlflow.spanInputs")
        or metadata.get("mlflow.traceInputs")
        or first(info, "request", "request_preview")
    )
    used = mapping(metadata.get("mlflow.trace.tokenUsage"))
    own = {name: item for name, item in tags.items() if not name.startswith("mlflow.")}
    return TraceIn(
        app=app,
        id=usable_id(APP, words(first(info, "trace_id", "request_id"))),
        input=asked,
        output=answer(
            first(root, "mlflow.spanOutputs")
            or metadata.get("mlflow.traceOutputs")
            or first(info, "response", "response_preview")
        ),
        at=moment(first(info, "request_time", "timestamp_ms")),
        context=Context(
            user=words(metadata.get("mlflow.trace.user")),
            role=words(first({**own, **metadata}, "role", "user_role")),
            task_type=words(first(own, "task_type") or tags.get("mlflow.traceName")),
            session=words(metadata.get("mlflow.trace.session")),
            environment=words(first({**own, **metadata}, "environment", "env")),
            segment=words(first({**own, **metadata}, "segment")),
            tags=labels(own),
        ),
        history=history,
        model=next((words(found) for span in spans if (found := _attributes(span).get("mlflow.llm.model"))), ""),
        input_tokens=count(used.get("input_tokens")),
        output_tokens=count(used.get("output_tokens")),
        latency_ms=_latency(info),
        cost=amount(mapping(metadata.get("mlflow.trace.cost")).get("total_cost")),
    )


def _latency(info: dict[str, Any]) -> float | None:
    """Milliseconds; the server writes seconds with an ``s`` behind."""
    told = first(info, "execution_duration_ms", "execution_duration")
    if isinstance(told, str) and told.endswith("s"):
        seconds = amount(told[:-1])
        return None if seconds is None else round(seconds * 1000, 3)
    return amount(told)


def _opinion(given: dict[str, Any], trace: TraceIn) -> Opinion:
    if given.get("valid") is False:
        raise Unusable("the assessment was overridden by a later one")
    by = _by(given)
    expected = mapping(given.get("expectation"))
    told = expected or mapping(given.get("feedback"))
    value = told.get("value")
    if value is None and "serialized_value" in told:
        value = decoded(first(told, "serialized_value.value"))
    return Opinion(
        trace_id=trace.id,
        name=words(first(given, "assessment_name", "name")),
        value=value,
        by=by,
        source_id=words(given.get("assessment_id")),
        app=trace.app,
        user="" if by == "program" else words(first(given, "source.source_id")),
        at=moment(first(given, "create_time", "create_time_ms")),
        comment=words(given.get("rationale")),
        ideal=bool(expected),
    )


def _by(given: dict[str, Any]) -> By:
    kind = words(first(given, "source.source_type")).upper()
    return "reviewer" if kind == "HUMAN" and "expectation" in given else "user" if kind == "HUMAN" else "program"


def _attributes(span: dict[str, Any]) -> dict[str, Any]:
    """A span's attributes; files hold an object of JSON texts, the server a list of typed values."""
    found = span.get("attributes")
    if not isinstance(found, list):
        return {name: _read(item) for name, item in mapping(found).items()}
    return {words(one.get("key")): _plain(one.get("value")) for one in found if isinstance(one, dict)}


def _read(item: object) -> Any:
    try:
        return parsed(item) if isinstance(item, str) else item
    except (ValueError, RecursionError):
        return item


def _plain(value: object, depth: int = 0) -> Any:
    """A value without OpenTelemetry's words for its type."""
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return None
    if "kvlist_value" in value:
        pairs = [one for one in listed(mapping(value["kvlist_value"]).get("values")) if isinstance(one, dict)]
        return {words(one.get("key")): _plain(one.get("value"), depth + 1) for one in pairs}
    if "array_value" in value:
        return [_plain(one, depth + 1) for one in listed(mapping(value["array_value"]).get("values"))]
    return next(iter(value.values()), None)
