"""Strict JSON: what every reader understands alike is read as it is, everything else is refused as unreadable."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.web.strict_json import DEEPEST, Unreadable, parse, read_json, refuse_nul, value_in

UNREADABLE = {
    "nothing": b"",
    "white space": b" \n\t",
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without a mark": '{"a": 1}'.encode("utf-16-le"),
    "Latin-1": '{"a": "é"}'.encode("latin-1"),
    "an overlong encoding": b'{"a": "\xc0\x80"}',
    "a surrogate as UTF-8": b'{"a": "\xed\xa0\x80"}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "-Infinity": b'{"a": -Infinity}',
    "a number beyond all bounds": b'{"a": 1e400}',
    "a negative one": b'{"a": -1e400}',
    "2 ** 63": b'{"a": 9223372036854775808}',
    "-2 ** 63": b'{"a": -9223372036854775808}',
    "5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "5,000 digits and a sign": b'{"a": -' + b"9" * 5000 + b"}",
    "a key twice": b'{"a": 1, "a": 1}',
    "a key twice below": b'[{"b": {"a": 1, "c": 2, "a": 3}}]',
    "a key twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "half a surrogate": b'{"a": "\\ud800"}',
    "the other half": b'{"a": "\\udc00"}',
    "halves in the wrong order": b'{"a": "\\udc00\\ud800"}',
    "half a surrogate as a key": b'{"\\ud800": 1}',
    "a raw control character": b'{"a": "\x01"}',
    "a raw line break in a text": b'{"a": "\n"}',
    "a comma too many": b'{"a": 1,}',
    "single quotes": b"{'a': 1}",
    "a comment": b'{"a": 1} // one',
    "two values": b'{"a": 1} {"a": 1}',
    "half an object": b'{"a": ',
    "a leading zero": b'{"a": 01}',
    "a bare minus": b'{"a": -}',
    "hexadecimal": b'{"a": 0x10}',
    "an unknown escape": b'{"a": "\\x41"}',
    "33 levels": b"[" * 33 + b"]" * 33,
    "500 levels": b"[" * 500 + b"]" * 500,
    "100,000 levels": b"[" * 100_000 + b"]" * 100_000,
    "33 levels of objects": b'{"a":' * 33 + b"1" + b"}" * 33,
    "levels that never end": b'{"a":' * 1000,
    "brackets that do not match": b"[" * 40 + b"}" * 40,
}


@pytest.mark.parametrize("read", [parse, value_in])
@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE)
def test_is_refused(body: bytes, read: Callable[[bytes], Any]) -> None:
    with pytest.raises(Unreadable) as raised:
        read(body)
    assert len(str(raised.value)) < 500
    raised.value.what.encode()


def same(one: Any, other: Any) -> bool:
    """Equal, and of the same types: 1 is not 1.0."""
    return repr(one) == repr(other)


READABLE: dict[str, tuple[bytes, Any]] = {
    "32 levels": (b"[" * DEEPEST + b"]" * DEEPEST, None),
    "many short lists": (b"[" + b"[]," * 999 + b"[]]", [[]] * 1000),
    "brackets in texts": (json.dumps({"a": "[{" * 1000, "b\\": '"]' * 1000}).encode(), None),
    "a backslash before a quote": (b'{"a": "\\\\", "b": "\\"[", "c": ' + b"[" * 20 + b"]" * 20 + b"}", None),
    "2 ** 63 - 1": (b"9223372036854775807", 2**63 - 1),
    "-(2 ** 63 - 1)": (b"-9223372036854775807", -(2**63 - 1)),
    "a very small number": (b"1e-400", 0.0),
    "a large number": (b"1e308", 1e308),
    "NUL": (b'"\\u0000"', "\x00"),
    "a pair of halves": (b'"\\ud83d\\ude00"', "😀"),
    "a half that is only written": (b'"\\\\ud800"', "\\ud800"),
    "the same key in two objects": (b'[{"a": 1}, {"a": 2}]', [{"a": 1}, {"a": 2}]),
    "a mark inside": ('"\ufeff"'.encode(), "\ufeff"),
    "normalisation twins": ('["é", "e\u0301"]'.encode(), ["é", "e\u0301"]),
    "two keys that look alike": ('{"é": 1, "e\u0301": 2}'.encode(), {"é": 1, "e\u0301": 2}),
    "text of the other direction": ('"\u202eabc\u202c"'.encode(), "\u202eabc\u202c"),
}


@pytest.mark.parametrize("read", [parse, value_in])
@pytest.mark.parametrize(("body", "value"), READABLE.values(), ids=READABLE)
def test_is_read_as_it_is(body: bytes, value: Any, read: Callable[[bytes], Any]) -> None:
    assert same(read(body), json.loads(body) if value is None else value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.booleans(), st.sampled_from([(",", ":"), (", ", ": "), (" ,", " :"), (",\n", "\t:")]))
def test_every_value_comes_back(value: Any, escaped: bool, separators: tuple[str, str]) -> None:
    body = json.dumps(value, ensure_ascii=escaped, separators=separators).encode()
    assert same(parse(body), value)
    assert same(value_in(body), value)


def both_ways(body: bytes) -> None:
    """Read by the fast way and by the careful one; both say the same, and what they read is what everybody reads."""
    try:
        value = parse(body)
    except Unreadable:
        with pytest.raises(Unreadable):
            value_in(body)
        return
    assert same(value_in(body), value)
    assert same(value, json.loads(body))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    both_ways(body)


PIECES = ["[", "]", "{", "}", '"', "\\", ",", ":", "1", '"a"', '"a":', '"b":', " ", "null", "-", "e5", ".5", "\\u0061",
          "99999999999999999999", '{"a":1}', "[]", '\\":', '":"', "\\ud800", "\t"]  # fmt: skip


@settings(max_examples=500)
@given(st.lists(st.sampled_from(PIECES), max_size=120).map("".join))
def test_what_looks_like_json_is_read_or_refused(text: str) -> None:
    both_ways(text.encode())


KEYS = st.sampled_from(["a", "b", '":', "a\\", '"', ":", "\u00e9"])


@settings(max_examples=500)
@given(st.recursive(
    st.integers(-(2**64), 2**65).map(str) | st.text('":a\\', max_size=4).map(json.dumps),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]")
    | st.lists(st.tuples(KEYS.map(json.dumps), inner), max_size=3).map(
        lambda pairs: "{" + ",".join(f"{key}:{item}" for key, item in pairs) + "}"),
    max_leaves=12,
))  # fmt: skip
def test_keys_that_stand_twice_and_large_numbers_are_found_by_either_way(text: str) -> None:
    both_ways(text.encode())


@given(JSON)
def test_nul_characters_are_found_wherever_they_stand(value: Any) -> None:
    body = json.dumps(value).encode()
    if "\x00" not in "".join(texts(value)):
        refuse_nul(body, value)
        return
    with pytest.raises(InvalidInput, match="NUL"):
        refuse_nul(body, value)


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_a_nul_that_is_only_written_is_none() -> None:
    body = b'["\\\\u0000"]'
    refuse_nul(body, parse(body))


class Wanted(msgspec.Struct, forbid_unknown_fields=True):
    count: int
    words: str = ""


@pytest.mark.parametrize(
    ("body", "path"),
    [(b'{"count": "1"}', "$.count"), (b'{"count": 1, "more": 1}', "more"), (b"{}", "count"), (b"[]", "")],
)
def test_a_value_of_another_shape_is_unusable_and_says_where(body: bytes, path: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be used") as raised:
        read_json(body, Wanted)
    assert not isinstance(raised.value, Unreadable)
    assert path in raised.value.what


def test_a_value_of_the_shape_is_given_as_that() -> None:
    assert read_json(b'{"count": 3, "words": "a"}', Wanted) == Wanted(3, "a")
