"""Canonical JSON and content hashes, so that the same content always has the same name.

The form is that of RFC 8785 restricted to what records need: object keys sorted, no white space, UTF-8, and no
floating-point numbers (their printed form differs between languages; write them as decimal strings).
"""

from __future__ import annotations

import hashlib
import json
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ratchet.errors import InvalidInput

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


def canonical_json(value: Json) -> bytes:
    """The one byte string that stands for ``value``; refuses floats, keys that are not text and broken Unicode."""
    _refuse_floats(value, "$")
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("A text in it holds half a surrogate pair.", "Use valid Unicode.") from None


def content_hash(value: Json) -> str:
    """SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def text_hash(text: str) -> str:
    """SHA-256 of the text after Unicode, case and white-space folding: equal for texts a reader calls the same."""
    return hashlib.sha256(normalised(text).encode()).hexdigest()


def normalised(text: str) -> str:
    """The text with compatibility forms, case, outer punctuation and runs of white space folded."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split()).strip(" \t.,!?;:'\"")


def _refuse_floats(value: Json, path: str) -> None:
    if isinstance(value, float):
        raise InvalidInput(f"{path} is the floating-point number {value!r}.", "Write it as a decimal string.")
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidInput(f"{path} has the key {key!r}, which is not text.", "Use text keys only.")
            _refuse_floats(item, f"{path}.{key}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{path}[{index}]")
