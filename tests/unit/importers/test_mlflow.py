"""MLflow traces with their assessments, as written by MLflow 3.17."""

from __future__ import annotations

import pytest

from ratchet.importers.mlflow import read_mlflow
from ratchet.importers.row import Row, Skipped
from tests.unit.importers.reading import gathered, samples


def test_a_trace_has_its_question_answer_user_session_and_tokens() -> None:
    read = gathered(read_mlflow(samples("mlflow_traces.jsonl")))
    (trace,) = [trace for trace in read.traces.values() if trace.input == "How long does delivery take?"]
    assert (trace.output, trace.model, trace.app) == ("About 9 weeks.", "tiny-1", "mlflow")
    assert (trace.context.user, trace.context.session, trace.context.tags) == ("kim", "s-1", ("team:shop",))
    assert (trace.input_tokens, trace.output_tokens) == (31, 9)
    assert [turn.role for turn in trace.history] == ["system", "user", "assistant"]


def test_assessments_become_thumbs_corrections_and_scores() -> None:
    read = gathered(read_mlflow(samples("mlflow_traces.jsonl")))
    said = {
        (message.thumb, message.correction, *message.scores.items(), message.user)
        for on in read.feedback.values()
        for message in on
    }
    assert said == {
        ("up", "", "kim"),
        ("down", "", "lee"),
        ("", "Two to four working days.", "reviewer-ann"),
        ("", "", ("judge.relevance", 0.2), ("judge.relevance.reason", "Off by a factor of ten."), ""),
        ("", "", ("judge.too_long", "no"), ""),
        ("", "", ("accuracy", 4.0), "ann"),
        ("", "", ("tone", 5.0), "kim"),
        ("", "", ("per_part.facts", False), ("per_part.tone", 0.9), "kim"),
    }


def test_overridden_assessments_and_empty_traces_are_skipped() -> None:
    read = gathered(read_mlflow(samples("mlflow_traces.jsonl")))
    assert read.skipped == [
        ("mlflow_traces.jsonl, line 3", "feedback: the assessment was overridden by a later one"),
        ("mlflow_traces.jsonl, line 5", "trace: there is no text in its input"),
        ("mlflow_traces.jsonl, line 6", "it is not JSON"),
    ]


def test_a_data_frame_says_the_same_as_the_traces_themselves() -> None:
    def usable(rows: list[Row]) -> list[Row]:
        return [row for row in rows if not isinstance(row, Skipped)]

    frame = usable(list(read_mlflow(samples("mlflow_frame.csv"))))
    assert len(frame) == 4
    assert frame == usable(list(read_mlflow(samples("mlflow_traces.jsonl"))))


@pytest.mark.parametrize("told", ["0.25s", 250, "250"])
def test_durations_are_milliseconds_unless_they_end_in_s(told: object) -> None:
    from ratchet.importers.mlflow import _row

    info = {"trace_id": "tr-1", "request_preview": "Hello", "execution_duration": told}
    assert gathered(_row("row", {"info": info}, "a")).traces["tr-1"].latency_ms == 250
