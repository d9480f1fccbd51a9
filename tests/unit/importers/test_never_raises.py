"""Whatever a file holds, a reader goes through it to the end."""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.importers import mlflow, phoenix
from ratchet.importers.content import answer, question
from ratchet.importers.langfuse import read_langfuse
from ratchet.importers.langsmith import read_langsmith
from ratchet.importers.mlflow import read_mlflow
from ratchet.importers.phoenix import read_phoenix
from ratchet.importers.row import Imported, Row, Skipped
from ratchet.importers.tables import read_table

# Names that some reader looks for, so that odd values turn up where they hurt.
NAMES = [
    "id", "key", "score", "value", "name", "inputs", "outputs", "input", "output", "messages", "role", "content",
    "parts", "trace_id", "traceId", "run_id", "run_type", "info", "trace_info", "trace_metadata", "assessments",
    "feedback", "expectation", "data", "spans", "attributes", "parent_id", "parent_span_id", "span_id",
    "context.span_id", "context.trace_id", "annotator_kind", "annotation_name", "result", "label", "dataType",
    "data_type", "type", "timestamp", "start_time", "end_time", "metadata", "tags", "latency", "usage",
    "observations", "scores", "source", "subject", "feedback_source", "extra", "correction", "comment",
    "attributes.input.value", "attributes.llm.input_messages", "mlflow.spanInputs", "bookmarked", "kwargs",
    "stringValue", "llm.input_messages.0.message.content", "values", "kvlist_value", "array_value", "source_type",
    "valid", "question", "thumb", "stars", "flags",
]  # fmt: skip
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["user", "HUMAN", "EVAL", "BOOLEAN", "CORRECTION", "t-1", '{"a": 1}', "[{'b': 2}]", "1e999", "\ud800"]
    )
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), inner, max_size=6)
    ),
    max_leaves=25,
)
RECORDS = st.lists(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=10) | VALUES, max_size=6)
READERS: dict[str, Callable[[Iterable[Path]], Iterator[Row]]] = {
    "langfuse": read_langfuse,
    "langsmith": read_langsmith,
    "mlflow": read_mlflow,
    "phoenix": read_phoenix,
    "table": lambda paths: read_table(
        paths, told=["input=question", "id=id", "thumb=thumb", "score.x=value", "stars=stars"]
    ),
}


def usable(rows: Iterable[Row]) -> None:
    for row in rows:
        if isinstance(row, Imported):
            assert row.trace is None or row.trace.input.strip()
            assert row.trace is not None or row.feedback
        else:
            assert isinstance(row, Skipped)
            assert row.where
            assert row.reason


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@given(records=RECORDS, as_array=st.booleans())
@settings(max_examples=60, deadline=None)
def test_json_of_any_kind(
    reader: Callable[[Iterable[Path]], Iterator[Row]], records: list[Any], as_array: bool
) -> None:
    rows = [
        json.dumps(record)
        for record in [*records, {name: None for name in ("question", "id", "thumb", "value", "stars")}]
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.json"
        path.write_text(f"[{','.join(rows)}]" if as_array else "\n".join(rows), encoding="utf-8")
        usable(reader([path]))


@pytest.mark.parametrize("reader", [read_langfuse, read_langsmith, read_mlflow, read_phoenix])
@given(content=st.binary(max_size=300), name=st.sampled_from(["rows.json", "rows.csv"]))
@settings(max_examples=60, deadline=None)
def test_bytes_of_any_kind(reader: Callable[[Iterable[Path]], Iterator[Row]], content: bytes, name: str) -> None:
    if content[:2] == b"\x1f\x8b" or content[:4] == b"PAR1":
        return  # a file that says it is compressed and is not is refused as a whole
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        usable(reader([path]))


@given(table=st.lists(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), min_size=3, max_size=6), max_size=5))
@settings(max_examples=60, deadline=None)
def test_csv_of_any_kind(table: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["id", "question", "thumb", "stars"], *table])
        usable(read_table([path]) if table else [])


@given(value=VALUES)
@settings(max_examples=150, deadline=None)
def test_content_of_any_kind(value: Any) -> None:
    text, history = question(value)
    assert isinstance(text, str)
    assert all(turn.text.strip() for turn in history)
    assert isinstance(answer(value), str)


@given(row=st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=10))
@settings(max_examples=150, deadline=None)
def test_answers_of_servers_of_any_kind(row: dict[str, Any]) -> None:
    usable(mlflow._row("trace", row, "app"))
    usable(mlflow._row("trace", {"info": row, "data": {"spans": [row]}}, "app"))
    usable(phoenix._row("span", {"context": {"span_id": "s", "trace_id": "t"}, "attributes": row}, "app", {}))
    usable(phoenix._row("annotation", {"annotator_kind": "HUMAN", "trace_id": "t", **row}, "app", {}))
