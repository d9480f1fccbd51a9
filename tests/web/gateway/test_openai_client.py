"""OpenAI's own client, unchanged but for its base_url."""

from __future__ import annotations

import asyncio
import base64
import struct

import numpy as np
import openai
import pytest
from openai import AsyncOpenAI

from tests.web.gateway.conftest import QUESTION, SAYS, Gateway

APPS = ("support", "triage", "bare", "tutor", "sorter")
USER = [{"role": "user", "content": QUESTION}]


@pytest.mark.parametrize("app", APPS)
def test_a_chat_carries_its_trace_release_and_token_in_body_and_headers(gateway: Gateway, app: str) -> None:
    raw = gateway.client.chat.completions.with_raw_response.create(model=app, messages=USER)  # type: ignore[arg-type]
    answer = raw.parse()
    about = answer.ratchet  # type: ignore[attr-defined]
    assert answer.id == about["trace_id"] == raw.headers["x-ratchet-trace"]
    assert str(about["release"]) == raw.headers["x-ratchet-release"] == "0"
    assert about["feedback_token"] == raw.headers["x-ratchet-feedback-token"]
    assert raw.request_id == answer.id
    assert (answer.object, answer.choices[0].finish_reason) == ("chat.completion", "stop")
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].message.content


@pytest.mark.parametrize("app", APPS)
def test_a_stream_says_what_the_whole_answer_says_and_every_chunk_has_a_choice(gateway: Gateway, app: str) -> None:
    whole = gateway.ask(app).choices[0].message.content
    raw = gateway.client.chat.completions.with_raw_response.create(model=app, messages=USER, stream=True)  # type: ignore[call-overload]
    chunks = list(raw.parse())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole
    assert {chunk.id for chunk in chunks} == {raw.headers["x-ratchet-trace"]}
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert [hasattr(chunk, "ratchet") for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].ratchet["feedback_token"] == raw.headers["x-ratchet-feedback-token"]


@pytest.mark.parametrize("app", APPS)
def test_a_stream_tells_its_tokens_last_when_it_is_asked_to(gateway: Gateway, app: str) -> None:
    chunks = list(gateway.ask(app, stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == chunks[-1].usage.prompt_tokens + chunks[-1].usage.completion_tokens
    assert chunks[-1].ratchet["trace_id"] == chunks[-1].id
    if app in ("bare", "tutor"):
        assert chunks[-1].usage.completion_tokens == len(SAYS.split())


@pytest.mark.parametrize("app", APPS)
def test_the_helper_for_streams_ends_with_the_whole_completion(gateway: Gateway, app: str) -> None:
    with gateway.client.chat.completions.stream(model=app, messages=USER) as stream:  # type: ignore[arg-type]
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "content.delta" in kinds
    assert final.choices[0].message.content == gateway.ask(app).choices[0].message.content


def test_the_asynchronous_client_asks_many_at_once(gateway: Gateway) -> None:
    async def ask() -> list[str | None]:
        async with AsyncOpenAI(base_url=gateway.url, api_key="unused", max_retries=0) as client:
            made = [client.chat.completions.create(model="tutor", messages=USER) for _ in range(20)]  # type: ignore[arg-type]
            answers = [answer.choices[0].message.content for answer in await asyncio.gather(*made)]
            stream = await client.chat.completions.create(model="tutor", messages=USER, stream=True)  # type: ignore[call-overload]
            return [*answers, "".join([chunk.choices[0].delta.content or "" async for chunk in stream])]

    assert asyncio.run(ask()) == [SAYS] * 21


@pytest.mark.parametrize("app", APPS)
def test_a_response_whole(gateway: Gateway, app: str) -> None:
    raw = gateway.client.responses.with_raw_response.create(model=app, input=QUESTION)
    response = raw.parse()
    assert response.id == raw.headers["x-ratchet-trace"] == response.ratchet["trace_id"]  # type: ignore[attr-defined]
    assert response.output_text == gateway.ask(app).choices[0].message.content
    assert (response.status, response.object, response.error) == ("completed", "response", None)
    assert response.usage is not None


@pytest.mark.parametrize("app", APPS)
def test_a_response_in_events(gateway: Gateway, app: str) -> None:
    events = list(gateway.client.responses.create(model=app, input=QUESTION, stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == gateway.client.responses.create(model=app, input=QUESTION).output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == text
    assert {event.response.id for event in events if hasattr(event, "response")} == {last.response.id}
    assert last.response.ratchet["trace_id"] == last.response.id  # type: ignore[attr-defined]


@pytest.mark.parametrize("app", APPS)
def test_the_helper_for_responses_ends_with_the_whole_response(gateway: Gateway, app: str) -> None:
    with gateway.client.responses.stream(model=app, input=QUESTION) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[0] == "response.created"
    assert final.output_text == gateway.client.responses.create(model=app, input=QUESTION).output_text


def test_embeddings_of_the_service_are_the_same_in_floats_and_in_base64(gateway: Gateway) -> None:
    texts = ["How long does a parcel take?", "Where is my parcel?"]
    floats = gateway.client.embeddings.create(model="support", input=texts, encoding_format="float")
    packed = gateway.service.post(
        "/v1/embeddings", {"model": "support", "input": texts, "encoding_format": "base64"}
    ).json()
    decoded = gateway.client.embeddings.create(model="support", input=texts)  # asks for base64, and unpacks it
    assert isinstance(packed["data"][0]["embedding"], str)
    size = len(floats.data[0].embedding)
    for row in range(2):
        assert np.allclose(floats.data[row].embedding, decoded.data[row].embedding)
        assert floats.data[row].index == row
        assert abs(sum(value * value for value in floats.data[row].embedding) - 1) < 1e-3

    unpacked = struct.unpack(f"<{size}f", base64.b64decode(packed["data"][1]["embedding"]))
    assert np.allclose(unpacked, floats.data[1].embedding)
    assert gateway.client.embeddings.create(model="support", input=texts[0]).model == "support"


def test_embeddings_of_the_provider_pass_unchanged(gateway: Gateway) -> None:
    answer = gateway.client.embeddings.create(model="tutor", input=["one"], encoding_format="float", dimensions=8)
    assert (answer.model, len(answer.data[0].embedding)) == ("vectors", 8)
    sent = gateway.model.last
    assert sent == {"model": "vectors", "input": ["one"], "encoding_format": "float", "dimensions": 8}


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"input": [[1, 2, 3]]}, 422, "check_embedding_ctx_length"),
        ({"input": []}, 422, "no text"),
        ({"input": " "}, 422, "no text"),
        ({"input": "x", "encoding_format": "int8"}, 422, "base64"),
        ({"input": "x", "dimensions": 3}, 422, "dimensions"),
        ({"input": ["x"] * 2049}, 413, "2048"),
    ],
)
def test_embeddings_that_cannot_be_made_are_refused_with_a_reason(
    gateway: Gateway, fields: dict[str, object], status: int, words: str
) -> None:
    answer = gateway.service.post("/v1/embeddings", {"model": "support", **fields})
    assert answer.status == status
    assert words in answer.json()["error"]["message"]


def test_the_apps_are_the_models(gateway: Gateway) -> None:
    names = {model.id for model in gateway.client.models.list()}
    assert names == {"support", "triage", "bare", "tutor", "plain", "sorter"}
    assert gateway.client.models.retrieve("tutor").owned_by == "ratchet"


def test_errors_are_the_clients_own(gateway: Gateway) -> None:
    with pytest.raises(openai.NotFoundError, match="no app named 'gpt-9'") as unknown:
        gateway.ask("gpt-9")
    assert unknown.value.code == "model_not_found"
    with pytest.raises(openai.NotFoundError):
        gateway.client.models.retrieve("gpt-9")
    with pytest.raises(openai.UnprocessableEntityError, match="Nobody asks"):
        gateway.client.chat.completions.create(model="support", messages=[{"role": "system", "content": "Be kind."}])
    with pytest.raises(openai.UnprocessableEntityError, match="role"):
        gateway.client.chat.completions.create(model="support", messages=[{"content": "?"}])  # type: ignore[list-item]


def test_who_asks_is_told_by_fields_or_headers(gateway: Gateway) -> None:
    told = gateway.ask("tutor", user="u1", metadata={"session": "s1", "segment": "web", "role": "buyer"})
    context = gateway.trace(told.id)["context"]
    assert {name: context[name] for name in ("user", "session", "segment", "role")} == {
        "user": "u1", "session": "s1", "segment": "web", "role": "buyer",
    }  # fmt: skip
    headers = {"X-Ratchet-User": "u2", "X-Ratchet-Session": "s2", "X-Ratchet-Task-Type": "ask"}
    context = gateway.trace(gateway.ask("tutor", extra_headers=headers).id)["context"]
    assert (context["user"], context["session"], context["task_type"]) == ("u2", "s2", "ask")
    assert gateway.trace(gateway.ask("tutor", safety_identifier="u3").id)["context"]["user"] == "u3"
