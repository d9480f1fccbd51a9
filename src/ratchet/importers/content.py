"""Finds the question, the answer and the turns before them in whatever shape a tool recorded them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ratchet.importers.fields import decoded, dig, words
from ratchet.records.trace import Turn

MOST_TURNS = 100
LONGEST_HISTORY = 200_000
_DEEPEST = 12
_QUESTIONS = (
    "question", "query", "user_input", "user_query", "user_message", "prompt", "input", "message", "text", "content",
    "chat_input", "inputs", "request", "body", "value", "kwargs", "data",
)  # fmt: skip
_ANSWERS = (
    "answer", "response", "reply", "completion", "output", "output_text", "result", "message", "text", "content",
    "generated_text", "final_output", "outputs", "body", "value", "return_value", "kwargs", "data",
)  # fmt: skip
_ROLES = {
    "human": "user", "user": "user", "humanmessage": "user", "ai": "assistant", "assistant": "assistant",
    "model": "assistant", "bot": "assistant", "aimessage": "assistant", "aimessagechunk": "assistant",
    "system": "system", "developer": "system", "systemmessage": "system", "tool": "tool", "function": "tool",
    "toolmessage": "tool",
}  # fmt: skip


def question(value: object) -> tuple[str, list[Turn]]:
    """The last thing that the user said, and the turns before it."""
    turns = messages(value)
    if turns is None:
        return _text(value, _QUESTIONS, 0), _earlier(value)
    asked = [place for place, turn in enumerate(turns) if turn.role == "user" and turn.text.strip()]
    if not asked:
        return (turns[-1].text, _recent(turns[:-1])) if turns else ("", [])
    return turns[asked[-1]].text, _recent(turns[: asked[-1]])


def answer(value: object) -> str:
    """What was answered: the last words of the assistant, or the text of the output."""
    turns = messages(value)
    if turns is None:
        return _text(value, _ANSWERS, 0)
    said = [turn.text for turn in turns if turn.role == "assistant" and turn.text.strip()]
    return said[-1] if said else ""


def messages(value: object, depth: int = 0) -> list[Turn] | None:
    """The turns, if this is a conversation in one of the usual shapes; else ``None``."""
    value = decoded(value)
    if depth > _DEEPEST:
        return None
    if isinstance(value, Mapping):
        return _in_object(value, depth)
    if not isinstance(value, list | tuple) or not value:
        return None
    if len(value) == 1 and isinstance(value[0], list) and _turn(value[0]) is None:
        return messages(value[0], depth + 1)
    turns = [_turn(item) for item in value]
    return [turn for turn in turns if turn is not None] if any(turns) else None


def _in_object(value: Mapping[Any, Any], depth: int) -> list[Turn] | None:
    own = _turn(value)
    if own is not None:
        return [own]
    for name in ("messages", "contents", "input", "inputs", "output", "outputs", "kwargs", "request", "response"):
        inner = decoded(value.get(name))
        found = messages(inner, depth + 1) if isinstance(inner, list | tuple | Mapping) else None
        if found is not None:
            return found
    return None


def _earlier(value: object) -> list[Turn]:
    """The conversation kept beside a question, under one of the usual names."""
    value = decoded(value)
    for name in ("chat_history", "history") if isinstance(value, Mapping) else ():
        found = messages(dig(value, name))
        if found is not None:
            return _recent(found)
    return []


def _turn(item: object) -> Turn | None:
    """One message: a dict with a role, a serialised LangChain message, or a pair of role and text."""
    item = decoded(item)
    if isinstance(item, list | tuple) and len(item) == 2 and all(isinstance(part, str) for part in item):
        role = _ROLES.get(item[0].lower())
        return Turn(role, item[1]) if role else None
    if not isinstance(item, Mapping):
        return None
    if isinstance(item.get("kwargs"), Mapping) and isinstance(item.get("id"), list) and item["id"]:
        role = _ROLES.get(words(item["id"][-1]).lower())
        return Turn(role, parts_text(item["kwargs"].get("content"))) if role else None
    wrapped = item.get("message")
    inner = wrapped if isinstance(wrapped, Mapping) else item
    role = _ROLES.get(words(_either(inner, "role", "message.role") or inner.get("type")).lower())
    told = _either(inner, "content", "message.content", "parts", "contents", "message.contents", "data")
    return Turn(role, parts_text(told)) if role and ("content" in inner or told is not None) else None


def _either(item: Mapping[Any, Any], *names: str) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def parts_text(content: object, depth: int = 0) -> str:
    """The text of a message's content: text, or a list of parts of which those with text count."""
    if isinstance(content, str):
        return content
    if depth > _DEEPEST:
        return ""
    if isinstance(content, list | tuple):
        return "\n".join(text for text in (parts_text(part, depth + 1) for part in content) if text)
    if isinstance(content, Mapping):
        for name in ("text", "content", "message_content.text", "message_content", "value", "output"):
            inner = content.get(name)
            if inner is not None and inner is not content:
                return parts_text(inner, depth + 1)
    return words(content)


def _text(value: object, names: tuple[str, ...], depth: int) -> str:
    value = decoded(value)
    if value in (None, [], {}) or isinstance(value, str | int | float):
        return _unquoted(value) if isinstance(value, str) else words(value)
    if depth > _DEEPEST:
        return ""
    if isinstance(value, Mapping):
        found = _known_shape(value)
        return found if found else _in_fields(value, names, depth)
    if isinstance(value, list | tuple):
        if len(value) == 1:
            return _text(value[0], names, depth + 1)
        return parts_text(value) or _dumped(value)
    return _dumped(value)


def _known_shape(value: Mapping[Any, Any]) -> str:
    """The answer in a model provider's own shape, or nothing."""
    for path in ("choices", "generations", "candidates", "output"):
        inner = decoded(value.get(path))
        while isinstance(inner, list) and inner:
            inner = inner[-1] if path == "output" else inner[0]
        if isinstance(inner, Mapping):
            for place in (
                "message.content",
                "delta.content",
                "content.parts",
                "text",
                "message.kwargs.content",
                "content",
            ):
                text = parts_text(dig(inner, place))
                if text:
                    return text
    return ""


def _in_fields(value: Mapping[Any, Any], names: tuple[str, ...], depth: int) -> str:
    known = {str(name).lower(): item for name, item in value.items()}
    for name in names:
        if known.get(name) not in (None, "", [], {}):
            return _text(known[name], names, depth + 1)
    told = [item for item in value.values() if item not in (None, "", [], {})]
    if len(told) == 1:
        return _text(told[0], names, depth + 1)
    return _dumped(value) if told else ""


def _unquoted(text: str) -> str:
    """Text that a tool kept as a JSON string, without its quotes."""
    if len(text) > 1 and text[0] == text[-1] == '"':
        try:
            found = json.loads(text)
        except ValueError:
            return text
        return found if isinstance(found, str) else text
    return text


def _dumped(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, default=str)
    except (ValueError, TypeError, RecursionError):
        return ""


def _recent(turns: list[Turn]) -> list[Turn]:
    """The latest turns with words in them, as many as a trace may carry."""
    kept: list[Turn] = []
    room = LONGEST_HISTORY
    for turn in reversed(turns[-MOST_TURNS:]):
        room -= len(turn.text)
        if room < 0:
            break
        if turn.text.strip():
            kept.append(turn)
    return kept[::-1]
