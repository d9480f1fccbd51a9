"""The audit log is tamper-evident: whatever is altered no longer fits its hash."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.records.audit import GENESIS, AuditEntry
from ratchet.records.canonical import canonical_json
from tests.conftest import ask, complain, correct
from tests.unit.making import JSON_WITHOUT_FLOATS, TEXT

DETAILS = st.dictionaries(TEXT, JSON_WITHOUT_FLOATS, max_size=4)
CHANGES = st.fixed_dictionaries({"actor": TEXT, "action": TEXT, "app": TEXT, "subject": TEXT, "details": DETAILS})


def entry(sequence: int = 1, previous: str = GENESIS, **fields: Any) -> AuditEntry:
    given: dict[str, Any] = {"actor": "ana", "action": "case.decided", "app": "a", "subject": "s", "details": {"n": 1}}
    return AuditEntry.chained(sequence=sequence, at=7, previous=previous, **(given | fields))


def chain(changes: list[dict[str, Any]]) -> list[AuditEntry]:
    made: list[AuditEntry] = []
    for number, change in enumerate(changes, start=1):
        made.append(entry(number, made[-1].hash if made else GENESIS, **change))
    return made


def is_whole(entries: list[AuditEntry]) -> bool:
    previous = [GENESIS, *(item.hash for item in entries)]
    return all(item.is_intact(before) for before, item in zip(previous, entries, strict=False))


@given(st.lists(CHANGES, max_size=5))
def test_an_untouched_chain_is_whole(changes: list[dict[str, Any]]) -> None:
    assert is_whole(chain(changes))


@given(st.lists(CHANGES, min_size=1, max_size=4), st.data())
def test_any_altered_field_is_detected(changes: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = chain(changes)
    place = data.draw(st.integers(0, len(entries) - 1))
    name = data.draw(st.sampled_from([field.name for field in fields(AuditEntry)]))
    values = st.integers() if name in ("sequence", "at") else DETAILS if name == "details" else TEXT
    altered = replace(entries[place], **{name: data.draw(values)})
    was, now = ({"": getattr(item, name)} for item in (entries[place], altered))
    assume(canonical_json(was) != canonical_json(now))
    assert not is_whole([*entries[:place], altered, *entries[place + 1 :]])


@given(st.lists(CHANGES, min_size=2, max_size=5), st.data())
def test_an_entry_cut_out_of_the_middle_is_detected(changes: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = chain(changes)
    gone = data.draw(st.integers(0, len(entries) - 2))
    assert not is_whole([*entries[:gone], *entries[gone + 1 :]])


@given(st.lists(CHANGES, min_size=2, max_size=5), st.data())
def test_two_entries_that_changed_places_are_detected(changes: list[dict[str, Any]], data: st.DataObject) -> None:
    entries = chain(changes)
    place = data.draw(st.integers(0, len(entries) - 2))
    entries[place], entries[place + 1] = entries[place + 1], entries[place]
    assert not is_whole(entries)


@pytest.mark.parametrize(
    "tamper",
    [
        lambda kept: replace(kept, details={"n": True}),
        lambda kept: replace(kept, details={"n": 1.0}),
        lambda kept: replace(kept, at=7.0),
        lambda kept: replace(kept, details={"n": "1"}),
        lambda kept: replace(kept, actor="\ud800"),
        lambda kept: replace(kept, sequence=True),
    ],
)
def test_a_value_of_another_type_is_detected_too(tamper: Callable[[AuditEntry], AuditEntry]) -> None:
    assert entry().is_intact(GENESIS)
    assert not tamper(entry()).is_intact(GENESIS)


def test_an_entry_may_not_hold_a_float() -> None:
    with pytest.raises(InvalidInput, match="decimal string"):
        entry(details={"p": 0.5})


def test_the_log_of_a_real_store_is_one_whole_chain(house: Any, support: Any) -> None:
    correct(house, support, "How long may I keep it?", answer="Thirty days.")
    complain(house, ask(house, support, "What does a parcel cost?").trace)
    entries = house.store.audit.entries()
    assert [item.sequence for item in entries] == list(range(1, len(entries) + 1))
    assert {"case.opened", "verdict.given"} <= {item.action for item in entries}
    assert is_whole(entries)
