"""What a reader yields for each row: what it found there, or why the row is of no use."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import msgspec

from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.limits import LONGEST_ID, LONGEST_NAME, LONGEST_TEXT
from ratchet.wire.traces import TraceIn

Shape = TypeVar("Shape", TraceIn, FeedbackIn)


@dataclass(frozen=True, slots=True)
class Imported:
    """A trace, feedback on it, or both; ready to be sent."""

    trace: TraceIn | None
    feedback: tuple[FeedbackIn, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row, or a part of one, that was left out. ``reason`` reads the same for rows left out for the same reason."""

    where: str
    reason: str


Row: TypeAlias = Imported | Skipped


class Unusable(ValueError):
    """A value cannot be sent; the text says why."""


def stable_id(*parts: str) -> str:
    """An id made of ``parts`` alone, so that importing the same thing again gives the same id."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8) + encoded)
    return "im_" + digest.hexdigest()[:40]


def usable_id(source: str, value: str) -> str:
    """The source's own id where it may serve as one here, else an id made from it."""
    plain = 0 < len(value) <= LONGEST_ID and value.isprintable() and value == value.strip()
    return value if plain else stable_id(source, value)


def app_name(text: str) -> str:
    """``text`` as the name of an app; empty when nothing of it can be used."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:LONGEST_NAME]


def checked(shape: type[Shape], given: Shape) -> Shape:
    """``given``, if the service would take it; raises ``Unusable`` with the reason otherwise."""
    for name in ("input", "output", "correction", "comment"):
        if len(getattr(given, name, "")) > LONGEST_TEXT:
            raise Unusable(f"its {name} has more than {LONGEST_TEXT:,} characters")
    try:
        encoded = msgspec.json.encode(given)
        # The same six letters also stand for themselves where a text is about them.
        if b"\\u0000" in encoded and _holds_nul(msgspec.to_builtins(given)):
            raise Unusable("it holds a NUL character")
        return msgspec.json.decode(encoded, type=shape)
    except UnicodeEncodeError:
        raise Unusable("it is not valid Unicode") from None
    except msgspec.ValidationError as error:
        raise Unusable(f"it does not fit: {error}") from None


def checked_row(where: str, trace: TraceIn | None, feedback: Iterable[FeedbackIn]) -> Iterator[Row]:
    """What is usable of a trace and its feedback, and why the rest is not."""
    try:
        usable = checked(TraceIn, trace) if trace is not None else None
        if usable is not None and not usable.input.strip():
            raise Unusable("there is no text in its input")
    except Unusable as error:
        yield Skipped(where, f"trace: {error}")
        return
    kept: list[FeedbackIn] = []
    for message in feedback:
        try:
            kept.append(identified(checked(FeedbackIn, message)))
        except Unusable as error:
            yield Skipped(where, f"feedback: {error}")
    if usable is not None or kept:
        yield Imported(usable, tuple(kept))


def identified(message: FeedbackIn) -> FeedbackIn:
    """The message under an id made of what it says.

    ``event_id`` holds the source's own id at first. Its content takes part in the new one, so that an opinion that
    changed in the source since the last import arrives as a later event; under the old id it would be refused.
    """
    return msgspec.structs.replace(message, event_id=stable_id(msgspec.json.encode(message, order="sorted").decode()))


def _holds_nul(value: object) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(item) for pair in value.items() for item in pair)
    return isinstance(value, list | tuple) and any(_holds_nul(item) for item in value)
