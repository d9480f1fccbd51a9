"""Langfuse exports: traces, observations and scores."""

from __future__ import annotations

import json
from pathlib import Path

from ratchet.importers.langfuse import read_langfuse
from ratchet.records.trace import Context, Turn
from tests.unit.importers.reading import gathered, samples


def test_a_trace_keeps_the_last_question_the_turns_before_it_and_its_context() -> None:
    read = gathered(read_langfuse(samples("langfuse_traces.json")))
    trace = read.traces["t-100"]
    assert (trace.input, trace.output) == ("Can I return a kite?", "Yes, within 30 days.")
    assert trace.history[-1] == Turn("assistant", "Hello! How can I help?")
    assert trace.context == Context(
        user="kim",
        role="customer",
        task_type="answer",
        session="s-1",
        environment="production",
        segment="retail",
        tags=("web", "kites"),
    )
    assert (trace.input_tokens, trace.output_tokens, trace.latency_ms, trace.cost) == (31, 9, 1250, 0.003)
    assert trace.at == 1790845200.0
    assert trace.app == "langfuse"


def test_json_kept_as_text_is_read() -> None:
    read = gathered(read_langfuse(samples("langfuse_traces.json")))
    assert read.traces["t-101"].input == "How long does delivery take?"
    assert read.traces["t-101"].output == "About 9 weeks."


def test_rows_of_no_use_are_skipped_with_a_reason() -> None:
    read = gathered(read_langfuse(samples("langfuse_traces.json")))
    assert ("langfuse_traces.json, item 3", "trace: there is no text in its input") in read.skipped


def test_columns_of_average_scores_are_named_once_each() -> None:
    read = gathered(read_langfuse(samples("langfuse_traces.json")))
    columns = [where for where, reason in read.skipped if reason.startswith("score columns")]
    assert columns == ["langfuse_traces.json, column user_feedback", "langfuse_traces.json, column relevance"]


class TestScores:
    def test_user_feedback_becomes_a_thumb_of_the_traces_user(self) -> None:
        read = gathered(read_langfuse(samples("langfuse_scores.csv")))
        thumbs = {(said.user, said.thumb, said.comment) for on in read.feedback.values() for said in on if said.thumb}
        assert thumbs == {("kim", "up", ""), ("lee", "down", "Nine weeks cannot be right.")}

    def test_a_correction_comes_from_its_author(self) -> None:
        read = gathered(read_langfuse(samples("langfuse_scores.csv")))
        (corrected,) = [said for said in read.feedback["t-101"] if said.correction]
        assert (corrected.correction, corrected.user) == ("Two to four working days.", "Ann")
        assert not corrected.scores

    def test_a_judges_score_is_marked_and_belongs_to_no_user(self) -> None:
        read = gathered(read_langfuse(samples("langfuse_scores.csv")))
        (judged,) = [said for said in read.feedback["t-101"] if "judge.relevance" in said.scores]
        assert judged.scores == {"judge.relevance": 0.2, "judge.relevance.reason": "Off by a factor of ten."}
        assert (judged.user, judged.comment) == ("", "")

    def test_categories_text_and_stars_keep_their_type(self) -> None:
        read = gathered(read_langfuse(samples("langfuse_scores.csv")))
        scores = {name: value for said in read.feedback["t-100"] for name, value in said.scores.items()}
        assert scores == {"tone": "friendly", "remark": "Quick, and to the point."}
        assert [said.stars for said in read.feedback["t-100"] if said.stars] == [4]

    def test_scores_of_sessions_and_without_value_are_skipped(self) -> None:
        read = gathered(read_langfuse(samples("langfuse_scores.csv")))
        assert read.reasons == {
            "feedback: the score is about a session or an experiment, not about one answer",
            "feedback: 'accuracy' has no value that can be kept",
        }

    def test_pages_of_the_api_are_read_with_the_project_as_the_app(self) -> None:
        read = gathered(read_langfuse(samples("langfuse_scores_api.json")))
        assert [(said.app, said.thumb, said.scores) for said in read.feedback["t-200"]] == [
            ("kites", "down", {}),
            ("kites", "", {"resolved": "yes"}),
        ]


def test_the_outermost_observation_stands_for_its_trace() -> None:
    read = gathered(read_langfuse(samples("langfuse_observations.jsonl")))
    assert read.traces["t-200"].input == "Do you sell string?"
    assert read.traces["t-200"].context.task_type == "support"
    assert read.traces["t-200"].app == "kites"
    assert read.skipped == [("langfuse_observations.jsonl, line 2", "it is a step inside a trace")]


def test_a_download_of_one_trace_gives_the_call_inside_it_and_its_scores() -> None:
    read = gathered(read_langfuse(samples("langfuse_trace_download.json")))
    trace = read.traces["t-300"]
    assert (trace.input, trace.output, trace.model) == ("Where is the shop?", "On the moon.", "tiny-1")
    assert (trace.input_tokens, trace.output_tokens) == (12, 4)
    said = read.said("t-300")
    assert (said.thumb, said.user, said.comment) == ("down", "kim", "Wrong shop.")


def test_the_app_that_was_asked_for_is_used_everywhere() -> None:
    read = gathered(read_langfuse(samples("langfuse_observations.jsonl", "langfuse_scores_api.json"), app="support"))
    assert {trace.app for trace in read.traces.values()} == {"support"}
    assert {said.app for on in read.feedback.values() for said in on} == {"support"}


def test_a_changed_score_is_a_new_event_and_an_unchanged_one_is_not(tmp_path: Path) -> None:
    def event_of(value: int) -> str:
        score = {"id": "sc-1", "traceId": "t-1", "name": "tone", "dataType": "NUMERIC", "value": value, "source": "API"}
        path = tmp_path / "scores.json"
        path.write_text(json.dumps([score]))
        return gathered(read_langfuse([path])).said("t-1").event_id

    assert event_of(3) == event_of(3)
    assert event_of(3) != event_of(4)
