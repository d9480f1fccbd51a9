"""Refuses what no stage could use: empty or endless texts, broken Unicode, values out of range."""

from __future__ import annotations

from ratchet.errors import InvalidInput

LONGEST_TEXT = 100_000
LONGEST_ID = 64


def usable_text(name: str, text: object, *, may_be_empty: bool = False) -> str:
    """The text, if it can be stored and read back the same on every database."""
    if not isinstance(text, str):
        raise InvalidInput(f"The {name} is of type {type(text).__name__}.", "Send text.")
    if not may_be_empty and not text.strip():
        raise InvalidInput(f"The {name} is empty.", "Send at least one visible character.")
    if len(text) > LONGEST_TEXT:
        raise InvalidInput(
            f"The {name} has {len(text):,} characters; at most {LONGEST_TEXT:,} are kept.",
            "Send the part that matters, or a link to the rest.",
        )
    if "\x00" in text:
        raise InvalidInput(f"The {name} holds a NUL character.", "Remove it.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"The {name} holds half a surrogate pair.", "Send valid Unicode.") from None
    return text


def usable_id(name: str, value: object) -> str:
    """The identifier, if it is short plain text."""
    text = usable_text(name, value)
    if len(text) > LONGEST_ID:
        raise InvalidInput(f"The {name} has {len(text)} characters.", f"Use at most {LONGEST_ID}.")
    return text
