"""The dialect of chat completions: where the question stands, how an answer looks, whole and in pieces."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from ratchet.errors import InvalidInput
from ratchet.layers.layer import Learned
from ratchet.records.trace import Turn
from ratchet.web.gateway.turns import Conversation, Ids, text_of

PATH = "/chat/completions"
DONE = b"data: [DONE]\n\n"


def conversation(body: dict[str, Any]) -> Conversation:
    """The last question and the turns before it. Raises ``InvalidInput`` when nobody asks anything."""
    messages = body["messages"]
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidInput("A message is not an object with a role.", "See OpenAI's chat format.")
    asked = next((at for at in range(len(messages) - 1, -1, -1) if messages[at]["role"] == "user"), -1)
    question = text_of(messages[asked].get("content")) if asked >= 0 else ""
    turns = tuple(Turn(message["role"], text_of(message.get("content"))) for message in messages[: max(asked, 0)])
    return Conversation(question, tuple(turn for turn in turns if turn.text), asked)


def with_learned(body: dict[str, Any], asked: int, learned: Learned) -> dict[str, Any]:
    """The body as it goes to the model: the prompt first, what was learned right above the question."""
    messages = list(body["messages"])
    if asked >= 0:
        message = dict(messages[asked])
        content = message.get("content")
        if isinstance(content, list):
            above = learned.placed("")
            message["content"] = [{"type": "text", "text": above}, *content] if above else content
        elif isinstance(content, str):
            message["content"] = learned.placed(content)
        messages[asked] = message
    if learned.prompt:
        messages.insert(0, {"role": "system", "content": learned.prompt})
    return {**body, "messages": messages}


def answer_text(answer: dict[str, Any]) -> str:
    """The text of the first choice."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        return ""
    message = choices[0].get("message")
    return text_of(message.get("content")) if isinstance(message, dict) else ""


def replaced(answer: dict[str, Any], text: str) -> dict[str, Any]:
    """The answer with another text, the rest as it was."""
    first = answer["choices"][0]
    return {**answer, "choices": [{**first, "message": {**first["message"], "content": text}}, *answer["choices"][1:]]}


def whole(ids: Ids, text: str) -> dict[str, Any]:
    """An answer made here."""
    return {
        "id": ids.trace_id,
        "object": "chat.completion",
        "created": ids.created,
        "model": ids.model,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "logprobs": None,
             "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }  # fmt: skip


def usage(answer: dict[str, Any]) -> tuple[int | None, int | None]:
    """Tokens in and out, where the provider says."""
    found = answer.get("usage")
    if not isinstance(found, dict):
        return None, None
    counts = (found.get("prompt_tokens"), found.get("completion_tokens"))
    return tuple(count if isinstance(count, int) and count >= 0 else None for count in counts)  # type: ignore[return-value]


def pieces(ids: Ids, words: Iterator[str]) -> Iterator[bytes]:
    """The chunks of a streamed answer made here, without the end."""
    yield _chunk(ids, {"role": "assistant", "content": ""})
    for word in words:
        yield _chunk(ids, {"content": word})
    yield _chunk(ids, {}, "stop")


def _chunk(ids: Ids, delta: dict[str, Any], finish: str | None = None) -> bytes:
    return event(
        {"id": ids.trace_id, "object": "chat.completion.chunk", "created": ids.created, "model": ids.model,
         "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}
    )  # fmt: skip


def event(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def stamp(chunk: dict[str, Any], ids: Ids) -> None:
    """Write our id into a chunk of the provider."""
    chunk["id"] = ids.trace_id


def piece_text(chunk: dict[str, Any]) -> str:
    """The text that a chunk adds to the first choice."""
    choices = chunk.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict) or choices[0].get("index", 0):
        return ""
    delta = choices[0].get("delta")
    return text_of(delta.get("content")) if isinstance(delta, dict) else ""


def ending(ids: Ids, about: dict[str, Any]) -> bytes:
    """The last chunk, with what is ours, and the end of the stream."""
    last = {"id": ids.trace_id, "object": "chat.completion.chunk", "created": ids.created, "model": ids.model,
            "choices": [], "ratchet": about}  # fmt: skip
    return event(last) + DONE


def breaks_off(about: str) -> bytes:
    """What a client is told when the provider's stream breaks off."""
    return event({"error": {"message": about, "type": "server_error", "code": "provider_broke_off", "param": None}})
