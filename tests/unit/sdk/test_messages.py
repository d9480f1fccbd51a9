"""What an application says, as rows that can wait and travel."""

from __future__ import annotations

import msgspec
import pytest

from ratchet import InvalidInput
from ratchet.records.trace import Context, Influence, Trace, Turn
from ratchet.sdk.messages import feedback_row, kind_of, storable, trace_row, turns
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn


def said(**given: object) -> dict[str, object]:
    return feedback_row("support", "tr_1", given, event_id="fb_1", at=5.0)


def test_a_trace_row_is_what_the_service_takes() -> None:
    trace = Trace(
        id="tr_1", app="support", at=5.0, input="q", output="a", context=Context(user="u", tags=("x", " ")), release=2,
        source="reviewed", confidence=1.0000001, passage_id="p", influences=(Influence("lesson", "ls_1", 0.5),),
        latency_ms=-0.5, history=(Turn("user", "before"),), model="m", input_tokens=1, output_tokens=2, cost=0.5,
    )  # fmt: skip
    read = msgspec.convert(msgspec.json.decode(msgspec.json.encode(trace_row(trace))), TraceIn)
    assert (read.id, read.app, read.at, read.release, read.source) == ("tr_1", "support", 5.0, 2, "reviewed")
    assert (read.confidence, read.latency_ms, read.context.tags) == (1.0, 0.0, ("x",))
    assert (read.influences, read.history) == ([Influence("lesson", "ls_1", 0.5)], [Turn("user", "before")])


def test_a_feedback_row_says_only_what_was_said() -> None:
    row = said(user="u1", scores={"tone": 2, "ok": True}, thumb="down", stars=1, flags=("a",), signals={"copy": True})
    assert row == {
        "id": "tr_1", "event_id": "fb_1", "at": 5.0, "app": "support", "user": "u1",
        "scores": {"tone": 2.0, "ok": True}, "thumb": "down", "stars": 1, "flags": ["a"], "signals": {"copy": True},
    }  # fmt: skip
    assert msgspec.convert(row, FeedbackIn).stars == 1
    with pytest.raises(InvalidInput, match="says nothing"):
        said(user="u1")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"correction": "x", "thumb": "down"}, "correction"), ({"comment": "x"}, "correction"),
        ({"stars": 1}, "rating"), ({"thumb": "up"}, "rating"), ({"flags": ("a",)}, "rating"),
        ({"scores": {"a": False}, "signals": {"copy": True}}, "rating"), ({"signals": {"copy": True}}, "implicit"),
    ],
)  # fmt: skip
def test_what_people_wrote_is_dearer_than_what_was_observed(given: dict[str, object], kind: str) -> None:
    assert kind_of(said(**given)) == kind


def test_texts_are_made_storable() -> None:
    assert storable("a\x00\ud800b") == "a\ufffd?b"
    assert storable("x" * 20, 5) == "xxxxx"
    assert storable(7) == "7"
    assert turns([{"role": "user", "content": "a"}, {"text": "b"}]) == (Turn("user", "a"), Turn("user", "b"))
