"""What reviewers taught reaches the gateway's answers, unless the client asked for another form."""

from __future__ import annotations

import json
from typing import Any

from ratchet.providers.scripted import Reply
from tests.web.gateway.conftest import QUESTION, SAYS, Gateway

TAUGHT = "Since May it takes 3 to 5 working days."
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
IN_JSON = '{"days": 3}'


def teach(gateway: Gateway, app: str, question: str, answer: str) -> str:
    """Complain, decide, learn: the lesson's id; a release is in force afterwards."""
    token = gateway.ask(app, question).ratchet["feedback_token"]
    told = gateway.service.post("/v1/feedback", {"token": token, "thumb": "down"}).json()
    verdict = {"reviewer": "Ines", "erred": True, "answer": answer}
    decided = gateway.service.post(f"/v1/cases/{told['review_id']}/verdict", verdict)
    assert decided.status == 200, decided.data
    learned = gateway.service.post(f"/v1/apps/{app}/learn", {})
    assert learned.json()["release"] == 1, learned.data
    return str(decided.json()["lesson"]["id"])


def test_a_reviewed_question_is_answered_without_asking_the_model(fresh: Gateway) -> None:
    lesson = teach(fresh, "tutor", QUESTION, TAUGHT)
    asked = len(fresh.model.received)
    raw = fresh.client.chat.completions.with_raw_response.create(
        model="tutor", messages=[{"role": "user", "content": QUESTION}]
    )
    answer: Any = raw.parse()
    assert answer.choices[0].message.content == TAUGHT
    assert (answer.ratchet["source"], answer.ratchet["release"]) == ("reviewed", 1)
    assert raw.headers["x-ratchet-release"] == "1"
    assert lesson in [item["id"] for item in answer.ratchet["influences"]]
    assert fresh.trace(answer.id)["source"] == "reviewed"
    chunks = list(fresh.ask("tutor", stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == TAUGHT
    first = fresh.client.responses.create(model="tutor", input=QUESTION)
    assert first.output_text == TAUGHT
    assert len(fresh.model.received) == asked

    # The model never saw that answer; whoever goes on from it brings it along.
    fresh.client.responses.create(model="tutor", input="And abroad?", previous_response_id=first.id)
    sent = fresh.model.last
    assert "previous_response_id" not in sent
    assert sent["input"][:2] == [{"role": "user", "content": QUESTION}, {"role": "assistant", "content": TAUGHT}]
    assert sent["input"][2]["role"] == "user"
    assert sent["input"][2]["content"].endswith("And abroad?")

    in_json(fresh)
    other_words(fresh, lesson)


def in_json(fresh: Gateway) -> None:
    """A client that wants JSON, a tool or several answers gets them from the model, which is told what was learned."""
    fresh.model.says(IN_JSON)
    answer = fresh.ask("tutor", response_format=SCHEMA)
    assert answer.choices[0].message.content == IN_JSON
    assert TAUGHT in fresh.model.last["messages"][1]["content"]
    assert fresh.client.responses.create(
        model="tutor", input=QUESTION, text={"format": {"type": "json_object"}}
    ).output_text == IN_JSON  # fmt: skip
    calls = [{"id": "c", "type": "function", "function": {"name": "track", "arguments": "{}"}}]
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": calls},
              "finish_reason": "tool_calls"}  # fmt: skip
    body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    fresh.model.says(Reply(body=json.dumps(body).encode()))
    tools: Any = [{"type": "function", "function": {"name": "track", "parameters": {"type": "object"}}}]
    forced = fresh.ask("tutor", tools=tools, tool_choice={"type": "function", "function": {"name": "track"}})
    assert forced.choices[0].message.tool_calls[0].function.name == "track"
    fresh.model.says(SAYS)
    fresh.ask("tutor", n=2)
    assert fresh.model.last["n"] == 2
    loop: Any = [{"role": "user", "content": QUESTION}, {"role": "assistant", "tool_calls": calls},
                 {"role": "tool", "tool_call_id": "c", "content": "on its way"}]  # fmt: skip
    answer = fresh.client.chat.completions.create(model="tutor", messages=loop)
    assert answer.choices[0].message.content == SAYS


def other_words(fresh: Gateway, lesson: str) -> None:
    answer = fresh.ask("tutor", "How long does a parcel take to Spain?")
    assert answer.choices[0].message.content == SAYS
    assert TAUGHT in fresh.model.last["messages"][1]["content"]
    assert lesson in [item["id"] for item in answer.ratchet["influences"]]


def test_lessons_vote_on_the_models_label_and_never_on_another_form(fresh: Gateway) -> None:
    fresh.model.says("refund")
    lesson = teach(fresh, "sorter", "The parcel with my money has not come", "delivery")
    question = "The parcel with my money has still not come"
    answer = fresh.ask("sorter", question)
    assert answer.choices[0].message.content == "delivery"
    assert (answer.ratchet["source"], answer.ratchet["release"]) == ("learned", 1)
    assert lesson in [item["id"] for item in answer.ratchet["influences"]]
    assert fresh.model.last["messages"][-1]["content"].endswith(question)

    chunks = list(fresh.ask("sorter", question, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "delivery"
    assert "stream" not in fresh.model.last
    trace = fresh.trace(chunks[0].id)
    assert (trace["output"], trace["model"], trace["output_tokens"]) == ("delivery", "small", 1)

    fresh.model.says('{"label": "refund"}')
    answer = fresh.ask("sorter", question, response_format={"type": "json_object"})
    assert answer.choices[0].message.content == '{"label": "refund"}'
    assert answer.ratchet["source"] == "base"
    chunks = list(fresh.ask("sorter", question, response_format={"type": "json_object"}, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == '{"label": "refund"}'
