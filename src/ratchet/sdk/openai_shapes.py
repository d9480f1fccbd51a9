"""Reads what was asked and answered from the requests and results of the OpenAI client."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ROLES = {"system": "system", "developer": "system", "assistant": "assistant", "tool": "tool", "function": "tool"}
CONTEXT = ("session", "role", "segment", "task_type", "environment")
LONGEST_APP = 100


@dataclass(slots=True)
class Asked:
    """What a request asks: the last message of the user, and the other messages as turns."""

    input: str = ""
    history: list[dict[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Answered:
    """An answer as far as it came; ``whole`` when its end was seen, ``failed`` when the model gave up."""

    pieces: list[str] = field(default_factory=list)
    calls: dict[int, list[str]] = field(default_factory=dict)
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    whole: bool = False
    failed: bool = False

    @property
    def text(self) -> str:
        """The text, or what tools were called with."""
        calls = [f"{name}({arguments})" for name, arguments in self.calls.values()]
        return "\n".join(["".join(self.pieces), *calls] if self.pieces else calls)

    def count(self, usage: object) -> None:
        """Take the token counts over, under either of their names."""
        for mine, theirs in (("input_tokens", "prompt_tokens"), ("output_tokens", "completion_tokens")):
            found = get(usage, mine)
            found = get(usage, theirs) if found is None else found
            if isinstance(found, int):
                setattr(self, mine, found)


class Chat:
    """Chat completions."""

    def asked(self, request: Mapping[str, Any]) -> Asked:
        """What the messages ask."""
        return _of_messages(request.get("messages"))

    def result(self, answered: Answered, result: Any) -> bool:
        """Read a whole completion; whether it is one."""
        choices = get(result, "choices")
        if not isinstance(choices, list):
            return False
        answered.model = word(get(result, "model"))
        answered.count(get(result, "usage"))
        answered.whole = True
        if choices:
            self._said(answered, get(choices[0], "message"))
        return True

    def piece(self, answered: Answered, chunk: Any) -> None:
        """Read one chunk of a stream; of several choices the first counts."""
        answered.model = word(get(chunk, "model")) or answered.model
        answered.count(get(chunk, "usage"))
        for choice in get(chunk, "choices") or ():
            if get(choice, "index") in (0, None):
                self._said(answered, get(choice, "delta"))
                answered.whole = answered.whole or bool(get(choice, "finish_reason"))

    def _said(self, answered: Answered, message: Any) -> None:
        for text in (get(message, "content"), get(message, "refusal"), get(get(message, "audio"), "transcript")):
            if isinstance(text, str) and text:
                answered.pieces.append(text)
        for at, call in enumerate(get(message, "tool_calls") or ()):
            place = get(call, "index")
            made = answered.calls.setdefault(at if place is None else place, ["", ""])
            function = get(call, "function") or get(call, "custom")
            made[0] += word(get(function, "name"))
            made[1] += word(get(function, "arguments")) or word(get(function, "input"))


class Responses:
    """The Responses API."""

    def asked(self, request: Mapping[str, Any]) -> Asked:
        """What the input asks; the instructions are a turn of the system."""
        given = request.get("input")
        asked = Asked(given) if isinstance(given, str) else _of_messages(given)
        instructions = request.get("instructions")
        if isinstance(instructions, str) and instructions:
            asked.history.insert(0, {"role": "system", "content": instructions})
        return asked

    def result(self, answered: Answered, result: Any) -> bool:
        """Read a whole response; whether it is one."""
        output = get(result, "output")
        if not isinstance(output, list):
            return False
        answered.model = word(get(result, "model")) or answered.model
        answered.count(get(result, "usage"))
        answered.whole, answered.failed = True, get(result, "status") == "failed"
        texts, answered.calls = [], {}
        for at, item in enumerate(output):
            if get(item, "type") == "message":
                texts += [word(get(part, "text")) or word(get(part, "refusal")) for part in get(item, "content") or ()]
            elif word(get(item, "name")):
                answered.calls[at] = [get(item, "name"), word(get(item, "arguments")) or word(get(item, "input"))]
        answered.pieces = [text for text in texts if text] or answered.pieces
        return True

    def piece(self, answered: Answered, event: Any) -> None:
        """Read one event of a stream."""
        kind = get(event, "type")
        if kind in ("response.output_text.delta", "response.refusal.delta"):
            answered.pieces.append(word(get(event, "delta")))
        elif kind in ("response.completed", "response.incomplete", "response.failed"):
            self.result(answered, get(event, "response"))
        elif kind == "error":
            answered.whole = answered.failed = True


def context_of(request: Mapping[str, Any]) -> dict[str, str]:
    """Who asks: ``user`` (or ``safety_identifier``), and what ``metadata`` says under our names."""
    metadata = request.get("metadata")
    found = {name: get(metadata, name) for name in CONTEXT}
    found["user"] = word(request.get("user")) or word(request.get("safety_identifier"))
    return {name: value for name, value in found.items() if isinstance(value, str) and value}


def app_name(model: object) -> str:
    """A model's name made into the name of an app."""
    name = re.sub(r"[^\w-]+", "-", word(model)).strip("-_")[:LONGEST_APP]
    return name or "openai"


def get(thing: Any, name: str) -> Any:
    """A field of an object or a mapping; None where there is none."""
    return thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)


def word(value: object) -> str:
    """``value`` if it is text, else nothing: the client has marks of its own for what was not given."""
    return value if isinstance(value, str) else ""


def _of_messages(messages: Any) -> Asked:
    if not isinstance(messages, list | tuple):
        return Asked()
    turns = [turn for message in messages for turn in _turns(message)]
    for at in range(len(turns) - 1, -1, -1):
        if turns[at]["role"] == "user":
            return Asked(turns[at]["content"], turns[:at] + turns[at + 1 :])
    return Asked(turns[-1]["content"], turns[:-1]) if turns else Asked()


def _turns(message: Any) -> list[dict[str, str]]:
    """A message as turns: one for what it says, one for each tool it calls."""
    role = ROLES.get(word(get(message, "role")), "user")
    kind = get(message, "type")
    if kind == "function_call":
        return [{"role": "assistant", "content": f"{get(message, 'name')}({word(get(message, 'arguments'))})"}]
    if kind == "function_call_output":
        return [{"role": "tool", "content": _content(get(message, "output"))}]
    if kind not in (None, "message"):  # reasoning, references, calls of built-in tools
        return []
    turns = [{"role": role, "content": text}] if (text := _content(get(message, "content"))) else []
    for call in get(message, "tool_calls") or ():
        function = get(call, "function") or get(call, "custom")
        arguments = word(get(function, "arguments")) or word(get(function, "input"))
        turns.append({"role": "assistant", "content": f"{word(get(function, 'name'))}({arguments})"})
    return turns


def _content(content: Any) -> str:
    """Text as it is; of a list of parts the texts, and a word in place of what is none (no image is copied)."""
    if isinstance(content, str):
        return content
    if isinstance(content, Mapping):
        return json.dumps(content, ensure_ascii=False, default=str)
    parts = content if isinstance(content, list | tuple) else ()
    texts = [
        part
        if isinstance(part, str)
        else word(get(part, "text")) or word(get(part, "refusal")) or f"[{get(part, 'type')}]"
        for part in parts
    ]
    return "\n".join(texts)
