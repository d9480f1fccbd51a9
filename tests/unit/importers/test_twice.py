"""Every source into a real store, twice: the second time nothing is stored again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet import Ratchet
from ratchet.importers.deliver import deliver
from ratchet.importers.langfuse import read_langfuse
from ratchet.importers.langsmith import read_langsmith
from ratchet.importers.mlflow import read_mlflow
from ratchet.importers.phoenix import read_phoenix
from ratchet.importers.row import Row
from ratchet.importers.tables import read_table
from tests.unit.importers.reading import samples

MAPPED = ["input=question", "output=answer", "user=meta.uid", "thumb=rating", "score.accuracy=acc", "correction=fix"]
LANGFUSE = samples(
    "langfuse_traces.json", "langfuse_observations.jsonl", "langfuse_trace_download.json", "langfuse_scores.csv",
    "langfuse_scores_api.json",
)  # fmt: skip
SOURCES: dict[str, tuple[Callable[[], Iterator[Row]], int, int]] = {
    "langfuse": (lambda: read_langfuse(LANGFUSE, app="support"), 4, 10),
    "langsmith": (lambda: read_langsmith(samples("langsmith_runs.jsonl", "langsmith_feedback.jsonl")), 2, 4),
    "mlflow": (lambda: read_mlflow(samples("mlflow_traces.jsonl")), 4, 8),
    "phoenix": (lambda: read_phoenix(samples("phoenix_spans.jsonl", "phoenix_annotations.jsonl")), 4, 5),
    "jsonl": (lambda: read_table(samples("table.jsonl"), told=MAPPED), 3, 2),
    "csv": (lambda: read_table(samples("table.csv")), 3, 3),
}


@pytest.fixture
def ratchet(tmp_path: Path) -> Iterator[Ratchet]:
    with Ratchet(tmp_path / "ratchet.db", environment={"RATCHET_EMBEDDER": "lexical"}) as opened:
        yield opened


@pytest.mark.parametrize("source", SOURCES)
def test_importing_twice_stores_everything_once(ratchet: Ratchet, source: str) -> None:
    read, traces, feedback = SOURCES[source]
    first = deliver(read(), ratchet.deliver)
    assert (first.traces.stored, first.feedback.stored) == (traces, feedback)
    second = deliver(read(), ratchet.deliver)
    assert (second.traces.stored, second.traces.duplicate) == (0, traces)
    assert (second.feedback.stored, second.feedback.duplicate) == (0, feedback)
    assert first.refused == second.refused == {}


def test_a_dry_run_stores_nothing(ratchet: Ratchet) -> None:
    read, traces, _ = SOURCES["langfuse"]
    assert deliver(read(), None).traces.found == traces
    assert ratchet.apps() == []


def test_what_was_imported_opens_cases(ratchet: Ratchet) -> None:
    deliver(SOURCES["langfuse"][0](), ratchet.deliver)
    asked = {ratchet.case(case.id).trace.input for case in ratchet.cases("support")}  # type: ignore[union-attr]
    assert "How long does delivery take?" in asked
    assert "Can I return a kite?" not in asked


def test_formats_of_the_same_export_give_the_same_rows(ratchet: Ratchet) -> None:
    deliver(read_mlflow(samples("mlflow_traces.jsonl")), ratchet.deliver)
    again = deliver(read_mlflow(samples("mlflow_frame.csv")), ratchet.deliver)
    assert (again.traces.stored, again.feedback.stored) == (0, 0)
