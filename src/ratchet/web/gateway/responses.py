"""The dialect of the responses API: where the question stands, how an answer looks, whole and in events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ratchet.errors import InvalidInput
from ratchet.layers.layer import Learned
from ratchet.records.trace import Turn
from ratchet.web.gateway.turns import Conversation, Ids, text_of

PATH = "/responses"


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
    turns = [Turn(str(item.get("role", "tool")), text_of(item.get("content"))) for item in asked_for[: max(asked, 0)]]
    return Conversation(question, tuple(turn for turn in (*earlier, *turns) if turn.text), asked)


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


def answer_text(answer: dict[str, Any]) -> str:
    """All text of the output."""
    output = answer.get("output")
    if not isinstance(output, list):
        return ""
    found = [
        text_of(item.get("content")) for item in output if isinstance(item, dict) and item.get("type") == "message"
    ]
    return "\n".join(text for text in found if text)


def replaced(answer: dict[str, Any], text: str) -> dict[str, Any]:
    """The answer with another text, the rest as it was."""
    return {**answer, "output": [_message(str(answer.get("id", "")), text)]}


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


def usage(answer: dict[str, Any]) -> tuple[int | None, int | None]:
    """Tokens in and out, where the provider says."""
    found = answer.get("usage")
    if not isinstance(found, dict):
        return None, None
    counts = (found.get("input_tokens"), found.get("output_tokens"))
    return tuple(count if isinstance(count, int) and count >= 0 else None for count in counts)  # type: ignore[return-value]


def pieces(ids: Ids, words: Iterator[str]) -> Iterator[bytes]:
    """The events of a streamed answer made here, up to the completed text."""
    message = f"msg_{ids.trace_id}"
    place = {"item_id": message, "output_index": 0, "content_index": 0}
    item = {"id": message, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
    part = {"type": "output_text", "text": "", "annotations": []}
    text = ""
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": whole(ids, "", "in_progress")},
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
        {"type": "response.completed", "response": whole(ids, text)},
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


def piece_text(chunk: dict[str, Any]) -> str:
    """The text that an event adds."""
    return text_of(chunk.get("delta")) if chunk.get("type") == "response.output_text.delta" else ""


def ending(ids: Ids, about: dict[str, Any]) -> bytes:
    """Nothing: the events end with the completed response, and what is ours went ahead in the headers."""
    return b""


def breaks_off(about: str) -> bytes:
    """What a client is told when the provider's stream breaks off."""
    return event({"type": "error", "code": "provider_broke_off", "message": about, "param": None, "sequence_number": 0})
