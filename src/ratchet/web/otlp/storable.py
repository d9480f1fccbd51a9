"""Makes what arrives storable: text that every database takes, names of apps, numbers."""

from __future__ import annotations

import math
import re

from ratchet.wire.limits import LONGEST_NAME, LONGEST_TEXT, LONGEST_WORD

_MOST = 2**53
_UNUSABLE_IN_NAMES = re.compile(r"[^\w-]+")


def storable_text(value: object, longest: int = LONGEST_TEXT) -> str:
    """``value`` as text without NUL and half characters, of at most ``longest`` characters; a cut is said in it."""
    if not isinstance(value, str):
        if value is None or isinstance(value, bytes | list | dict):
            return ""
        value = str(value)
    text = value.replace("\x00", "\ufffd") if "\x00" in value else value
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) <= longest:
        return text
    note = f" [cut: {len(text):,} characters]"
    return text[: longest - len(note)] + note


def storable_words(value: object) -> str:
    """``value`` as one line's worth of text: a user, a session, a model."""
    return storable_text(value, LONGEST_WORD).strip()


def app_name(value: object) -> str:
    """``value`` as the name of an app: letters, digits, ``-`` and ``_``; empty where nothing of it can be kept."""
    name = _UNUSABLE_IN_NAMES.sub("-", storable_words(value)).strip("-")[:LONGEST_NAME]
    return name if name.strip("-_") else ""


def count(value: object) -> int | None:
    """``value`` as a number of tokens, None if it is none."""
    number = amount(value)
    return int(number) if number is not None and number.is_integer() and number <= _MOST else None


def amount(value: object) -> float | None:
    """``value`` as a finite number that is not negative, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None
