"""Spans and log records as Python values, whichever encoding they came in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

# What an attribute or a body may hold: text, bool, int, float, bytes, None, or lists and dicts of these.
Value: TypeAlias = Any
Attributes: TypeAlias = Mapping[str, Value]

EVENT_PREFIX = "gen_ai."
REMOTE_PARENT = 0x200
_HEX = frozenset("0123456789abcdef")
_NANOSECONDS = 1_000_000_000
_LATEST_S = 253_402_300_799


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A span event or a log record; ``trace`` and ``span`` are hexadecimal, empty where it names none.

    ``nanoseconds`` since the epoch is when it happened, 0 if unknown.
    """

    name: str
    nanoseconds: int
    trace: str
    span: str
    attributes: Attributes
    body: Value
    resource: Attributes


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A span; ids are hexadecimal and empty where they are invalid, times in nanoseconds since the epoch.

    ``is_entry`` tells that no span of the same process stands above it.
    """

    trace: str
    span: str
    parent: str
    is_entry: bool
    start: int
    end: int
    attributes: Attributes
    events: tuple[Event, ...]
    resource: Attributes


def valid_hex(text: str, length: int) -> str:
    """``text`` in lower case if it is an id of ``length`` hexadecimal digits and not all zeros, else nothing."""
    lower = text.lower()
    usable = len(lower) == length and _HEX.issuperset(lower) and lower.strip("0")
    return lower if usable else ""


def seconds(nanoseconds: int) -> float | None:
    """``nanoseconds`` since the epoch in seconds; None for 0 (unknown) and for what no calendar holds."""
    if not 0 < nanoseconds < _LATEST_S * _NANOSECONDS:
        return None
    return nanoseconds / _NANOSECONDS
