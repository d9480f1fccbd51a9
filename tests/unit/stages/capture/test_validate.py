"""Texts and ids that no database could keep are refused; all others pass unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.stages.capture.validate import LONGEST_ID, LONGEST_TEXT, usable_id, usable_text

BAD_TEXTS = {
    "a megabyte": ("x" * 1_000_000, "characters"),
    "one too many": ("x" * (LONGEST_TEXT + 1), "100,001"),
    "half a surrogate pair": ("a\ud800b", "surrogate"),
    "the other half": ("\udfff", "surrogate"),
    "NUL": ("a\x00b", "NUL"),
    "nothing": (None, "NoneType"),
    "bytes": (b"text", "bytes"),
    "a number": (7, "int"),
    "a list": (["text"], "list"),
}


@pytest.mark.parametrize(("text", "word"), BAD_TEXTS.values(), ids=BAD_TEXTS)
@pytest.mark.parametrize("may_be_empty", [True, False])
def test_unusable_text_is_refused_with_its_name_and_a_fix(text: Any, word: str, may_be_empty: bool) -> None:
    with pytest.raises(InvalidInput) as refused:
        usable_text("comment", text, may_be_empty=may_be_empty)
    assert "comment" in refused.value.what
    assert word in refused.value.what
    assert refused.value.fix
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["", " ", "\n\t "])
def test_empty_text_is_refused_only_where_something_must_be_said(text: str) -> None:
    with pytest.raises(InvalidInput, match="empty"):
        usable_text("input", text)
    assert usable_text("comment", text, may_be_empty=True) == text


@given(st.text())
def test_any_text_passes_unchanged_or_is_refused(text: str) -> None:
    try:
        assert usable_text("input", text) is text
    except InvalidInput:
        broken = any("\ud800" <= letter <= "\udfff" or letter == "\x00" for letter in text)
        assert broken or not text.strip()


def test_text_of_the_greatest_length_and_of_every_script_passes() -> None:
    assert usable_text("input", "é" * LONGEST_TEXT)
    assert usable_text("input", "日本語 🙂 עברית") == "日本語 🙂 עברית"


def test_ids_are_short_text() -> None:
    assert usable_id("trace id", "t" * LONGEST_ID) == "t" * LONGEST_ID
    with pytest.raises(InvalidInput, match="at most 64"):
        usable_id("trace id", "t" * (LONGEST_ID + 1))
    for bad in ("", "a\x00", "\ud800", None, 5):
        with pytest.raises(InvalidInput, match="trace id"):
            usable_id("trace id", bad)
