"""Exporters against the running service: what they send is stored, once, and read back."""

from __future__ import annotations

import json

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ratchet.web.otlp.receive import JSON, PROTOBUF
from tests.web.otlp.requests import TRACE, a_record, a_span, an_event, as_protobuf, logs_json, span_id, traces_json
from tests.web.running import Running

LLM = {"openinference__span__kind": "LLM", "input__value": "Where is order 7?", "output__value": "In Graz."}
JUDGED = an_event("gen_ai.evaluation.result", gen_ai__evaluation__name="tone", gen_ai__evaluation__score__value=0.5)


def test_what_the_sdk_exports_is_read_back(live: Running) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "exported"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=f"{live.url}/v1/traces")))
    with provider.get_tracer("invented").start_as_current_span("chat") as span:
        span.set_attributes({name.replace("__", "."): value for name, value in LLM.items()} | {"user.id": "u1"})
        span.add_event(
            "gen_ai.evaluation.result", {"gen_ai.evaluation.name": "tone", "gen_ai.evaluation.score.value": 0.5}
        )
    assert provider.force_flush()
    provider.shutdown()

    (trace,) = live.get("/v1/traces?app=exported").json()["traces"]
    ids = span.get_span_context()
    assert trace["id"] == f"{ids.trace_id:032x}-{ids.span_id:016x}"
    assert (trace["input"], trace["output"], trace["context"]["user"]) == ("Where is order 7?", "In Graz.", "u1")
    (feedback,) = live.get(f"/v1/traces/{trace['id']}").json()["feedback"]
    assert feedback["scores"][0]["name"] == "tone"


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_a_batch_that_is_sent_again_changes_nothing(live: Running, content_type: str) -> None:
    app = content_type.partition("/")[2]
    trace = "".join(f"{ord(letter):02x}" for letter in app).ljust(32, "0")[:32]
    body = traces_json(a_span(1, trace=trace, **LLM, events=[JUDGED]), resource={"service.name": app})
    body = as_protobuf(body) if content_type == PROTOBUF else body
    for _ in range(2):
        answered = live.post("/v1/traces", raw=body, headers={"content-type": content_type})
        assert (answered.status, answered.headers["content-type"]) == (200, content_type)
        assert answered.data in (b"", b"{}")
    (stored,) = live.get(f"/v1/traces?app={app}").json()["traces"]
    assert len(live.get(f"/v1/traces/{stored['id']}").json()["feedback"]) == 1


def test_a_span_and_its_log_records_are_stored_once(live: Running) -> None:
    span = traces_json(a_span(5, **LLM), resource={"service.name": "twice"})
    records = [
        a_record("gen_ai.user.message", {"content": "Where is order 7?"}, number=5),
        a_record("gen_ai.choice", {"message": {"content": "In Graz."}}, number=5, at_ms=700),
    ]
    logs = logs_json(*records, resource={"service.name": "twice"})
    assert live.post("/v1/logs", raw=logs, headers={"content-type": JSON}).data == b"{}"
    assert live.post("/v1/traces", raw=span, headers={"content-type": JSON}).data == b"{}"
    (trace,) = live.get("/v1/traces?app=twice").json()["traces"]
    assert trace["id"] == f"{TRACE}-{span_id(5)}"


def test_what_is_refused_is_said_and_the_rest_is_stored(live: Running) -> None:
    body = traces_json(
        a_span(6, **LLM, ratchet__app="partly"), a_span(7, **LLM | {"output__value": ""}, ratchet__app="partly")
    )
    answered = live.post("/v1/traces", raw=body, headers={"content-type": JSON})
    partial = {"rejectedSpans": "1", "errorMessage": "It has a question and no answer."}
    assert (answered.status, answered.json()) == (200, {"partialSuccess": partial})
    assert len(live.get("/v1/traces?app=partly").json()["traces"]) == 1


def test_a_body_that_cannot_be_read_is_a_client_error_in_its_own_encoding(live: Running) -> None:
    answered = live.post("/v1/traces", raw=b"{", headers={"content-type": JSON})
    assert 400 <= answered.status < 500
    assert "not the JSON that OTLP prescribes" in json.loads(answered.data)["message"]
    answered = live.post("/v1/traces", raw=b"\xff", headers={"content-type": PROTOBUF})
    assert 400 <= answered.status < 500
    assert answered.headers["content-type"] == PROTOBUF
    assert b"not the protobuf that OTLP prescribes" in answered.data
