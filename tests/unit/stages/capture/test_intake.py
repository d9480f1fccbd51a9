"""Intake: what is usable is stored once and counted; what is not is refused and leaves nothing behind."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.errors import Conflict, InvalidInput, RatchetError, StorageError, UnknownName
from ratchet.records.app import App
from ratchet.records.feedback import SIGNALS, Score
from ratchet.records.trace import Context, Trace
from ratchet.stages.capture.intake import MOST_SCORES, count_rejected, read_feedback, record_feedback, record_trace
from ratchet.stages.capture.validate import LONGEST_TEXT
from ratchet.wiring import House
from tests.conftest import ask, complain

MEGABYTE = "x" * 1_000_000
BAD_FEEDBACK: dict[str, dict[str, Any]] = {
    "nothing said": {},
    "only empty texts": {"comment": "", "correction": "", "thumb": ""},
    "endless comment": {"comment": MEGABYTE},
    "endless correction": {"correction": MEGABYTE},
    "endless user": {"thumb": "up", "user": MEGABYTE},
    "endless score": {"scores": {"tone": MEGABYTE}},
    "endless signal": {"signals": {"outcome": MEGABYTE}},
    "surrogate in a comment": {"comment": "\ud800"},
    "surrogate in a score": {"scores": {"tone": "\ud800"}},
    "surrogate in a score's name": {"scores": {"to\ud800ne": 1}},
    "surrogate in a signal": {"signals": {"outcome": "\udfff"}},
    "surrogate in a flag": {"flags": ["\ud800"]},
    "surrogate in a user": {"thumb": "up", "user": "\ud800"},
    "NUL in a comment": {"comment": "a\x00"},
    "NUL in a correction": {"correction": "a\x00"},
    "NUL in a score": {"scores": {"tone": "a\x00"}},
    "NUL in a score's name": {"scores": {"\x00": 1}},
    "NUL in a signal": {"signals": {"outcome": "\x00"}},
    "NaN": {"scores": {"tone": math.nan}},
    "infinity": {"scores": {"tone": -math.inf}},
    "an integer beyond floats": {"scores": {"tone": 10**400}},
    "a list as a score": {"scores": {"tone": [1]}},
    "null as a score": {"scores": {"tone": None}},
    "a score without a name": {"scores": {"": 1}},
    "a score with an endless name": {"scores": {"n" * 101: 1}},
    "a score's name that is no text": {"scores": {7: 1}},
    "too many scores": {"scores": {f"n{number}": 1 for number in range(MOST_SCORES + 1)}},
    "a score that poses as a thumb": {"scores": {"thumb": True}},
    "a score that poses as stars": {"scores": {"stars": "five"}},
    "a score that poses as a correction": {"scores": {"correction": 0.1}},
    "a score that poses as a flag": {"scores": {"flag:unsafe": 0}},
    "a score that poses as a signal": {"scores": {"signal:accept": "no"}},
    "an unknown signal": {"signals": {"blink": 1}},
    "NaN as a signal": {"signals": {"dwell_ms": math.nan}},
    "a list as a signal": {"signals": {"copy": []}},
    "true as stars": {"stars": True},
    "false as stars": {"stars": False},
    "no stars": {"stars": 0},
    "six stars": {"stars": 6},
    "half stars": {"stars": 2.5},
    "NaN stars": {"stars": math.nan},
    "stars in words": {"stars": "5"},
    "a sideways thumb": {"thumb": "sideways"},
    "a true thumb": {"thumb": True},
    "a false thumb": {"thumb": False, "comment": "x"},
    "a list as a thumb": {"thumb": [], "comment": "x"},
    "an empty flag": {"flags": [" "]},
    "an endless flag": {"flags": ["f" * 65]},
    "a number as a flag": {"flags": [1]},
    "a number as a comment": {"comment": 5},
    "an endless event id": {"thumb": "up", "event_id": "e" * 65},
    "NUL in the event id": {"thumb": "up", "event_id": "\x00"},
}
BAD_TRACES: dict[str, dict[str, Any]] = {
    "no input": {"input": ""},
    "blank input": {"input": " \n"},
    "endless input": {"input": MEGABYTE},
    "endless output": {"output": MEGABYTE},
    "NUL in the output": {"output": "\x00"},
    "surrogate in the input": {"input": "a\ud800"},
    "no id": {"id": ""},
    "endless id": {"id": "t" * 65},
    "surrogate in the user": {"context": Context(user="\ud800")},
    "NUL in the segment": {"context": Context(segment="\x00")},
    "endless session": {"context": Context(session=MEGABYTE)},
    "an empty tag": {"context": Context(tags=("ok", ""))},
    "surrogate in a tag": {"context": Context(tags=("\ud800",))},
}


def trace(**fields: Any) -> Trace:
    return Trace(**({"id": "t1", "app": "support", "at": 1.0, "input": "Where?", "output": "Here."} | fields))


def give(house: House, trace_id: str = "t1", **fields: Any) -> str:
    return record_feedback(house.outside, read_feedback(house.outside, "support", trace_id, **fields))


def is_empty(house: House) -> bool:
    feedback = house.store.feedback
    return not (
        feedback.history("t1")
        or feedback.scores("t1")
        or feedback.tallies("support")
        or house.store.traces.count("support")
    )


@pytest.mark.parametrize("given", BAD_FEEDBACK.values(), ids=BAD_FEEDBACK)
def test_unusable_feedback_is_refused_with_a_fix_and_nothing_is_stored(house: House, given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        give(house, **given)
    assert refused.value.what
    assert refused.value.fix
    assert is_empty(house)


@pytest.mark.parametrize("trace_id", ["", " ", "t" * 65, "\x00", "\ud800", None, 7])
def test_feedback_on_an_unusable_trace_id_is_refused(house: House, trace_id: Any) -> None:
    with pytest.raises(InvalidInput, match="trace id"):
        give(house, trace_id, thumb="up")
    assert is_empty(house)


@pytest.mark.parametrize("fields", BAD_TRACES.values(), ids=BAD_TRACES)
def test_an_unusable_trace_is_refused_with_a_fix_and_nothing_is_stored(house: House, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        record_trace(house.outside, trace(**fields))
    assert refused.value.what
    assert refused.value.fix
    assert is_empty(house)


def test_an_unknown_app_is_refused_by_name_with_the_names_there_are(house: House, support: App) -> None:
    for use in (house.reopen, house.loop.turn, house.store.apps.get):
        with pytest.raises(UnknownName) as refused:
            use("suport")
        assert "'suport'" in refused.value.what
        assert "support" in refused.value.fix
    assert house.store.feedback.tallies("suport") == {}


def test_an_unknown_signal_is_refused_with_the_signals_there_are(house: House) -> None:
    with pytest.raises(InvalidInput) as refused:
        give(house, signals={"copy": True, "blink": 1})
    assert "'blink'" in refused.value.what
    assert all(known in refused.value.fix for known in SIGNALS)


def test_everything_said_in_one_message_is_stored(house: House, clock: Any) -> None:
    given = read_feedback(
        house.outside, "support", "t1", event_id="e1", user="u1", scores={"tone": "rude", "helpful": 2, "ok": False},
        thumb="down", stars=2.0, flags=["unsafe"], correction="Thirty days.", comment="Wrong!",
        signals={"dwell_ms": 800, "copy": True},
    )  # fmt: skip
    assert record_feedback(house.outside, given) == "stored"
    assert given.at == clock.now()
    assert house.store.feedback.history("t1") == [given]
    standing = {score.name: score.value for score in house.store.feedback.scores("t1")["u1"]}
    assert standing == {
        "tone": "rude", "helpful": 2.0, "ok": False, "thumb": "down", "stars": 2.0, "flag:unsafe": True,
        "correction": "Thirty days.", "comment": "Wrong!", "signal:dwell_ms": 800.0, "signal:copy": True,
    }  # fmt: skip


def test_the_longest_text_there_may_be_is_kept_whole(house: House) -> None:
    give(house, comment="é" * LONGEST_TEXT)
    assert house.store.feedback.history("t1")[0].comment == "é" * LONGEST_TEXT


@pytest.mark.parametrize("thumb", [None, ""])
def test_no_thumb_is_no_opinion(house: House, thumb: Any) -> None:
    assert give(house, thumb=thumb, comment="Hm.") == "stored"
    assert house.store.feedback.history("t1")[0].thumb == ""
    assert {score.name for score in house.store.feedback.scores("t1")[""]} == {"comment"}


@pytest.mark.parametrize("stars", [1, 2, 3.0, 5])
def test_whole_stars_are_kept_as_whole_numbers(house: House, stars: float) -> None:
    give(house, stars=stars)
    assert house.store.feedback.history("t1")[0].stars == stars
    assert type(house.store.feedback.history("t1")[0].stars) is int


def test_the_same_trace_again_changes_nothing(house: House) -> None:
    assert record_trace(house.outside, trace()) == "stored"
    assert record_trace(house.outside, trace(output="Elsewhere.")) == "duplicate"
    kept = house.store.traces.get("t1")
    assert kept is not None
    assert kept.output == "Here."
    assert house.store.feedback.tallies("support") == {"received": 2, "stored": 1, "duplicate": 1}


def test_a_trace_may_have_an_empty_output_and_full_context(house: House) -> None:
    context = Context(user="u", role="r", task_type="t", session="s", environment="e", segment="g", tags=("a", "b"))
    record_trace(house.outside, trace(output="", context=context))
    assert house.store.traces.get("t1") == trace(output="", context=context)


def test_the_same_event_again_changes_nothing(house: House) -> None:
    assert give(house, event_id="e1", thumb="up") == "stored"
    assert give(house, event_id="e1", thumb="up") == "duplicate"
    assert house.store.feedback.scores("t1") == {"": [Score("thumb", "up", "categorical")]}
    assert len(house.store.feedback.history("t1")) == 1


def test_an_event_id_that_stands_for_something_else_is_refused_and_changes_nothing(house: House) -> None:
    give(house, event_id="e1", thumb="up")
    with pytest.raises(Conflict, match="e1"):
        give(house, event_id="e1", thumb="down", comment="no")
    assert house.store.feedback.scores("t1") == {"": [Score("thumb", "up", "categorical")]}
    assert len(house.store.feedback.history("t1")) == 1


def test_the_same_event_with_its_scores_in_another_order_is_the_same(house: House) -> None:
    assert give(house, event_id="e1", scores={"tone": 5, "accuracy": 2}, flags=("unsafe", "wrong")) == "stored"
    assert give(house, event_id="e1", scores={"accuracy": 2, "tone": 5}, flags=("wrong", "unsafe")) == "duplicate"


def test_an_event_id_belongs_to_its_app(house: House) -> None:
    give(house, event_id="e1", thumb="up")
    other = read_feedback(house.outside, "triage", "t2", event_id="e1", thumb="down")
    assert record_feedback(house.outside, other) == "stored"


def test_without_an_event_id_every_message_is_an_event(house: House, clock: Any) -> None:
    assert give(house, thumb="up") == "stored"
    clock.advance(1)
    assert give(house, thumb="up") == "stored"
    ids = [event.id for event in house.store.feedback.history("t1")]
    assert len(set(ids)) == 2
    assert all(identity.startswith("fb_") for identity in ids)


events = st.lists(
    st.tuples(
        st.sampled_from(["e1", "e2", "e3", "e4", ""]),
        st.sampled_from(["ana", "ben", ""]),
        st.dictionaries(st.sampled_from("ab"), st.booleans() | st.integers(0, 9) | st.just("a"), min_size=1),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=events)
def test_the_last_value_of_each_user_and_name_stands_and_a_repeated_event_counts_once(
    house: House, events: Any
) -> None:
    trace_id = house.outside.ids.new("tr")
    before = house.store.feedback.tallies("support")
    expected: dict[str, dict[str, Any]] = {}
    seen: dict[str, Any] = {}
    refused = 0
    for event, user, scores in events:
        said = {"event_id": event and f"{event}-{trace_id}", "user": user, "scores": scores}
        said_before = {name: (type(value), value) for name, value in scores.items()}  # true is not the number 1
        if event in seen and seen[event] != (user, said_before):
            with pytest.raises(Conflict):
                give(house, trace_id, **said)
            refused += 1
            continue
        assert give(house, trace_id, **said) == ("duplicate" if event in seen else "stored")
        if event not in seen:
            expected.setdefault(user, {}).update(scores)
        seen |= {event: (user, said_before)} if event else {}
    found = house.store.feedback.scores(trace_id)
    assert {user: {score.name: score.value for score in given} for user, given in found.items()} == expected
    stored = len([event for event, _, _ in events if not event]) + len(seen)
    assert len(house.store.feedback.history(trace_id)) == stored
    after = house.store.feedback.tallies("support")
    assert {name: after.get(name, 0) - before.get(name, 0) for name in ("received", "stored", "duplicate")} == {
        "received": len(events) - refused, "stored": stored, "duplicate": len(events) - stored - refused
    }  # fmt: skip


def test_what_was_received_is_stored_duplicate_rejected_or_quarantined(house: House, support: App) -> None:
    first = ask(house, support, "Where is my parcel?")
    complain(house, first.trace)
    record_trace(house.outside, first.trace)
    for number in range(6):
        try:
            give(house, event_id=f"e{number}", stars=number)
        except RatchetError:
            count_rejected(house.outside, "support")
    give(house, event_id="e1", stars=1)
    tallies = house.store.feedback.tallies("support")
    assert tallies == {"received": 10, "stored": 7, "duplicate": 2, "rejected": 1}
    assert tallies["received"] == sum(count for outcome, count in tallies.items() if outcome != "received")


@pytest.mark.parametrize(
    "intake", [lambda house: record_trace(house.outside, trace()), lambda house: give(house, stars=1)]
)
def test_what_cannot_be_counted_is_not_stored_either(
    house: House, tmp_path: Path, intake: Callable[[House], str]
) -> None:
    with closing(sqlite3.connect(tmp_path / "ratchet.db")) as database:
        database.execute("CREATE TRIGGER full BEFORE INSERT ON tallies BEGIN SELECT RAISE(ABORT, 'full'); END")
        with pytest.raises(StorageError, match="full"):
            intake(house)
        assert is_empty(house)
        database.execute("DROP TRIGGER full")
    assert intake(house) == "stored"


def test_acknowledged_feedback_outlives_the_process(open_store: Callable[[], House]) -> None:
    give(open_store(), event_id="e1", thumb="down", comment="Wrong.")
    again = open_store()
    assert again.store.feedback.history("t1")[0].comment == "Wrong."
    assert give(again, event_id="e1", thumb="down", comment="Wrong.") == "duplicate"


def test_a_store_that_cannot_write_refuses_and_says_so(house: House) -> None:
    house.close()
    with pytest.raises(StorageError):
        give(house, thumb="up")
