"""The same content always has the same name."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.records.canonical import canonical_json, content_hash, normalised, text_hash
from tests.unit.making import JSON_WITHOUT_FLOATS, TEXT


def reversed_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


def with_a_float(value: Any, number: float, path: Sequence[int]) -> Any:
    """``value`` wrapped in lists and objects, with ``number`` at the bottom."""
    for step in path:
        number = [value, number] if step else {"a": value, "b": number}  # type: ignore[assignment]
    return number


@given(JSON_WITHOUT_FLOATS)
def test_equal_content_gives_equal_bytes_whatever_the_order_of_its_keys(value: Any) -> None:
    assert canonical_json(reversed_keys(value)) == canonical_json(value)
    assert content_hash(reversed_keys(value)) == content_hash(value)


@given(JSON_WITHOUT_FLOATS)
def test_the_bytes_say_exactly_what_the_content_says(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@given(JSON_WITHOUT_FLOATS, JSON_WITHOUT_FLOATS)
@example(1, True)
@example(0, "0")
@example([1, [2]], [1, 2])
@example({"a": None}, {})
def test_different_content_has_different_names(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (content_hash(one) == content_hash(other)) == same


@given(JSON_WITHOUT_FLOATS, st.floats(), st.lists(st.integers(0, 1), max_size=3))
def test_floats_are_refused_wherever_they_hide(value: Any, number: float, path: list[int]) -> None:
    with pytest.raises(InvalidInput, match="decimal string"):
        canonical_json(with_a_float(value, number, path))


def test_the_refusal_says_where_the_float_is() -> None:
    with pytest.raises(InvalidInput) as refused:
        canonical_json({"layers": [{"share": 1}, {"share": 0.5}]})
    assert "$.layers[1].share" in refused.value.what


def test_keys_that_are_not_text_are_refused() -> None:
    with pytest.raises(InvalidInput, match="text keys"):
        canonical_json({"a": {1: "one"}})  # type: ignore[dict-item]


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, ["a", {"b": "x\udc00"}]])
def test_half_a_surrogate_pair_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        content_hash(value)


def test_the_form_has_sorted_keys_no_white_space_and_plain_unicode() -> None:
    assert canonical_json({"b": [1, True, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,true,null]}'.encode()


def test_a_name_is_the_sha_256_of_the_bytes() -> None:
    assert content_hash({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


@given(TEXT)
@example("İ")
@example("\u0130\u05a6")
@example("\u1f82\u0300\u1de2")
@example("a . 'b' ")
def test_normalising_twice_changes_nothing_more(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


@given(TEXT)
def test_a_normalised_text_has_single_spaces_and_no_punctuation_around_it(text: str) -> None:
    folded = normalised(text)
    assert folded == " ".join(folded.split())
    assert not folded or (folded[0] not in ".,!?;:'\"" and folded[-1] not in ".,!?;:'\"")


@given(st.text(st.sampled_from("abcXYZ é?"), min_size=1), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_writing_the_same_words_otherwise_gives_the_same_hash(text: str, form: Any) -> None:
    rewritten = unicodedata.normalize(form, f"  {text.replace(' ', '  ')}!! ")
    assert text_hash(rewritten) == text_hash(text)
    assert text_hash(text.swapcase()) == text_hash(text)


@pytest.mark.parametrize("other", ["where is my refund", "where is my parcel now", "whereismyparcel", ""])
def test_other_words_give_another_hash(other: str) -> None:
    assert text_hash(other) != text_hash("Where is my parcel?")
