"""Reads JSON that means the same to everybody."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn, TypeVar

import msgspec

from ratchet.errors import InvalidInput

DEEPEST = 32
LARGEST_INTEGER = 2**63
T = TypeVar("T")
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_FLAT = frozenset({str, float, bool, type(None)})
_HALF_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class Unreadable(InvalidInput):
    """The body is not JSON that every reader understands alike."""


def read_json(body: bytes, kind: type[T]) -> T:
    """``body`` as a ``kind``. Raises :class:`Unreadable` for bad JSON and ``InvalidInput`` for unusable values."""
    return as_kind(value_in(body), kind)


def value_in(body: bytes) -> Any:
    """The JSON value in ``body``: read fast where that is surely enough, else by :func:`parse`.

    msgspec refuses by itself what is no JSON; it lets a key stand twice, deep nesting and long integers pass. Every
    key ends in one quote and colon, so with as many of these as there are members, no key stood twice.
    """
    try:
        value = msgspec.json.decode(body)
        if not _is_unsure(body) and body.count(b'":') == _members(value, DEEPEST):
            return value
    except (msgspec.MsgspecError, RecursionError, ValueError):
        pass
    return parse(body)


def _is_unsure(body: bytes) -> bool:
    """Whether a colon follows an escaped quote or white space somewhere, which would make counting misleading. Five
    plain searches are faster than one pattern."""
    return b'\\":' in body or b" :" in body or b"\t:" in body or b"\n:" in body or b"\r:" in body


def _members(value: Any, deeper: int) -> int:
    """How many members all objects in ``value`` have; raises ``ValueError`` for what :func:`parse` must look at."""
    kind = type(value)
    if kind is dict:
        if not deeper:
            raise ValueError("too deep")
        return len(value) + sum([_members(item, deeper - 1) for item in value.values() if type(item) not in _FLAT])
    if kind is list:
        if not deeper:
            raise ValueError("too deep")
        return sum([_members(item, deeper - 1) for item in value if type(item) not in _FLAT])
    if kind is int and abs(value) >= LARGEST_INTEGER:
        raise ValueError("too large")
    return 0


def as_kind(value: Any, kind: type[T]) -> T:
    """Plain JSON values as a ``kind``; raises ``InvalidInput`` with the path of what does not fit."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(
            f"The body cannot be used: {error}.", "See /openapi.json for the fields and their types."
        ) from None


def refuse_nul(body: bytes, value: Any) -> None:
    """Raises ``InvalidInput`` when a text in ``value``, as read from ``body``, holds a NUL character: not every
    database can store one."""
    if b"\\u0000" in body and _holds_nul(value):
        raise InvalidInput("A text in the body holds a NUL character.", "Remove it.")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any(_holds_nul(key) or _holds_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_holds_nul, value))


def parse(body: bytes) -> Any:
    """The JSON value in ``body``, as dicts, lists, texts and numbers. Raises :class:`Unreadable`."""
    if not body.strip():
        _refuse("it is empty")
    if body.startswith(b"\xef\xbb\xbf"):
        _refuse("it begins with a byte order mark")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise Unreadable(f"The body is not UTF-8 ({error.reason}).", "Send JSON encoded as UTF-8.") from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        _refuse_depth(body)
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        _refuse(str(error))
    if _HALF_SURROGATE.search(body):
        _refuse_half_surrogates(value)
    return value


def _refuse(why: str) -> NoReturn:
    raise Unreadable(f"The body is not usable JSON: {why}.", "Send one JSON value as RFC 8259 describes it.")


def _refuse_depth(body: bytes) -> None:
    """Brackets alone, with every innermost pair taken away again and again: what is left after 32 rounds is deeper."""
    left = _STRINGS.sub(b"", body).translate(None, _NOT_BRACKETS)
    for _ in range(DEEPEST):
        left = left.replace(b"[]", b"").replace(b"{}", b"")
    if left:
        _refuse(f"it is nested deeper than {DEEPEST} levels, or its brackets do not match")


def _refuse_half_surrogates(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        _refuse("a text in it holds half a surrogate pair")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice!r:.60} stands there twice")
    return made


def _integer(digits: str) -> int:
    number = int(digits) if len(digits) <= 20 else LARGEST_INTEGER
    if abs(number) >= LARGEST_INTEGER:
        raise ValueError("an integer in it does not fit into 64 bits")
    return number


def _number(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number in it is too large")
    return number


def _constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_number, parse_constant=_constant
)
