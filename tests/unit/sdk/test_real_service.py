"""The typed client and the transport against the service itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet import Conflict, InvalidInput, Ratchet, Unauthorized
from ratchet.layers.layer import Learned
from ratchet.records.passage import Passage
from ratchet.sdk.api import Api
from ratchet.wire.apps import AskIn, PassageIn
from ratchet.wire.feedback import FeedbackIn, TokenIn
from ratchet.wire.gaps import GapIn
from ratchet.wire.keys import KeyIn
from ratchet.wire.releases import MoveIn, RevokeIn
from ratchet.wire.review import ReserveIn, VerdictIn
from tests.conftest import PASSAGES
from tests.unit.sdk.conftest import LEXICAL, eventually
from tests.unit.sdk.real_service import RealService
from tests.unit.sdk.test_api import CALLS, Listener, asked_by, matches

QUESTION = "Can I return my bike after six weeks?"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[RealService]:
    made = RealService(tmp_path / "service.db").start()
    yield made
    made.stop()


@pytest.fixture
def api(service: RealService) -> Iterator[Api]:
    with Api(service.url) as made:
        yield made


@pytest.fixture
def support(service: RealService) -> RealService:
    """An app that the service runs."""
    service.house.declare("support", "answer")
    service.house.know(
        "support", [Passage(id=key, app="support", title=title, text=text) for key, title, text in PASSAGES]
    )
    return service


@pytest.fixture
def loop(service: RealService, tmp_path: Path) -> Iterator[Ratchet]:
    made = Ratchet(
        service.url, environment={**LEXICAL, "RATCHET_STATE": str(tmp_path / "state")}, learned_timeout_s=5.0
    )
    yield made
    made.close()


def test_every_operation_that_the_service_describes_has_a_method(api: Api) -> None:
    described = {(method.upper(), path) for path, operations in api.openapi()["paths"].items() for method in operations}
    assert len(described) > 40
    listener = Listener()
    with Api(listener.url) as recording:
        asked = {asked_by(recording, listener, name)[:2] for name in CALLS}
    listener.server.shutdown()
    listener.server.server_close()
    missing = {
        (method, path) for method, path in described
        if not any(method == other and matches(path, target) for other, target in asked)
    }  # fmt: skip
    assert missing == set()


def test_the_whole_loop_of_an_app_with_a_function_of_its_own(loop: Ratchet) -> None:
    asked: list[str] = []

    @loop.app("own")
    def answer(question: str, learned: object) -> str:
        asked.append(question)
        return "Sorry, only within 30 days."

    reply = answer(QUESTION, user="u1")
    assert loop.feedback(reply.id, user="u1", thumb="down", wait_s=10).accepted
    (case,) = loop.queue("own", 1)
    assert loop.decide(case.id, reviewer="Ines", erred=True, answer="Yes, within 60 days.").lesson is not None
    report = loop.learn("own", now=True)
    assert report.release is not None, report.summary()

    again = answer(QUESTION, user="u2")
    assert (str(again), again.source, again.release) == ("Yes, within 60 days.", "reviewed", 1)
    assert asked == [QUESTION], "the gate judged with what the function answered before, and did not call it"


def test_what_was_lost_is_in_the_audit_log_once(api: Api) -> None:
    for _ in range(2):
        assert api.report_gap(GapIn(since=1.0, until=2.0, trace=3, rating=1, event_id="gap-1")).lost == 4
    (entry,) = [entry for entry in api.audit().entries if entry.action == "capture.gap"]
    assert entry.details == {"trace": 3, "rating": 1, "since": 1, "until": 2}


def test_the_whole_loop_of_an_app_that_the_service_runs(api: Api, support: RealService) -> None:
    reply = api.answer("support", AskIn(input=QUESTION, user="u1", segment="web"))
    assert (reply.release, reply.passage_id, reply.output) == (0, "returns", PASSAGES[0][2])
    ack = api.send_feedback(FeedbackIn(id=reply.id, user="u1", thumb="down", comment="It changed."))
    assert (ack.trace_id, ack.outcome) == (reply.id, "stored")
    token = ack.status_url.partition("token=")[2]
    assert api.feedback_status(ack.feedback_id, token=token).progress == "in_review"
    (page,) = api.feedback_page(app="support", negative=True, limit=5).feedback
    assert page == api.feedback(ack.feedback_id)
    assert ack.feedback_id in api.export_feedback("csv", app="support")

    (detail,) = api.queue("support", count=1).cases
    assert api.reserve(detail.case.id, ReserveIn(reviewer="Ines")).reserved_by == "Ines"
    with pytest.raises(Conflict):
        api.reserve(detail.case.id, ReserveIn(reviewer="Bea"))
    decided = api.decide(detail.case.id, VerdictIn(reviewer="Ines", erred=True, answer="Yes, within 60 days."))
    assert decided.lesson is not None
    assert api.case(detail.case.id).case.status == "decided"
    turn = api.learn("support", now=True)
    assert (turn.decision, turn.release) == ("pass", 1), turn.summary
    assert api.answer("support", AskIn(input=QUESTION)).output == "Yes, within 60 days."
    assert api.feedback_status(ack.feedback_id, token=token).progress == "released"
    known = api.learned("support", AskIn(input=QUESTION))
    assert (known.release, known.reviewed) == (1, decided.lesson)

    assert [release.number for release in api.releases("support").releases] == [1]
    assert api.release("support", 1).reports[0].decision == "pass"
    assert api.rollback("support", MoveIn(actor="ana", reason="x")).release == 0
    assert api.promote("support", MoveIn(actor="ana", reason="x", number=1)).release == 1
    assert api.lessons("support").lessons == [api.lesson(decided.lesson.id)]
    assert api.revoke_lesson(decided.lesson.id, RevokeIn(actor="ana", reason="x")).status == "revoked"
    assert api.audit(app="support", last=1).entries[0].action == "lesson.revoked"
    (standing,) = api.apps()
    assert standing == api.app("support")
    assert standing.traces == len(api.traces_page(app="support", limit=100).traces)
    assert api.trace(reply.id).feedback == [page]
    assert QUESTION in api.export_traces("jsonl", app="support")


def test_the_rest_of_its_operations(api: Api, support: RealService) -> None:
    assert api.healthz()["service"] == "ratchet"
    assert api.readyz()["ready"] is True
    assert "ratchet" in api.metrics()
    assert "ratchet" in api.browser_script().lower()
    assert [model["id"] for model in api.models()["data"]] == ["support"]
    assert api.model("support")["id"] == "support"
    reply = api.answer("support", AskIn(input=QUESTION))
    assert api.feedback_token(TokenIn(trace_id=reply.id, app="support")).token
    assert api.send_feedback_batch([FeedbackIn(id=reply.id, stars=1, event_id="e1")]).stored == 1
    assert api.otlp_traces({"resourceSpans": []}).partial_success == {}
    assert api.otlp_logs({"resourceLogs": []}).partial_success == {}
    assert api.rotate_tokens().secret_id
    with pytest.raises(InvalidInput):
        api.send_feedback(FeedbackIn(id=reply.id))


def test_keys_open_and_close_it(service: RealService, api: Api) -> None:
    made = api.make_key(KeyIn(name="ops", scopes=["admin", "read"]))
    with pytest.raises(Unauthorized):
        api.apps()
    with Api(service.url, made.secret) as keyed:
        assert keyed.apps() == []
        assert [key.id for key in keyed.keys().keys] == [made.key.id]
        assert keyed.revoke_key(made.key.id).revoked_at is not None


def test_own_functions_get_what_was_learned_and_what_they_said_arrives(
    service: RealService, loop: Ratchet, tmp_path: Path
) -> None:
    knowledge = tmp_path / "knowledge.jsonl"
    knowledge.write_text('{"passage_id": "p", "title": "Returns", "text": "Within 30 days."}\n')
    seen: list[Learned] = []

    @loop.app("bot", knowledge=knowledge, prompt="Be brief.")
    def bot(question: str, learned: Learned) -> str:
        seen.append(learned)
        return "Sorry."

    reply = bot(QUESTION, user="u1", history=[{"role": "user", "content": "Hi."}])
    assert (reply.source, reply.release, reply.passage_id) == ("base", 0, "p")
    assert reply.feedback_token
    assert (seen[0].prompt, seen[0].passages[0].passage.text) == ("Be brief.", "Within 30 days.")
    assert loop.feedback(reply.id, user="u1", thumb="down", wait_s=10.0).accepted
    (case,) = loop.queue("bot", 1)
    detail = loop.case(case.id)
    assert detail.trace is not None
    assert (detail.trace.id, detail.trace.history[0].text) == (reply.id, "Hi.")
    kept = loop._remote("x").line.keeper.watch(bot).kept
    eventually(lambda: kept.content is not None)
    assert kept.content == loop.api.release_content("bot")
    assert loop.api.release_content("bot", revision=kept.revision) is None


def test_a_release_of_the_service_is_verified_kept_and_answers_while_it_is_away(
    support: RealService, loop: Ratchet
) -> None:
    reply = loop.answer("support", QUESTION, user="u1")
    assert loop.feedback(reply.id, thumb="down", wait_s=10.0).accepted
    (case,) = loop.queue("support", 1)
    loop.decide(case.id, reviewer="Ines", erred=True, answer="Yes, within 60 days.")
    turn = loop.learn("support", now=True)
    assert turn.release is not None
    content = loop.api.release_content("support")
    assert content is not None
    from ratchet.sdk.kept_release import KeptRelease

    assert KeptRelease("support", None, lambda fingerprint: None).take(content)
    lesson = content.lessons[0]
    loop.revoke(lesson.id, actor="ana", reason="x")
    after = loop.api.release_content("support", revision=content.revision)
    assert after is not None
    assert after.lessons == []
    assert KeptRelease("support", None, lambda fingerprint: None).take(after)


def test_knowledge_is_replaced(api: Api, loop: Ratchet) -> None:
    loop.app("bot")(lambda question, learned: "x")("hello")
    out = api.put_knowledge("bot", [PassageIn(passage_id="p", text="Within 30 days.")])
    assert (out.passages, api.learned("bot", AskIn(input="days")).passages[0].id) == (1, "p")
