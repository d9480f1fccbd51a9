"""Apps that cannot work are refused when they are declared."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.errors import InvalidInput
from ratchet.records.app import App


def app(**fields: Any) -> App:
    return App(**({"name": "support", "kind": "answer", "base": "b", "embedder": "e", "labels": {}} | fields))


@pytest.mark.parametrize("name", ["support", "Support-2", "my_app", "a" * 100, "über"])
def test_plain_names_are_accepted(name: str) -> None:
    assert app(name=name).name == name


@pytest.mark.parametrize("name", ["", "a" * 101, "a b", "a/b", "../x", "-", "__", "a\x00", "<b>", "a.b", "\ud800"])
def test_names_that_no_address_or_file_could_hold_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        app(name=name)
    assert repr(name) in refused.value.what
    assert "letters" in refused.value.fix


@pytest.mark.parametrize("kind", ["", "Answer", "regression", None])
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(kind: Any) -> None:
    with pytest.raises(InvalidInput) as refused:
        app(kind=kind)
    assert all(known in refused.value.fix for known in ("answer", "classify", "chat"))


@pytest.mark.parametrize("labels", [{}, {"only": ""}])
def test_a_classify_app_needs_two_labels(labels: dict[str, str]) -> None:
    with pytest.raises(InvalidInput, match="at least two labels"):
        app(kind="classify", labels=labels)


def test_a_classify_app_with_two_labels_keeps_their_order() -> None:
    assert list(app(kind="classify", labels={"b": "", "a": "words"}).labels) == ["b", "a"]
