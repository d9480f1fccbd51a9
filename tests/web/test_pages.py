"""Pages: however rows lie in time and however large a page is, each row comes once, newest first."""

from __future__ import annotations

import base64
import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.records.feedback import Feedback
from ratchet.records.filters import FeedbackFilter
from ratchet.web.pages import page_of, position
from ratchet.wiring import House
from tests.storage.samples import a_trace, feedback

TIMES = st.sampled_from([0.0, 1.0, 1.0000000000000002, 1e-300, 1_790_000_000.123456, 253402300799.0])
ROWS = st.lists(st.tuples(TIMES, st.sampled_from("abcä:="), st.sampled_from(["one", "two"])), unique=True, max_size=12)


def order(row: Feedback) -> tuple[float, bytes, bytes]:
    """Newest first, as a database compares texts: byte by byte."""
    return -row.at, *(bytes(255 - byte for byte in text.encode()) + b"\xff" for text in (row.id, row.app))


@given(rows=ROWS, limit=st.integers(1, 13))
def test_every_row_comes_once_from_a_list(rows: list[tuple[float, str, str]], limit: int) -> None:
    """The cursor alone says where to go on: rows after it, compared as the store compares them."""
    left = sorted((feedback(key, at=at, app=app) for at, key, app in rows), key=order)
    found: list[Feedback] = []
    while True:
        page, cursor = page_of(left, limit)
        assert len(page) <= limit
        found += page
        if cursor is None:
            break
        at, key, app = position(cursor) or (0.0, "", "")
        left = [row for row in left if order(row) > order(feedback(key, at=at, app=app))]
    assert [(row.at, row.id, row.app) for row in found] == [
        (row.at, row.id, row.app) for row in sorted((feedback(k, at=a, app=p) for a, k, p in rows), key=order)
    ]


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 16])
def test_every_row_comes_once_from_the_store(house: House, limit: int) -> None:
    rows = [feedback(f"f{n}", at=float(n // 3), app=app, thumb="up") for n in range(7) for app in ("one", "two")]
    store = house.store
    store.feedback.add_many(rows)
    found: list[Feedback] = []
    cursor: str | None = ""
    while cursor is not None:
        wanted = FeedbackFilter(before=position(cursor), limit=limit + 1)
        page, cursor = page_of(store.feedback.find(wanted), limit)
        assert page
        found += page
    assert found == sorted(rows, key=order)


def test_the_last_page_has_no_cursor_though_it_is_full() -> None:
    rows = [a_trace("t2", at=2.0), a_trace("t1", at=1.0)]
    assert page_of(rows, 2) == (rows, None)
    assert page_of(rows, 1)[0] == rows[:1]
    assert page_of(rows[:0], 2) == ([], None)


def test_no_cursor_is_the_first_page() -> None:
    assert position("") is None


@given(cursor=st.one_of(st.text(min_size=1, max_size=30), st.binary(max_size=30).map(
    lambda raw: base64.urlsafe_b64encode(raw).decode()
)))  # fmt: skip
def test_a_cursor_that_is_not_ours_is_refused_and_nothing_else_happens(cursor: str) -> None:
    found = None
    with suppress(InvalidInput):
        found = position(cursor)
    assert found is None or math.isfinite(found[0])


@pytest.mark.parametrize("text", ["", "x", "1.0", "1.0:app", "0x1p0", "zz:app:id", "nan:app:id", "inf:app:id"])
def test_a_cursor_with_other_content_is_refused(text: str) -> None:
    cursor = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode() or "="
    with pytest.raises(InvalidInput, match="not one of ours"):
        position(cursor)
