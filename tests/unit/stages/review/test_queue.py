"""The review queue: gate cases first, complaints by what they teach, and a share that no complaint can crowd out."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.records.app import App
from ratchet.records.case import Case
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review.queue import AUDIT, GATE, UNCERTAIN, fill
from ratchet.wiring import House
from tests.conftest import ask, complain, correct
from tests.scenes import actions

SAMPLED = {UNCERTAIN, AUDIT}


def complained(house: House, app: App, asked: list[str]) -> None:
    for question in asked:
        complain(house, ask(house, app, question).trace)
    enrich(house.outside, app.name, house.loop.rules)


def question_of(house: House, case: Case) -> str:
    trace = house.store.traces.get(case.trace_id)
    assert trace is not None
    return trace.input


def test_no_capacity_gives_no_cases(house: House, classify: App) -> None:
    complained(house, classify, ["my parcel is late"])
    assert fill(house.outside, "triage", 0, random.Random(1)) == []


def test_no_traffic_gives_no_cases(house: House, classify: App) -> None:
    assert fill(house.outside, "triage", 5, random.Random(1)) == []


def test_cases_that_a_gate_waits_for_come_first_and_fit_the_capacity(house: House, classify: App) -> None:
    complained(house, classify, ["my parcel is late", "no money back yet"])
    for number in range(3):
        trace = ask(house, classify, f"gate question {number}").trace
        house.store.cases.open(Case(id=f"g{number}", app="triage", trace_id=trace.id, at=9e9, reasons=(GATE,)))
    assert [case.id for case in fill(house.outside, "triage", 2, random.Random(1))] == ["g0", "g1"]
    assert [case.id for case in fill(house.outside, "triage", 4, random.Random(1))][:3] == ["g0", "g1", "g2"]


def test_a_flood_of_complaints_leaves_a_fifth_of_the_capacity_to_traffic_without_any(
    house: House, classify: App
) -> None:
    complained(house, classify, [f"complaint {number} about parcel {number}" for number in range(20)])
    for number in range(20):
        ask(house, classify, f"nobody complains of invoice {number}")
    cases = fill(house.outside, "triage", 10, random.Random(1))
    assert len(cases) == 10
    assert sum(bool(set(case.reasons) & SAMPLED) for case in cases) == 2
    assert all("thumb: down" in case.reasons for case in cases[:8])


def test_capacity_that_complaints_do_not_need_goes_to_what_is_uncertain(house: House, classify: App) -> None:
    for number in range(6):
        ask(house, classify, f"quiet question {number} of invoice")
    cases = fill(house.outside, "triage", 4, random.Random(1))
    assert len(cases) == 4
    assert all(set(case.reasons) <= SAMPLED for case in cases)
    assert [entry.subject for entry in actions(house, "case.opened")] == [case.id for case in cases]
    assert {case.id for case in house.store.cases.opened("triage")} == {case.id for case in cases}


def test_sampled_cases_are_not_sampled_again(house: House, classify: App) -> None:
    for number in range(6):
        ask(house, classify, f"quiet question {number} of invoice")
    first = fill(house.outside, "triage", 3, random.Random(1))
    again = fill(house.outside, "triage", 3, random.Random(2))
    assert {case.id for case in again} == {case.id for case in first}
    assert len(fill(house.outside, "triage", 50, random.Random(3))) == 6


def test_some_of_the_sample_is_drawn_at_random_for_audit(house: House, classify: App) -> None:
    for number in range(60):
        ask(house, classify, f"quiet question {number} of invoice")
    cases = fill(house.outside, "triage", 50, random.Random(4))
    audits = [case for case in cases if AUDIT in case.reasons]
    assert 1 <= len(audits) <= 8
    assert len({case.trace_id for case in cases}) == 50


def test_one_of_each_kind_is_chosen_before_a_second_of_any(house: House, classify: App) -> None:
    alike = [f"where is my parcel from the courier {number}" for number in range(5)]
    complained(house, classify, [*alike, "the password form is broken today", "an invoice shows the wrong sum"])
    chosen = [question_of(house, case) for case in fill(house.outside, "triage", 3, random.Random(1))[:2]]
    assert len(set(chosen) & set(alike)) == 1


def test_what_is_taught_already_comes_last(house: House, classify: App) -> None:
    correct(house, classify, "where is my parcel from the courier", answer="delivery")
    complained(house, classify, ["where is my parcel from the courier now", "the password form is broken today"])
    first = fill(house.outside, "triage", 2, random.Random(1))[0]
    assert question_of(house, first) == "the password form is broken today"


def test_a_case_whose_trace_has_not_arrived_waits(house: House, classify: App) -> None:
    house.store.cases.open(Case(id="early", app="triage", trace_id="tr_later", at=0.0, reasons=("thumb: down",)))
    assert fill(house.outside, "triage", 5, random.Random(1)) == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(capacity=st.integers(-1, 30), seed=st.integers(0, 99), asked=st.lists(st.booleans(), max_size=4))
def test_the_queue_is_never_longer_than_asked_and_holds_open_cases_once(
    house: House, capacity: int, seed: int, asked: list[bool]
) -> None:
    app = house.declare("triage", "classify", labels={"a": "", "b": ""})
    for number, unhappy in enumerate(asked):
        trace = ask(house, app, f"question {seed} {number} of {capacity}").trace
        if unhappy:
            complain(house, trace)
    enrich(house.outside, "triage", house.loop.rules)
    cases = fill(house.outside, "triage", capacity, random.Random(seed))
    standing = {case.id for case in house.store.cases.opened("triage")}
    assert len(cases) <= max(capacity, 0)
    assert len({case.id for case in cases}) == len(cases)
    assert {case.id for case in cases} <= standing
