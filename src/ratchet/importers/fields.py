"""Reads single values out of foreign rows: a path, a moment, a number, words, tags."""

from __future__ import annotations

import ast
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LAST_SECOND = 253402300799.0
MOST_TAGS = 50
_PYTHON = ("{'", "[{'", "['")
_LONGEST_LITERAL = 1_000_000
# The largest plausible moment in seconds; one in milliseconds, microseconds or nanoseconds is a thousand times larger.
_SECONDS_UNTIL = 1e11


def dig(row: object, path: str) -> Any:
    """The value under a dotted path; a key that holds the dots itself comes first. ``None`` if there is nothing."""
    if not isinstance(row, Mapping):
        return None
    if path in row:
        return row[path]
    head, dot, rest = path.partition(".")
    found = decoded(row.get(head))
    return dig(found, rest) if dot else None


def first(row: object, *paths: str) -> Any:
    """The first value of these paths that says anything."""
    for path in paths:
        found = dig(row, path)
        if found is not None and found != "":
            return found
    return None


def decoded(value: object) -> Any:
    """A document kept as text, read: JSON, or Python's own notation as data frames write it. Else as it is."""
    if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
        return value
    try:
        return parsed(value)
    except (ValueError, RecursionError):
        return _literal(value) if value.startswith(_PYTHON) and len(value) <= _LONGEST_LITERAL else value


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def parsed(text: str | bytes) -> Any:
    """JSON, with null for the NaN and Infinity that some tools write. Raises ``ValueError`` or ``RecursionError``."""
    return json.loads(text, parse_constant=lambda name: None)


def mapping(value: object) -> dict[str, Any]:
    """The value if it is an object, or JSON text of one; else nothing."""
    found = decoded(value)
    return {str(name): item for name, item in found.items()} if isinstance(found, Mapping) else {}


def listed(value: object) -> list[Any]:
    """The value if it is a list, or JSON text of one; else nothing."""
    found = decoded(value)
    return list(found) if isinstance(found, list | tuple) else []


def words(value: object) -> str:
    """A short text, number or truth value as text; empty for everything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int) and value.bit_length() > 256:
        return ""
    if isinstance(value, int | float) and (not isinstance(value, float) or math.isfinite(value)):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() and abs(value) < 1e6 else str(value)
    return ""


def number(value: object) -> float | None:
    """A finite number, or text of one."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) > 40:
        return None
    try:
        found = float(value) if isinstance(value, str | int | float) else math.nan
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def count(value: object) -> int | None:
    """A whole number of zero or more."""
    found = number(value)
    return int(found) if found is not None and 0 <= found <= 2**53 and found == int(found) else None


def amount(value: object) -> float | None:
    """A number of zero or more."""
    found = number(value)
    return found if found is not None and found >= 0 else None


def moment(value: object) -> float | None:
    """Seconds since the epoch, from ISO 8601 (UTC unless it says otherwise) or a number in s, ms, us or ns."""
    if isinstance(value, datetime):
        return _in_range((value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp())
    found = number(value)
    if found is not None:
        while found > _SECONDS_UNTIL:
            found /= 1000
        return _in_range(found)
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        return moment(datetime.fromisoformat(value.strip().removesuffix(" UTC")))
    except (ValueError, OverflowError):
        return None


def elapsed_ms(started: float | None, ended: float | None) -> float | None:
    """Milliseconds between two moments, where both are known and in order."""
    if started is None or ended is None or ended < started:
        return None
    return round((ended - started) * 1000, 3)


def labels(value: object) -> tuple[str, ...]:
    """Tags from a list, an object (``name:value``), or text with commas; at most 50."""
    found = decoded(value)
    if isinstance(found, str):
        found = found.split(",")
    elif isinstance(found, Mapping):
        found = [f"{name}:{words(item)}" if words(item) else str(name) for name, item in found.items()]
    if not isinstance(found, list | tuple):
        return ()
    told = dict.fromkeys(words(item)[:100] for item in found)
    return tuple(label for label in told if label)[:MOST_TAGS]


def _in_range(seconds: float) -> float | None:
    return seconds if 0 <= seconds <= LAST_SECOND else None
