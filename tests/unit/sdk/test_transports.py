"""The same program, over a store of its own and over the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import Conflict, InvalidInput, Ratchet, Reply, UnknownName
from ratchet.layers.layer import Learned
from ratchet.records.trace import Turn
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceBatchIn, TraceIn
from tests.conftest import LABELS
from tests.unit.sdk.conftest import echo, eventually, teach

WAIT_S = 10.0
QUESTION = "Can I return my bike after six weeks?"


@pytest.fixture
def knowledge(tmp_path: Path) -> Path:
    folder = tmp_path / "knowledge"
    folder.mkdir()
    (folder / "shop.md").write_text("# Returns\nYou can return an item within 30 days.\n# Delivery\nIt takes 2 days.\n")
    return folder


def released(loop: Ratchet, question: str = QUESTION, right: str = "Yes, within 60 days.") -> Reply:
    """Ask, complain, review, learn; the first reply."""
    reply = loop.answer("support", question, user="u17")
    assert loop.feedback(reply.id, user="u17", thumb="down", comment="It changed in May.", wait_s=WAIT_S).accepted
    (case,) = loop.cases("support")
    assert (case.trace_id, case.reporter) == (reply.id, "u17")
    decided = loop.decide(case.id, reviewer="Ines", erred=True, answer=right)
    assert decided.lesson is not None
    assert decided.verdict.reviewer == "Ines"
    turn = loop.learn("support", now=True)
    assert turn.release is not None, turn.summary()
    assert turn.summary().startswith(f"Release {turn.release.number} is live")
    assert turn.gate is not None
    assert turn.gate.decision == "pass"
    return reply


def test_ask_complain_review_learn_and_ask_again(either: Ratchet, knowledge: Path) -> None:
    seen: list[Learned] = []

    @either.app("support", knowledge=knowledge, prompt="Be brief.")
    def support(question: str, learned: Learned) -> str:
        seen.append(learned)
        return "Sorry, only within 30 days."

    before = released(either)

    assert before == "Sorry, only within 30 days."
    assert (before.release, before.source) == (0, "base")
    assert before.passage_id == "shop#1-returns"
    assert [item.kind for item in before.influences] == ["passage"]
    assert before.confidence is not None
    assert (seen[0].prompt, seen[0].release, seen[0].passages[0].passage.title) == ("Be brief.", 0, "shop > Returns")
    assert seen[0].messages(QUESTION)[0] == {"role": "system", "content": "Be brief."}

    calls = len(seen)
    after = support("can I return my bike after six weeks", user="u18")
    assert after == "Yes, within 60 days."
    assert (after.release, after.source, after.confidence) == (1, "reviewed", 1.0)
    assert {item.kind for item in after.influences} == {"lesson", "passage"}
    assert len(seen) == calls, "a reviewed answer is given without a call of the function"

    near = support("May I return a bike six weeks after I bought it?")
    assert near == "Sorry, only within 30 days."
    assert near.release == 1
    assert [lesson.answer for lesson in seen[-1].examples] == ["Yes, within 60 days."]


def test_lessons_vote_with_a_function_that_names_labels(either: Ratchet) -> None:
    triage = either.app("triage", kind="classify", labels=LABELS)(lambda question, learned: "delivery")
    assert triage("my parcel is late") == "delivery"
    assert teach(either, "my parcel is late", "refund", "triage") == 1
    exact = triage("My parcel is late!")
    assert (exact, exact.release, exact.source) == ("refund", 1, "reviewed")
    eventually(lambda: triage("my parcel is late again").source == "learned")
    near = triage("my parcel is late again")
    assert (near, near.release, [item.kind for item in near.influences]) == ("refund", 1, ["lesson"])
    assert near.confidence is not None


def test_releases_go_back_and_forth_and_lessons_are_revoked(either: Ratchet) -> None:
    support = either.app("support")(echo)
    released(either)
    (release,) = either.releases("support")
    assert (release.number, release.lessons, release.id) == (1, 1, release.manifest.id)
    (lesson,) = either.lessons("support")
    assert (lesson.question, lesson.reviewer) == (QUESTION, "Ines")

    assert either.rollback("support", actor="ana", reason="x") == 0
    assert support(QUESTION).source == "base"
    assert either.promote("support", 1, actor="ana", reason="x") == 1
    assert support(QUESTION).source == "reviewed"
    assert either.revoke(lesson.id, actor="ana", reason="x").id == lesson.id
    assert support(QUESTION).source == "base"
    with pytest.raises(Conflict, match="revoked already"):
        either.revoke(lesson.id, actor="ana", reason="x")


def test_a_case_comes_with_its_trace_and_is_held_for_one_reviewer(either: Ratchet) -> None:
    support = either.app("support")(echo)
    reply = support(QUESTION, user="u1", segment="web", tags=["a"], history=[{"role": "user", "content": "Hi."}])
    assert either.feedback(reply.id, user="u1", stars=1, scores={"tone": 2}, flags=["rude"], wait_s=WAIT_S).accepted

    (case,) = either.queue("support", 1)
    detail = either.case(case.id)
    assert detail.trace is not None
    assert (detail.trace.input, detail.trace.output) == (QUESTION, f"own: {QUESTION}")
    assert (detail.trace.context.segment, detail.trace.context.tags) == ("web", ("a",))
    assert detail.trace.history == (Turn("user", "Hi."),)
    assert {score.name for said in detail.feedback for score in said.as_scores()} == {"stars", "tone", "flag:rude"}
    held = either.reserve(case.id, "Ines", 60.0)
    assert held.reserved_by == "Ines"
    with pytest.raises(Conflict):
        either.reserve(case.id, "Bea", 60.0)
    for unknown in (either.case, lambda name: either.reserve(name, "Bea", 60.0)):
        with pytest.raises(UnknownName):
            unknown("case_nowhere")


def test_what_was_answered_elsewhere_is_recorded(either: Ratchet) -> None:
    first = either.record(
        "bot", "hello", "hi", user="u1", role="r", task_type="t", session="s", environment="e", segment="g", tags=["x"],
        history=[{"role": "user", "content": "before"}], at=1_790_000_000.0, latency_ms=12.5, cost=0.25, model="small",
        input_tokens=3, output_tokens=4,
    )  # fmt: skip
    assert either.record("bot", "hello", "hi", trace_id="mine") == "mine"
    assert either.flush(WAIT_S)
    assert either.feedback(first, app="bot", thumb="down", wait_s=WAIT_S).accepted
    (case,) = either.cases("bot")
    trace = either.case(case.id).trace
    assert trace is not None
    assert (trace.app, trace.at, trace.latency_ms, trace.cost, trace.model) == (
        "bot",
        1_790_000_000.0,
        12.5,
        0.25,
        "small",
    )
    assert (trace.input_tokens, trace.output_tokens, trace.history) == (3, 4, (Turn("user", "before"),))
    assert (trace.context.role, trace.context.task_type, trace.context.session) == ("r", "t", "s")


def test_texts_that_no_store_can_hold_are_recorded_as_far_as_they_can(either: Ratchet) -> None:
    identity = either.record("bot", "a\x00b\ud800" + "x" * 200_000, "", user="u" * 2000)
    assert either.feedback(identity, app="bot", thumb="down", wait_s=WAIT_S).accepted
    (case,) = either.cases("bot")
    trace = either.case(case.id).trace
    assert trace is not None
    assert (trace.input[:4], len(trace.input), len(trace.context.user)) == ("a\ufffdb?", 100_000, 1000)


def test_batches_are_delivered_row_by_row(either: Ratchet) -> None:
    batch = TraceBatchIn(
        traces=[TraceIn(app="bot", input="hello", output="hi", id="t1"), TraceIn(app="bot", input=" ", id="t2")],
        feedback=[FeedbackIn(id="t1", thumb="up", event_id="e1")],
    )
    ack = either.deliver(batch)
    assert [row.outcome for row in ack.results] == ["stored", "rejected", "stored"]
    assert (ack.stored, ack.rejected, either.deliver(batch).duplicate) == (2, 1, 2)
    assert [app.name for app in either.apps()] == ["bot"]


class TestFeedback:
    def test_with_the_same_event_id_is_one_event(self, either: Ratchet) -> None:
        reply = either.app("support")(echo)("hello")
        first = either.feedback(reply.id, thumb="down", event_id="e1", wait_s=WAIT_S)
        again = either.feedback(reply.id, thumb="down", event_id="e1", wait_s=WAIT_S)
        assert (first.accepted, first.duplicate, again.accepted, again.duplicate) == (True, False, True, True)
        assert first.feedback_id == again.feedback_id == "e1"

    @pytest.mark.parametrize(
        "said",
        [
            {}, {"stars": 9}, {"stars": True}, {"thumb": "sideways"}, {"scores": {"a": float("nan")}},
            {"scores": {"thumb": 1}}, {"scores": {"a": [1]}}, {"scores": {str(n): n for n in range(51)}},
            {"flags": "rude"}, {"flags": ["x" * 65]}, {"signals": {"shrug": 1}}, {"comment": "\ud800"},
            {"correction": "x" * 100_001}, {"thumb": "up", "event_id": "x" * 65}, {"thumb": "up", "user": 7},
        ],
        ids=lambda said: next(iter(said), "nothing") + "-" + str(next(iter(said.values()), ""))[:10],
    )  # fmt: skip
    def test_that_could_never_be_stored_is_refused_at_once(self, either: Ratchet, said: dict[str, object]) -> None:
        reply = either.app("support")(echo)("hello")
        with pytest.raises(InvalidInput):
            either.feedback(reply.id, **said)  # type: ignore[arg-type]

    def test_finds_its_app_by_the_trace_where_there_are_several(self, either: Ratchet) -> None:
        one, _ = either.app("support")(echo), either.app("triage", kind="classify", labels=LABELS)(echo)
        reply = one("hello")
        assert either.feedback(reply.id, thumb="down", wait_s=WAIT_S).accepted
        assert [case.trace_id for case in either.cases("support")] == [reply.id]


@pytest.mark.parametrize("question", ["", "  ", "x" * 100_001, "a\x00b", "\ud800", 7])
def test_a_question_that_cannot_be_one_is_refused(either: Ratchet, question: str) -> None:
    support = either.app("support")(echo)
    for ask in (support, lambda text: either.answer("support", text)):
        with pytest.raises(InvalidInput):
            ask(question)


def test_your_functions_own_error_passes_through_unchanged(either: Ratchet) -> None:
    error = LookupError("mine")

    def failing(question: str, learned: Learned) -> str:
        raise error

    with pytest.raises(LookupError) as caught:
        either.app("support")(failing)("hello")
    assert caught.value is error


def test_an_app_that_nobody_knows_cannot_be_asked(either: Ratchet) -> None:
    with pytest.raises(UnknownName):
        either.answer("nobody", "hello")
    with pytest.raises(UnknownName):
        either.learn("nobody")


def test_it_opens_again_after_it_was_closed(either: Ratchet) -> None:
    support = either.app("support")(echo)
    first = support("hello")
    either.close()
    second = support("hello")
    assert either.feedback(first.id, thumb="down", wait_s=WAIT_S).accepted
    assert either.feedback(second.id, thumb="down", wait_s=WAIT_S).accepted
    assert len(either.cases("support")) == 2
