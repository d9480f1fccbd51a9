"""The dialect of the responses API: where the question stands, how an answer looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ratchet.errors import InvalidInput
from ratchet.layers.layer import Learned
from ratchet.records.trace import Turn
from ratchet.web.gateway.turns import Conversation, Heard, Ids, forces_tool, text_of

PATH = "/responses"
ENDS = ("response.completed", "response.incomplete", "response.failed")


def conversation(body: dict[str, Any]) -> Conversation:
    """The last question and the turns before it. Raises ``InvalidInput`` for items that are no objects."""
    asked_for = body["input"]
    earlier = (Turn("system", body["instructions"]),) if isinstance(body.get("instructions"), str) else ()
    if isinstance(asked_for, str):
        return Conversation(asked_for, tuple(turn for turn in earlier if turn.text), 0)
    for item in asked_for:
        if not isinstance(item, dict):
            raise InvalidInput("An item of the input is not an object.", "See OpenAI's responses format.")
    asked = next((at for at in range(len(asked_for) - 1, -1, -1) if asked_for[at].get("role") == "user"), -1)
    question = text_of(asked_for[asked].get("content")) if asked >= 0 else ""
    before = asked_for[:asked] if asked >= 0 else asked_for
    turns = [Turn(str(item.get("role", "tool")), text_of(item.get("content"))) for item in before]
    history = tuple(turn for turn in (*earlier, *turns) if turn.text)
    return Conversation(question, history, asked, asked == len(asked_for) - 1)


def is_plain(body: dict[str, Any]) -> bool:
    """Whether one text, whatever it says, is an answer: no JSON and no tool was asked for, and no later look at it."""
    text = body.get("text")
    form = text.get("format") if isinstance(text, dict) else None
    if isinstance(form, dict) and form.get("type") != "text":
        return False
    return not forces_tool(body.get("tool_choice")) and not body.get("background")


def with_learned(body: dict[str, Any], asked: int, learned: Learned) -> dict[str, Any]:
    """The body as it goes to the model: the prompt in the instructions, what was learned above the question."""
    made = dict(body)
    if isinstance(body["input"], str):
        made["input"] = learned.placed(body["input"])
    elif asked >= 0:
        items = list(body["input"])
        item = dict(items[asked])
        content = item.get("content")
        if isinstance(content, str):
            item["content"] = learned.placed(content)
        elif isinstance(content, list) and (above := learned.placed("")):
            item["content"] = [{"type": "input_text", "text": above}, *content]
        items[asked] = item
        made["input"] = items
    if learned.prompt:
        own = body.get("instructions")
        made["instructions"] = f"{learned.prompt}\n\n{own}" if isinstance(own, str) and own else learned.prompt
    return made


def is_answer(answer: dict[str, Any]) -> bool:
    """Whether this is a response with items in it, or with the place for them."""
    output = answer.get("output")
    return isinstance(output, list) and all(isinstance(item, dict) for item in output)


def heard(answer: dict[str, Any]) -> Heard:
    """All that the output says."""
    found = Heard()
    _hear_response(found, answer)
    found.texts = ["\n".join(_texts_of(answer))]
    return found


def _hear_response(found: Heard, response: dict[str, Any]) -> None:
    found.about(response.get("model"), response.get("usage"), "input_tokens", "output_tokens")
    output = response.get("output")
    for place, item in enumerate(output) if isinstance(output, list) else ():
        if isinstance(item, dict) and item.get("type") == "function_call":
            found.call(place, item.get("name"), item.get("arguments"))
        elif isinstance(item, dict) and isinstance(item.get("content"), list):
            parts = [part.get("refusal") for part in item["content"] if isinstance(part, dict)]
            found.refusals += [part for part in parts if isinstance(part, str)]


def _texts_of(answer: dict[str, Any]) -> list[str]:
    texts = [text_of(item.get("content")) for item in answer["output"] if item.get("type") == "message"]
    return [text for text in texts if text]


def replaced(answer: dict[str, Any], text: str) -> dict[str, Any]:
    """The answer with another text in the place of its messages, the rest as it was."""
    kept = [item for item in answer["output"] if item.get("type") != "message"]
    return {**answer, "output": [*kept, _message(str(answer.get("id", "")), text)]}


def whole(ids: Ids, text: str, status: str = "completed") -> dict[str, Any]:
    """An answer made here."""
    return {
        "id": ids.trace_id,
        "object": "response",
        "created_at": ids.created,
        "status": status,
        "model": ids.model,
        "output": [_message(ids.trace_id, text)] if text else [],
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0,
                  "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
    }  # fmt: skip


def _message(trace_id: str, text: str) -> dict[str, Any]:
    return {"id": f"msg_{trace_id}", "type": "message", "status": "completed", "role": "assistant",
            "content": [{"type": "output_text", "text": text, "annotations": []}]}  # fmt: skip


def pieces(ids: Ids, words: Iterator[str], about: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
    """The events of a streamed answer made here, with what is ours in the completed response."""
    message = f"msg_{ids.trace_id}"
    place = {"item_id": message, "output_index": 0, "content_index": 0}
    item = {"id": message, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    text = ""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": whole(ids, "", "in_progress")},
        {"type": "response.in_progress", "response": whole(ids, "", "in_progress")},
        {"type": "response.output_item.added", "output_index": 0, "item": item},
        {"type": "response.content_part.added", **place, "part": part},
    ]
    for word in words:
        text += word
        events.append({"type": "response.output_text.delta", **place, "delta": word, "logprobs": []})
    events += [
        {"type": "response.output_text.done", **place, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": {**part, "text": text}},
        {"type": "response.output_item.done", "output_index": 0, "item": _message(ids.trace_id, text)},
        {"type": "response.completed", "response": {**whole(ids, text), "ratchet": about}},
    ]
    for number, made in enumerate(events):
        yield event({**made, "sequence_number": number})


def event(value: dict[str, Any]) -> bytes:
    """One server-sent event with its name."""
    return f"event: {value.get('type', 'message')}\n".encode() + b"data: " + msgspec.json.encode(value) + b"\n\n"


def stamp(chunk: dict[str, Any], ids: Ids) -> None:
    """Write our id into an event of the provider."""
    if isinstance(chunk.get("response"), dict):
        chunk["response"]["id"] = ids.trace_id


def hear(heard: Heard, chunk: dict[str, Any]) -> None:
    """Take up what an event adds."""
    if chunk.get("type") == "response.output_text.delta":
        heard.texts.append(text_of(chunk.get("delta")))
    elif is_last(chunk):
        _hear_response(heard, chunk["response"])


def is_error(chunk: dict[str, Any]) -> bool:
    """Whether the provider says in the midst of its stream that it failed."""
    return chunk.get("type") in ("error", "response.failed") or bool(chunk.get("error"))


def is_last(chunk: dict[str, Any]) -> bool:
    """Whether this is the event with which a response ends."""
    return chunk.get("type") in ENDS and isinstance(chunk.get("response"), dict)


def ending(ids: Ids, last: dict[str, Any] | None, about: Mapping[str, Any]) -> Iterator[bytes]:
    """The event that ends the response, with what is ours in it."""
    if last is not None:
        yield event({**last, "response": {**last["response"], "ratchet": about}})


def breaks_off(about: str) -> bytes:
    """What a client is told when the provider's stream breaks off."""
    return event({"type": "error", "code": "provider_broke_off", "message": about, "param": None, "sequence_number": 0})
