"""Records made in one line."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_SCALARS = st.none() | st.booleans() | st.integers() | TEXT
JSON_WITHOUT_FLOATS = st.recursive(
    JSON_SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)


def lesson(key: str, question: str, answer: str = "", **fields: Any) -> Lesson:
    """A lesson that teaches."""
    given: dict[str, Any] = {
        "app": "support", "case_id": f"case-{key}", "verdict_id": f"verdict-{key}", "at": 1.0, "group": key,
        "split": "teach", "reviewer": "ana",
    }  # fmt: skip
    return Lesson(id=key, question=question, answer=answer, **(given | fields))


def passage(key: str, text: str, title: str = "") -> Passage:
    """A passage of the app `support`."""
    return Passage(id=key, app="support", title=title, text=text)
