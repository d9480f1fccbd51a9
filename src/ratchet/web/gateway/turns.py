"""What the dialects have in common: the conversation, an answer's ids, what was heard of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from ratchet.layers.layer import Learned
from ratchet.records.trace import Turn

LARGEST_COUNT = 2**53


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last question, the turns before it, and where it stands in the request (-1: nowhere). ``is_open`` says that
    nothing stands after it, so that it still waits for its first answer."""

    question: str
    history: tuple[Turn, ...]
    asked: int
    is_open: bool = True


@dataclass(frozen=True, slots=True)
class Ids:
    """How an answer is called; ``created`` in whole seconds since the epoch."""

    trace_id: str
    model: str
    created: int


@dataclass(slots=True)
class Heard:
    """What a model said: its text, its refusal, the tools it calls, who it is and how many tokens that took."""

    texts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    calls: dict[int, list[str]] = field(default_factory=dict)
    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None

    @property
    def text(self) -> str:
        """The text alone."""
        return "".join(self.texts)

    @property
    def output(self) -> str:
        """What is recorded: the text, else the refusal, else the calls of tools as JSON."""
        if text := self.text or "".join(self.refusals):
            return text
        if not self.calls:
            return ""
        calls = [{"name": name, "arguments": "".join(said)} for name, *said in self.calls.values()]
        return msgspec.json.encode({"tool_calls": calls}).decode()

    def call(self, place: int, name: Any, arguments: Any) -> None:
        """Take up a tool call, or a further piece of one."""
        parts = self.calls.setdefault(place, [""])
        parts[0] = parts[0] or (name if isinstance(name, str) else "")
        if isinstance(arguments, str):
            parts.append(arguments)

    def about(self, model: Any, usage: Any, came_in: str, went_out: str) -> None:
        """Take up who answers and the tokens it took, where they are told."""
        if isinstance(model, str) and model:
            self.model = model
        if isinstance(usage, dict):
            self.tokens_in, self.tokens_out = _count(usage.get(came_in)), _count(usage.get(went_out))


class Dialect(Protocol):
    """One of the two shapes in which OpenAI's clients ask and are answered."""

    PATH: str

    def conversation(self, body: dict[str, Any]) -> Conversation:
        """The last question and the turns before it. Raises ``InvalidInput`` for what is no conversation."""
        ...

    def is_plain(self, body: dict[str, Any]) -> bool:
        """Whether one text, whatever it says, is an answer."""
        ...

    def with_learned(self, body: dict[str, Any], asked: int, learned: Learned) -> dict[str, Any]:
        """The body as it goes to the model."""
        ...

    def is_answer(self, answer: dict[str, Any]) -> bool:
        """Whether this has the form of an answer."""
        ...

    def heard(self, answer: dict[str, Any]) -> Heard:
        """What the answer says."""
        ...

    def replaced(self, answer: dict[str, Any], text: str) -> dict[str, Any]:
        """The answer with another text."""
        ...

    def whole(self, ids: Ids, text: str) -> dict[str, Any]:
        """An answer made here."""
        ...

    def pieces(
        self, ids: Ids, words: Iterator[str], about: Mapping[str, Any], body: Mapping[str, Any]
    ) -> Iterator[bytes]:
        """A streamed answer made here."""
        ...

    def event(self, value: dict[str, Any]) -> bytes:
        """One server-sent event."""
        ...

    def stamp(self, chunk: dict[str, Any], ids: Ids) -> None:
        """Write our id into a piece of the provider's."""
        ...

    def hear(self, heard: Heard, chunk: dict[str, Any]) -> None:
        """Take up what a piece says."""
        ...

    def is_error(self, chunk: dict[str, Any]) -> bool:
        """Whether the provider says that it failed."""
        ...

    def is_last(self, chunk: dict[str, Any]) -> bool:
        """Whether the answer is complete with this piece."""
        ...

    def ending(self, ids: Ids, last: dict[str, Any] | None, about: Mapping[str, Any]) -> Iterator[bytes]:
        """The last piece, with what is ours in it, and the end."""
        ...

    def breaks_off(self, about: str) -> bytes:
        """What a client is told when the stream breaks off."""
        ...


def text_of(content: Any) -> str:
    """The text of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))


def forces_tool(choice: Any) -> bool:
    """Whether a ``tool_choice`` asks for a call, so that a text would be no answer."""
    return isinstance(choice, dict) or choice == "required"


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and 0 <= value < LARGEST_COUNT else None
