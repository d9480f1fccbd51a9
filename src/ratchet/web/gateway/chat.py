"""The dialect of chat completions: where the question stands, how an answer looks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from ratchet.errors import InvalidInput
from ratchet.layers.layer import Learned
from ratchet.records.trace import Turn
from ratchet.web.gateway.turns import Conversation, Heard, Ids, forces_tool, text_of

PATH = "/chat/completions"
DONE = b"data: [DONE]\n\n"
NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


def conversation(body: dict[str, Any]) -> Conversation:
    """The last question and the turns before it. Raises ``InvalidInput`` for messages without a role."""
    messages = body["messages"]
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise InvalidInput("A message is not an object with a role.", "See OpenAI's chat format.")
    asked = next((at for at in range(len(messages) - 1, -1, -1) if messages[at]["role"] == "user"), -1)
    question = text_of(messages[asked].get("content")) if asked >= 0 else ""
    before = messages[:asked] if asked >= 0 else messages
    turns = [Turn(message["role"], text_of(message.get("content"))) for message in before]
    return Conversation(question, tuple(turn for turn in turns if turn.text), asked, asked == len(messages) - 1)


def is_plain(body: dict[str, Any]) -> bool:
    """Whether one text, whatever it says, is an answer: no JSON, no tool and no second choice was asked for."""
    form = body.get("response_format")
    if isinstance(form, dict) and form.get("type") != "text":
        return False
    if forces_tool(body.get("tool_choice")) or isinstance(body.get("function_call"), dict):
        return False
    return body.get("n") in (None, 1) and not body.get("logprobs") and not body.get("audio")


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
    made = {**body, "messages": messages}
    if not body.get("store"):
        # It was for us; OpenAI refuses it in a completion that is not stored.
        made.pop("metadata", None)
    return made


def is_answer(answer: dict[str, Any]) -> bool:
    """Whether this is a completion with at least one message in it."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices:
        return False
    return all(isinstance(choice, dict) and isinstance(choice.get("message"), dict) for choice in choices)


def heard(answer: dict[str, Any]) -> Heard:
    """What the first choice says."""
    found = Heard()
    found.about(answer.get("model"), answer.get("usage"), "prompt_tokens", "completion_tokens")
    _hear_message(found, answer["choices"][0]["message"])
    return found


def _hear_message(found: Heard, message: dict[str, Any]) -> None:
    if content := message.get("content"):
        found.texts.append(text_of(content))
    if refusal := message.get("refusal"):
        found.refusals.append(text_of(refusal))
    calls = message.get("tool_calls")
    for place, call in enumerate(calls) if isinstance(calls, list) else ():
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            at = call.get("index")
            found.call(at if isinstance(at, int) else place, function.get("name"), function.get("arguments"))


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
        "usage": NO_TOKENS,
    }  # fmt: skip


def pieces(ids: Ids, words: Iterator[str], about: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
    """A streamed answer made here, with what is ours in its last chunk."""
    yield event(_chunk(ids, {"role": "assistant", "content": ""}))
    for word in words:
        yield event(_chunk(ids, {"content": word}))
    last = _chunk(ids, {}, "stop")
    options = body.get("stream_options")
    if isinstance(options, dict) and options.get("include_usage"):
        yield event(last)
        last = {**last, "choices": [], "usage": NO_TOKENS}
    yield from ending(ids, last, about)


def _chunk(ids: Ids, delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": ids.trace_id, "object": "chat.completion.chunk", "created": ids.created, "model": ids.model,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}  # fmt: skip


def event(value: dict[str, Any]) -> bytes:
    """One server-sent event."""
    return b"data: " + msgspec.json.encode(value) + b"\n\n"


def stamp(chunk: dict[str, Any], ids: Ids) -> None:
    """Write our id into a chunk of the provider."""
    chunk["id"] = ids.trace_id


def hear(heard: Heard, chunk: dict[str, Any]) -> None:
    """Take up what a chunk adds to the first choice."""
    heard.about(chunk.get("model"), chunk.get("usage"), "prompt_tokens", "completion_tokens")
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index") and isinstance(choice.get("delta"), dict):
            _hear_message(heard, choice["delta"])


def is_error(chunk: dict[str, Any]) -> bool:
    """Whether the provider says in the midst of its stream that it failed."""
    return bool(chunk.get("error"))


def is_last(chunk: dict[str, Any]) -> bool:
    """Whether nothing but the tokens and the end may follow."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        return False
    return not choices or any(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)


def ending(ids: Ids, last: dict[str, Any] | None, about: Mapping[str, Any]) -> Iterator[bytes]:
    """The last chunk, with what is ours, and the end. A chunk of our own would have no choices, and many programs
    read the first choice of every chunk."""
    chunk = last or {**_chunk(ids, {}), "choices": []}
    yield event({**chunk, "ratchet": about})
    yield DONE


def breaks_off(about: str) -> bytes:
    """What a client is told when the provider's stream breaks off."""
    return event({"error": {"message": about, "type": "server_error", "code": "provider_broke_off", "param": None}})
