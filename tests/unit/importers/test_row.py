"""Rows that fit the service, ids that stay the same."""

from __future__ import annotations

import pytest

from ratchet.importers.row import Imported, Skipped, app_name, checked_row, stable_id, usable_id
from ratchet.records.trace import Context
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn


@pytest.mark.parametrize(
    ("trace", "reason"),
    [
        (TraceIn(app="a", input=" \n"), "trace: there is no text in its input"),
        (TraceIn(app="a", input="x" * 100_001), "trace: its input has more than 100,000 characters"),
        (TraceIn(app="a", input="Hi", output="x" * 100_001), "trace: its output has more than 100,000 characters"),
        (TraceIn(app="a", input="Hi\x00"), "trace: it holds a NUL character"),
        (TraceIn(app="a", input="Hi", context=Context(tags=("a\x00",))), "trace: it holds a NUL character"),
        (TraceIn(app="a", input="Hi", context=Context(tags=("\ud800",))), "trace: it is not valid Unicode"),
        (TraceIn(app="", input="Hi"), "trace: it does not fit: Expected `str` of length >= 1 - at `$.app`"),
    ],
)
def test_a_trace_that_does_not_fit_is_skipped_with_its_feedback(trace: TraceIn, reason: str) -> None:
    assert list(checked_row("line 1", trace, [FeedbackIn(id="t", thumb="up")])) == [Skipped("line 1", reason)]


def test_feedback_that_does_not_fit_leaves_its_trace() -> None:
    trace = TraceIn(app="a", id="t", input="Hi")
    bad, good = FeedbackIn(id="t", stars=9), FeedbackIn(id="t", stars=5)
    skipped, kept = checked_row("line 1", trace, [bad, good])
    assert isinstance(skipped, Skipped)
    assert skipped.reason.startswith("feedback: it does not fit")
    assert isinstance(kept, Imported)
    assert [said.stars for said in kept.feedback] == [5]


def test_ids_are_made_of_their_parts_and_nothing_else() -> None:
    assert stable_id("a", "b") == stable_id("a", "b")
    assert len({stable_id("a", "b"), stable_id("ab", ""), stable_id("b", "a"), stable_id("a")}) == 4
    assert len(stable_id("a")) <= 64


@pytest.mark.parametrize("value", ["", "x" * 65, " x", "a\nb", "a\x00"])
def test_ids_that_cannot_serve_are_replaced(value: str) -> None:
    assert usable_id("tool", value).startswith("im_")
    assert usable_id("tool", value) == usable_id("tool", value)


def test_ids_that_can_serve_are_kept() -> None:
    assert usable_id("tool", "tr-0123") == "tr-0123"


def test_names_of_projects_become_names_of_apps() -> None:
    assert [app_name(text) for text in ("Support bot", "über/bot", "...", "x" * 300)] == [
        "Support-bot",
        "ber-bot",
        "",
        "x" * 100,
    ]


def test_text_about_nul_characters_is_text() -> None:
    (row,) = checked_row("line 1", TraceIn(app="a", input="What is \\u0000 in JSON?"), [])
    assert isinstance(row, Imported)
