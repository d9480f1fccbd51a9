"""What all records share, and the small rules of some of them."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ratchet.records
from ratchet.errors import Conflict, InvalidInput
from ratchet.records.gate import Check, GateReport
from ratchet.records.passage import Passage
from ratchet.records.plan import ChangePlan
from ratchet.records.release import Manifest
from ratchet.records.suite import SuiteCase, suite_hash
from tests.unit.making import JSON_WITHOUT_FLOATS, TEXT, lesson, passage

MODULES = [
    importlib.import_module(f"ratchet.records.{found.name}") for found in pkgutil.iter_modules(ratchet.records.__path__)
]
RECORDS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind) and isinstance(kind, type) and kind.__module__ == module.__name__
]
SHARES = ("anchor_margin", "significance", "power", "negative_flip_rate", "contained_share", "review_growth")
COUNTS = ("segment_minimum", "anchor_sample", "flip_reviews", "review_minimum")


def suite_case(key: str, question: str = "q", answer: str = "a") -> SuiteCase:
    return SuiteCase(id=key, app="a", suite="anchor", question=question, answer=answer, at=0.0, group="g")


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_every_record_is_frozen_and_slotted(kind: Any) -> None:
    assert kind.__dataclass_params__.frozen
    assert set(kind.__slots__) == {field.name for field in dataclasses.fields(kind)}


def test_there_is_a_record_for_each_noun_of_the_loop() -> None:
    names = {kind.__name__ for kind in RECORDS}
    assert {
        "Trace",
        "Feedback",
        "Assessment",
        "Case",
        "Verdict",
        "Lesson",
        "Candidate",
        "GateReport",
        "Release",
    } <= names


@given(TEXT, TEXT)
def test_what_a_lesson_teaches_depends_on_question_answer_and_passage_alone(question: str, answer: str) -> None:
    taught = lesson("one", question, answer).taught_content()
    assert lesson("two", question, answer, reviewer="ben", at=9.0, segment="x").taught_content() == taught
    assert lesson("one", question + "!", answer).taught_content() != taught
    assert lesson("one", question, answer + "!").taught_content() != taught
    assert lesson("one", question, answer, passage_id="p").taught_content() != taught


def test_a_passage_is_searched_by_title_and_text() -> None:
    assert passage("p", "Thirty days.", "Returns").words() == "Returns\nThirty days."
    assert passage("p", "Thirty days.").words() == "Thirty days."


def test_the_content_of_a_passage_is_what_it_says_and_not_when_it_was_in_force() -> None:
    said = Passage(id="p", app="a", title="T", text="x")
    assert dataclasses.replace(said, since=4, until=9, app="b").content() == said.content()
    assert (
        len(
            {
                said.content(),
                *(dataclasses.replace(said, **{name: "other"}).content() for name in ("id", "title", "text")),
            }
        )
        == 4
    )


@given(st.permutations([suite_case(f"c{number}", f"q{number}") for number in range(5)]))
def test_a_suite_has_one_name_whatever_the_order_of_its_cases(cases: list[SuiteCase]) -> None:
    assert suite_hash(cases) == suite_hash(sorted(cases, key=lambda case: case.id))
    assert suite_hash(cases[1:]) != suite_hash(cases)
    assert suite_hash([dataclasses.replace(cases[0], answer="other"), *cases[1:]]) != suite_hash(cases)


@given(st.dictionaries(TEXT, JSON_WITHOUT_FLOATS))
def test_a_stored_manifest_reads_back_under_its_id(content: dict[str, Any]) -> None:
    manifest = Manifest(content)
    again = Manifest.from_json(manifest.to_json(), expected_id=manifest.id)
    assert again.content == content
    assert again.id == manifest.id


def test_an_altered_manifest_is_refused_with_both_hashes() -> None:
    manifest = Manifest({"app": "support", "number": 1})
    altered = manifest.to_json().replace("1", "2")
    with pytest.raises(Conflict) as refused:
        Manifest.from_json(altered, expected_id=manifest.id)
    assert manifest.id[:12] in refused.value.what
    assert Manifest({"app": "support", "number": 2}).id[:12] in refused.value.what
    assert "backup" in refused.value.fix


def test_a_report_finds_its_checks_by_name() -> None:
    made = Check(name="anchor", outcome="passed", cases=3, value=0.1, limit=0.2, message="fine")
    report = GateReport(
        id="g", app="a", candidate_id="c", gate="evaluate", at=1.0, decision="pass", reason="", checks=(made,)
    )
    assert report.check("anchor") is made
    assert report.check("target") is None


def test_the_shipped_change_plan_is_a_valid_one() -> None:
    assert ChangePlan() == ChangePlan(anchor_margin=0.01, contained_releases=True)


@pytest.mark.parametrize("name", SHARES)
@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), float("inf")])
def test_a_change_plan_refuses_shares_outside_zero_to_one(name: str, value: float) -> None:
    with pytest.raises(InvalidInput, match=name):
        ChangePlan(**{name: value})


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [0, -1])
def test_a_change_plan_refuses_counts_below_one(name: str, value: int) -> None:
    with pytest.raises(InvalidInput, match="at least 1"):
        ChangePlan(**{name: value})


@pytest.mark.parametrize("name", [*SHARES, *COUNTS])
def test_a_change_plan_accepts_the_ends_of_each_range(name: str) -> None:
    assert getattr(ChangePlan(**{name: 1}), name) == 1
