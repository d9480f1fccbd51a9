"""Enrichment judges what is new, opens a case where somebody should look, and is done with it."""

from __future__ import annotations

from typing import Any

import pytest

from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.stages.capture.intake import read_feedback, record_feedback, record_trace
from ratchet.stages.enrich import enrichment
from ratchet.stages.enrich.enrichment import Enriched, enrich
from ratchet.stages.enrich.escalate import EscalationRules
from ratchet.wiring import House
from tests.conftest import ask, complain, praise

RULES = EscalationRules()
NOTHING = Enriched(assessed=0, opened=0)


def run(house: House, rules: EscalationRules = RULES) -> Enriched:
    return enrich(house.outside, "support", rules)


def give(house: House, trace_id: str, **fields: Any) -> None:
    record_feedback(house.outside, read_feedback(house.outside, "support", trace_id, **fields))


def test_a_complaint_is_assessed_once_and_opens_one_case(house: House, support: App, clock: ReplayClock) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    complain(house, trace, correction="In the hall.")
    clock.advance(60)
    assert run(house) == Enriched(assessed=1, opened=1)
    assert run(house) == NOTHING
    (case,) = house.store.cases.opened("support")
    assert (case.trace_id, case.reporter, case.at) == (trace.id, "u1", clock.now())
    assert case.reasons[:2] == ("thumb: down", "correction proposed")
    found = house.store.traces.assessment(trace.id)
    assert found is not None
    assert found.p_bad > 0.9
    assert {item.signal for item in found.evidence} == {"thumb", "correction"}


def test_praise_is_assessed_and_opens_no_case(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    praise(house, trace)
    assert run(house) == Enriched(assessed=1, opened=0)
    found = house.store.traces.assessment(trace.id)
    assert found is not None
    assert found.p_bad < 0.05
    assert house.store.cases.opened("support") == []
    assert house.store.audit.entries() == []


def test_a_trace_without_feedback_is_left_alone(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    assert run(house) == NOTHING
    assert house.store.traces.assessment(trace.id) is None


def test_feedback_before_its_trace_is_kept_and_assessed_once_the_trace_arrives(house: House, support: App) -> None:
    give(house, "later", thumb="down", user="ana")
    give(house, "later", stars=1, user="ben")
    assert run(house) == NOTHING
    assert house.store.traces.assessment("later") is None
    assert len(house.store.feedback.history("later")) == 2
    arrived = ask(house, support, "Where is my parcel?").trace
    record_trace(house.outside, type(arrived)(id="later", app="support", at=1.0, input="Where?", output="Here."))
    assert run(house) == Enriched(assessed=1, opened=1)
    (case,) = house.store.cases.opened("support")
    assert (case.trace_id, case.reporter) == ("later", "ana")
    assert case.reasons[:2] == ("thumb: down", "stars: 1")


def test_feedback_that_never_finds_its_trace_does_not_hold_up_the_rest(house: House, support: App) -> None:
    give(house, "never", thumb="down")
    complain(house, ask(house, support, "Where is my parcel?").trace)
    assert run(house) == Enriched(assessed=1, opened=1)


def test_later_feedback_is_assessed_anew_and_adds_its_reasons_to_the_open_case(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    complain(house, trace)
    run(house)
    first = house.store.traces.assessment(trace.id)
    give(house, trace.id, user="u2", flags=["unsafe"])
    assert run(house) == Enriched(assessed=1, opened=0)
    (case,) = house.store.cases.opened("support")
    assert {"thumb: down", "flag: unsafe"} <= set(case.reasons)
    second = house.store.traces.assessment(trace.id)
    assert first is not None
    assert second is not None
    assert second.p_bad > first.p_bad
    assert second.failure_modes == ("unsafe",)


def test_a_change_of_mind_is_what_counts(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    complain(house, trace)
    praise(house, trace)
    assert run(house) == Enriched(assessed=1, opened=0)


def test_the_opening_of_a_case_is_in_the_audit_log_without_any_words_of_the_user(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    complain(house, trace, correction="SECRET WORDS")
    run(house)
    (entry,) = house.store.audit.entries("support")
    (case,) = house.store.cases.opened("support")
    assert (entry.actor, entry.action, entry.subject) == ("ratchet", "case.opened", case.id)
    assert entry.details["trace"] == trace.id
    assert "SECRET" not in str(entry)


def test_an_anonymous_report_has_no_reporter(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    complain(house, trace, user="")
    run(house)
    assert house.store.cases.opened("support")[0].reporter == ""


def test_with_all_rules_off_traces_are_assessed_and_no_case_is_opened(house: House, support: App) -> None:
    complain(house, ask(house, support, "Where is my parcel?").trace)
    off = EscalationRules(thumb_down=False, stars_at_most=0, any_flag=False, any_correction=False, p_bad_above=1)
    assert run(house, off) == Enriched(assessed=1, opened=0)


def test_other_apps_are_left_alone(house: House, support: App, classify: App) -> None:
    complain(house, ask(house, classify, "refund please").trace)
    assert run(house) == NOTHING
    assert enrich(house.outside, "triage", RULES) == Enriched(assessed=1, opened=1)


def test_more_traces_than_a_batch_are_all_assessed(house: House, support: App) -> None:
    count = enrichment.BATCH + 3
    with house.store.transaction():
        for number in range(count):
            complain(house, ask(house, support, "Where is my parcel?").trace, user=f"u{number}")
    assert run(house) == Enriched(assessed=count, opened=count)
    assert run(house) == NOTHING


def test_a_crowd_that_praises_does_not_stop_the_loop(house: House, support: App) -> None:
    trace = ask(house, support, "Where is my parcel?").trace
    with house.store.transaction():
        for number in range(400):
            praise(house, trace, user=f"u{number}")
    assert run(house) == Enriched(assessed=1, opened=0)
    found = house.store.traces.assessment(trace.id)
    assert found is not None
    assert found.p_bad == pytest.approx(0, abs=1e-9)
