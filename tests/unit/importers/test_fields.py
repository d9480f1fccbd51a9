"""Single values: moments, numbers, words, tags and paths."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ratchet.importers.fields import count, dig, labels, moment, number, words


@pytest.mark.parametrize(
    "told",
    [
        1_790_000_000,
        1_790_000_000_000,
        1_790_000_000_000_000,
        1_790_000_000_000_000_000,
        "1790000000",
        "2026-09-21T14:13:20Z",
        "2026-09-21 14:13:20.000000",
        "2026-09-21 14:13:20+00:00",
        "2026-09-21 16:13:20+02:00",
        "2026-09-21 14:13:20 UTC",
        datetime(2026, 9, 21, 14, 13, 20),
        datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
    ],
)
def test_the_same_moment_in_every_notation(told: object) -> None:
    assert moment(told) == 1_790_000_000.0


@pytest.mark.parametrize("told", ["yesterday", "", None, -5, True, float("nan"), "9" * 400, [], "0001-01-01"])
def test_what_is_no_moment_is_none(told: object) -> None:
    assert moment(told) is None


def test_a_path_goes_through_objects_and_json_kept_as_text() -> None:
    row = {"meta": '{"user": {"id": 7}}', "meta.plain": "dots in the name"}
    assert dig(row, "meta.user.id") == 7
    assert dig(row, "meta.plain") == "dots in the name"
    assert dig(row, "meta.user.nothing") is None
    assert dig(row, "nothing.at.all") is None


def test_numbers_are_finite_and_counts_are_whole() -> None:
    assert [number(told) for told in ("0.5", 2, True, "inf", "x", None, 10**400)] == [0.5, 2.0, *[None] * 5]
    assert [count(told) for told in ("3", 3.0, 3.5, -1, 2**60)] == [3, 3, None, None, None]


def test_words_are_short_texts_of_plain_values() -> None:
    assert [words(told) for told in (" a ", True, 3, 3.0, 0.25, None, [], {}, float("nan"))] == [
        "a", "true", "3", "3", "0.25", "", "", "", "",
    ]  # fmt: skip


def test_tags_come_from_lists_objects_and_text() -> None:
    assert labels(["web", "", "web", None]) == ("web",)
    assert labels("web, app") == ("web", "app")
    assert labels('["web"]') == ("web",)
    assert labels({"team": "shop", "odd": []}) == ("team:shop", "odd")
    assert labels(7) == ()
