"""What the dialects of the gateway have in common: the conversation, and the ids of an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ratchet.records.trace import Turn


@dataclass(frozen=True, slots=True)
class Conversation:
    """The last question, the turns before it, and where it stands in the request (-1: nowhere)."""

    question: str
    history: tuple[Turn, ...]
    asked: int


@dataclass(frozen=True, slots=True)
class Ids:
    """How an answer is called; ``created`` in whole seconds since the epoch."""

    trace_id: str
    model: str
    created: int


def text_of(content: Any) -> str:
    """The text of a message's content, which is a text or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [part.get("text") for part in content if isinstance(part, dict)]
    return "\n".join(part for part in parts if isinstance(part, str))
