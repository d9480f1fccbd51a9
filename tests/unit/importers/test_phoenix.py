"""Phoenix spans and annotations, as written by Phoenix 20.26."""

from __future__ import annotations

import pytest

from ratchet.importers.phoenix import read_phoenix
from ratchet.records.trace import Context, Turn
from tests.unit.importers.reading import gathered, samples

BOTH = [("phoenix_spans.jsonl", "phoenix_annotations.jsonl"), ("phoenix_spans.csv", "phoenix_annotations.csv")]


@pytest.mark.parametrize("names", BOTH, ids=["json lines", "csv"])
class TestBothFormats:
    def test_a_root_span_is_a_trace(self, names: tuple[str, str]) -> None:
        traces = gathered(read_phoenix(samples(names[0]))).traces
        (trace,) = [trace for trace in traces.values() if trace.input == "How long does delivery take?"]
        assert trace.output == "About 9 weeks."
        assert trace.context == Context(
            user="kim", role="customer", task_type="answer", session="s-1", segment="retail", tags=("web",)
        )
        assert len(traces) == 4

    def test_messages_of_a_call_become_question_answer_and_history(self, names: tuple[str, str]) -> None:
        traces = gathered(read_phoenix(samples(names[0]))).traces
        (trace,) = [trace for trace in traces.values() if trace.input == "Where is my parcel?"]
        assert (trace.output, trace.model) == ("It is on its way.", "tiny-1")
        assert trace.history == [Turn("user", "Hello"), Turn("assistant", "Hello! How can I help?")]

    def test_annotations_find_the_trace_of_their_span(self, names: tuple[str, str]) -> None:
        read = gathered(read_phoenix(samples(*names)))
        said = {
            (read.traces[trace_id].input, message.thumb, message.user, message.comment, *message.scores.items())
            for trace_id, on in read.feedback.items()
            for message in on
        }
        assert said == {
            ("Can I return a kite?", "up", "kim", ""),
            ("How long does delivery take?", "down", "", "Nine weeks cannot be right."),
            (
                "How long does delivery take?",
                "",
                "",
                "",
                ("judge.relevance", 0.2),
                ("judge.relevance.reason", "Off by a factor of ten."),
            ),
            ("Do you sell string?", "", "", "", ("judge.too_long", "no")),
            ("Where is my parcel?", "", "", "", ("accuracy", 3.0)),
        }

    def test_annotations_without_their_spans_are_skipped(self, names: tuple[str, str]) -> None:
        read = gathered(read_phoenix(samples(names[1])))
        assert not read.feedback
        assert read.reasons == {
            "feedback: the annotation is on a span that was not imported before it, or on a session"
        }


def test_steps_are_skipped() -> None:
    assert gathered(read_phoenix(samples("phoenix_spans.jsonl"))).reasons == {"it is a step inside a trace"}
