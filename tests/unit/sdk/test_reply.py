"""A reply is the answer as text, with what feedback needs."""

from __future__ import annotations

from ratchet.records.trace import Influence, Trace
from ratchet.sdk.reply import Acknowledgement, Reply

TRACE = Trace(
    id="tr_1", app="a", at=0.0, input="q", output="Two days.", release=3, source="learned", confidence=0.5,
    passage_id="p", influences=(Influence("lesson", "ls_1", 0.9),),
)  # fmt: skip


def test_a_reply_is_its_text() -> None:
    reply = Reply.of(TRACE)
    assert isinstance(reply, str)
    assert reply == "Two days."
    assert f"{reply}!" == "Two days.!"
    assert {reply: 1}["Two days."] == 1


def test_a_reply_names_its_trace_its_release_and_what_shaped_it() -> None:
    reply = Reply.of(TRACE)
    assert (reply.id, reply.release, reply.source) == ("tr_1", 3, "learned")
    assert (reply.confidence, reply.passage_id, reply.influences) == (0.5, "p", TRACE.influences)


def test_an_acknowledgement_says_what_became_of_feedback() -> None:
    assert Acknowledgement("fb", accepted=True) == Acknowledgement("fb", True, duplicate=False, reason="")
