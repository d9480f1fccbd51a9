"""Evaluations become feedback on the answer that was evaluated."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.web.otlp.receive import Received
from ratchet.wire.feedback import FeedbackIn
from tests.web.otlp.requests import (
    STARTED,
    TRACE,
    a_record,
    a_span,
    an_event,
    both,
    logs_json,
    span_id,
    traces_json,
)

NAME = "gen_ai.evaluation.result"
LLM = {"openinference__span__kind": "LLM", "input__value": "When?", "output__value": "Now."}
FIRST, SECOND = f"{TRACE}-{span_id(1)}", f"{TRACE}-{span_id(2)}"


def evaluation(name: str = "relevance", *, number: int = 1, **attributes: Any) -> dict[str, Any]:
    given = {"gen_ai__evaluation__name": name} if name else {}
    return a_record(NAME, number=number, at_ms=2000, **given, **attributes)


def score(value: object) -> dict[str, Any]:
    return {"gen_ai__evaluation__score__value": value}


def label(value: object) -> dict[str, Any]:
    return {"gen_ai__evaluation__score__label": value}


def said(*records: dict[str, Any], resource: dict[str, Any] | None = None, default_app: str = "") -> FeedbackIn:
    received = both(logs_json(*records, resource=resource or {"service.name": "judge"}), default_app)
    assert received.refused == ()
    (feedback,) = received.feedback
    return feedback


def reason(record: dict[str, Any]) -> str:
    received = both(logs_json(record))
    assert received.feedback == ()
    (refused,) = received.refused
    return refused.reason


def on_span(*spans: dict[str, Any]) -> FeedbackIn:
    (feedback,) = both(traces_json(*spans)).feedback
    return feedback


class TestWhatItSays:
    def test_value_explanation_and_who_and_when(self) -> None:
        feedback = said(evaluation(**score(0.25), gen_ai__evaluation__explanation="Off topic.", ratchet__user="ana"))
        assert feedback.scores == {"relevance": 0.25}
        assert (feedback.id, feedback.comment, feedback.user) == (FIRST, "Off topic.", "ana")
        assert feedback.at == (STARTED + 2_000_000_000) / 1e9

    @pytest.mark.parametrize("name", ["annotator.id", "annotator", "user.id", "enduser.id"])
    def test_the_person_by_other_names(self, name: str) -> None:
        assert said(evaluation(**score(1), **{name: "ana"})).user == "ana"

    @pytest.mark.parametrize(
        ("attributes", "scores"),
        [
            (score(3), {"relevance": 3.0}),
            (score("0.5"), {"relevance": 0.5}),
            (label("relevant"), {"relevance": "relevant"}),
            (score(0.5) | label("partly"), {"relevance": 0.5, "relevance.label": "partly"}),
            (score("NaN") | label("partly"), {"relevance": "partly"}),
        ],
    )
    def test_a_value_or_a_label_or_both(self, attributes: dict[str, Any], scores: dict[str, Any]) -> None:
        assert said(evaluation(**attributes)).scores == scores

    @pytest.mark.parametrize(
        ("name", "attributes", "field", "value"),
        [
            ("thumb", score(1), "thumb", "up"),
            ("thumb", score(0.0), "thumb", "down"),
            ("thumb", label("down"), "thumb", "down"),
            ("stars", score(4), "stars", 4),
            ("correction", label("Five days."), "correction", "Five days."),
            ("comment", {"gen_ai__evaluation__explanation": "Thanks."}, "comment", "Thanks."),
            ("flag:unsafe", score(1), "flags", ["unsafe"]),
            ("signal:copy", score(1), "signals", {"copy": 1.0}),
            ("helpful", score(1) | {"ratchet__correction": "Five days."}, "correction", "Five days."),
        ],
    )
    def test_what_people_say_has_its_own_fields(
        self, name: str, attributes: dict[str, Any], field: str, value: object
    ) -> None:
        assert getattr(said(evaluation(name, **attributes)), field) == value

    @pytest.mark.parametrize(
        ("record", "why"),
        [
            (evaluation(""), "has no gen_ai.evaluation.name"),
            (evaluation("n" * 101, **score(1)), "more than 100 characters"),
            (evaluation(), "neither a finite gen_ai.evaluation.score.value nor"),
            (evaluation(**score("1e999")), "neither a finite"),
            (evaluation(**score("9" * 5000)), "neither a finite"),
            (evaluation("thumb", **score(7)), "neither up"),
            (evaluation("stars", **score(4.5)), "no number from 1 to 5"),
            (evaluation("stars"), "no number from 1 to 5"),
            (evaluation("correction"), "has no text"),
            (evaluation("flag:unsafe", **score(0)), "a flag is only raised"),
            (evaluation("flag: ", **score(1)), "names nothing"),
            (evaluation("signal:copy"), "has no value"),
            (evaluation(ratchet__trace__id="i" * 65, **score(1)), "more than 64 characters"),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_the_reason(self, record: dict[str, Any], why: str) -> None:
        assert why in reason(record)


class TestWhatItIsAbout:
    def test_the_span_that_a_record_names(self) -> None:
        assert said(evaluation(number=2, **score(1))).id == SECOND

    def test_the_trace_that_the_application_named(self) -> None:
        assert said(evaluation(number=0, ratchet__trace__id="answer-7", **score(1))).id == "answer-7"

    def test_the_span_that_has_the_event(self) -> None:
        event = an_event(NAME, gen_ai__evaluation__name="relevance", gen_ai__evaluation__score__value=0.5)
        feedback = on_span(a_span(1, **LLM, events=[event]), a_span(2, **LLM))
        assert (feedback.id, feedback.app, feedback.scores) == (FIRST, "help-desk", {"relevance": 0.5})
        assert on_span(a_span(1, **LLM, events=[event], ratchet__trace__id="answer-7")).id == "answer-7"

    def test_the_last_answer_where_the_event_is_on_the_run_around_it(self) -> None:
        event = an_event(NAME, gen_ai__evaluation__name="relevance", gen_ai__evaluation__score__value=0.5)
        run = a_span(9, openinference__span__kind="AGENT", ended_ms=3000, events=[event])
        calls = [a_span(2, above=9, ended_ms=2000, **LLM), a_span(1, above=9, ended_ms=1000, **LLM)]
        assert on_span(run, *calls).id == SECOND

    def test_the_span_itself_where_its_messages_come_elsewhere(self) -> None:
        event = an_event(NAME, gen_ai__evaluation__name="relevance", gen_ai__evaluation__score__value=0.5)
        chat = {"gen_ai__operation__name": "chat"}
        assert on_span(a_span(1, events=[event], **chat), a_span(2, **LLM)).id == FIRST

    def test_the_call_with_the_response_it_names(self) -> None:
        details = a_record(
            "gen_ai.client.inference.operation.details",
            number=2,
            gen_ai__input__messages=[{"role": "user", "content": "When?"}],
            gen_ai__output__messages=[{"role": "assistant", "content": "Now."}],
            gen_ai__response__id="r2",
        )
        assert said(details, evaluation(number=0, gen_ai__response__id="r2", **score(1))).id == SECOND
        assert said(details, evaluation(number=7, gen_ai__response__id="r2", **score(1))).id == SECOND

    def test_nothing_is_refused(self) -> None:
        why = "names no span, and no gen_ai.response.id of a call in this request"
        assert why in reason(evaluation(number=0, **score(1)))
        assert why in reason(evaluation(number=0, gen_ai__response__id="unknown", **score(1)))

    def test_one_of_several_calls_with_the_same_response_is_refused(self) -> None:
        event = an_event(
            NAME, gen_ai__evaluation__name="a", gen_ai__evaluation__score__value=1.0, gen_ai__response__id="r"
        )
        calls = [a_span(number, **LLM, gen_ai__response__id="r") for number in (1, 2)]
        received = both(traces_json(*calls, a_span(0, events=[event])))
        assert received.feedback == ()
        assert len(received.refused) == 1


class TestTheApp:
    """An evaluator often is a service of its own: its name is not the app's."""

    def test_is_left_open_where_it_is_not_known(self) -> None:
        assert said(evaluation(**score(1))).app == ""

    def test_is_the_one_that_is_named(self) -> None:
        assert said(evaluation(**score(1)), resource={"ratchet.app": "support"}, default_app="x").app == "support"
        assert said(evaluation(**score(1), ratchet__app="a"), resource={"ratchet.app": "support"}).app == "a"
        assert said(evaluation(**score(1)), default_app="fallback").app == "fallback"


class TestTheEventId:
    def test_is_the_same_however_often_the_event_comes(self) -> None:
        ids = {said(evaluation(**score(1))).event_id for _ in range(2)}
        assert len(ids) == 1
        assert len(ids.pop()) <= 64

    @pytest.mark.parametrize(
        "other",
        [
            evaluation(**score(0)),
            evaluation("tone", **score(1)),
            evaluation(number=2, **score(1)),
            evaluation(**score(1), ratchet__user="ana"),
            evaluation(**score(1), gen_ai__evaluation__explanation="x"),
            evaluation(**score(1)) | {"observedTimeUnixNano": str(STARTED)},
        ],
    )
    def test_differs_for_any_other_event(self, other: dict[str, Any]) -> None:
        assert said(other).event_id != said(evaluation(**score(1))).event_id


def test_evaluations_and_messages_may_come_in_one_request() -> None:
    records = [
        a_record("gen_ai.user.message", {"content": "When?"}),
        a_record("gen_ai.choice", {"message": {"content": "Now."}}),
        evaluation(**score(1)),
    ]
    received = both(logs_json(*records))
    assert [trace.id for trace in received.traces] == [received.feedback[0].id]
    assert received.feedback[0].app == "help-desk"
    assert received.refused == Received().refused
