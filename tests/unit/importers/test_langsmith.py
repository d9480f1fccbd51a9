"""LangSmith exports: runs and feedback."""

from __future__ import annotations

from ratchet.importers.langsmith import read_langsmith
from ratchet.records.trace import Turn
from tests.unit.importers.reading import gathered, samples

FIRST = "0a000000-0000-4000-8000-000000000001"
THIRD = "0a000000-0000-4000-8000-000000000003"


def test_a_root_run_is_a_trace_with_its_serialised_messages_read() -> None:
    trace = gathered(read_langsmith(samples("langsmith_runs.jsonl"))).traces[FIRST]
    assert (trace.input, trace.output) == ("Can I return a kite?", "Yes, within 30 days.")
    assert trace.history == [Turn("system", "You help customers of a kite shop.")]
    assert (trace.app, trace.model, trace.cost, trace.latency_ms) == ("Kite-support", "tiny-1", 0.003, 1500)
    context = trace.context
    assert (context.user, context.session, context.environment, context.segment) == (
        "kim",
        "th-1",
        "production",
        "retail",
    )


def test_a_question_beside_its_chat_history_is_the_question() -> None:
    trace = gathered(read_langsmith(samples("langsmith_runs.jsonl"))).traces[THIRD]
    assert (trace.input, trace.output) == ("How long does delivery take?", "About 9 weeks.")
    assert trace.history == [Turn("user", "Hello"), Turn("assistant", "Hello! How can I help?")]
    assert trace.latency_ms is None


def test_steps_empty_runs_and_broken_lines_are_skipped() -> None:
    read = gathered(read_langsmith(samples("langsmith_runs.jsonl")))
    assert read.skipped == [
        ("langsmith_runs.jsonl, line 2", "it is a step inside a trace"),
        ("langsmith_runs.jsonl, line 4", "trace: there is no text in its input"),
        ("langsmith_runs.jsonl, line 5", "it is not JSON"),
    ]


def test_feedback_keeps_thumbs_corrections_and_comments_apart_from_judges() -> None:
    read = gathered(read_langsmith(samples("langsmith_feedback.jsonl")))
    thumb, judged = read.feedback[FIRST]
    corrected, tone = read.feedback[THIRD]
    assert thumb.thumb == "up"
    assert judged.scores == {"judge.relevance": 0.9, "judge.relevance.reason": "On topic."}
    assert (corrected.scores, corrected.correction, corrected.comment, corrected.user) == (
        {"correctness": 0.0},
        "Two to four working days.",
        "Nine weeks cannot be right.",
        "Ann",
    )
    assert tone.scores == {"tone": "stiff"}
    assert read.reasons == {"feedback: the feedback is about a project or an experiment, not about one answer"}
