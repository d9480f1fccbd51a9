"""The result as JSON: every field that other programs read, with its type."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from ratchet.backtest.result import peak_memory_mb
from tests.unit.backtest.conftest import Run

NUMBER = (int, float)
FIELDS: Mapping[str, Any] = {
    "kind": str,
    "rows": int,
    "heldout_rows": int,
    "seed": int,
    "base": {"accuracy": NUMBER},
    "final": {"accuracy": NUMBER},
    "ceiling": {"accuracy": NUMBER},
    "corrections": int,
    "curve": list,
    "repeat_mistakes": dict,
    "releases": list,
    "forgetting": dict,
    "poison": dict,
    "seconds": NUMBER,
    "peak_memory_mb": NUMBER,
}
POINT = {"seen": int, "corrections": int, "releases": int, "prequential": NUMBER, "heldout": NUMBER}
RELEASE = {
    "number": int,
    "id": str,
    "layers": list,
    "decision": str,
    "target": NUMBER,
    "anchor": NUMBER,
    "negative_flip_rate": NUMBER,
    "unexplained_flip_rate": NUMBER,
    "reason": str,
}


def wrong_fields(found: Any, expected: Mapping[str, Any]) -> list[str]:
    """The names that are missing or of another type."""
    wrong = []
    for name, kind in expected.items():
        if name not in found:
            wrong.append(f"{name} is missing")
        elif isinstance(kind, dict):
            wrong += [f"{name}.{inner}" for inner in wrong_fields(found[name], kind)]
        elif not isinstance(found[name], kind) or isinstance(found[name], bool):
            wrong.append(f"{name} is {found[name]!r}")
    return wrong


@pytest.fixture(params=["classified", "answered"])
def result(request: pytest.FixtureRequest) -> dict[str, Any]:
    run: Run = request.getfixturevalue(request.param)
    return run.result


def test_it_has_every_field_of_the_contract(result: dict[str, Any]) -> None:
    assert wrong_fields(result, FIELDS) == []
    assert result["curve"]
    for point in result["curve"]:
        assert wrong_fields(point, POINT) == []
    assert result["releases"]
    for release in result["releases"]:
        assert wrong_fields(release, RELEASE) == []
        assert release["decision"] == "pass"
        assert len(release["id"]) == 64
        assert release["reason"]
        assert set(release["layers"]) <= {"retrieval", "examples"}


def test_the_measures_are_shares(result: dict[str, Any]) -> None:
    for name in ("base", "final", "ceiling"):
        assert all(0 <= value <= 1 for value in result[name].values())
    assert all(0 <= point[name] <= 1 for point in result["curve"] for name in ("prequential", "heldout"))
    assert set(result["repeat_mistakes"]) >= {"before", "after"}
    assert set(result["forgetting"]) == {"backward_transfer"}


def test_it_is_json_that_any_program_can_read(result: dict[str, Any]) -> None:
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_answers_have_their_ranks_beside_the_accuracy(classified: Run, answered: Run) -> None:
    for name in ("base", "final", "ceiling"):
        assert set(answered.result[name]) == {"accuracy", "hit@5", "mrr@10"}
        assert set(classified.result[name]) == {"accuracy"}
    assert answered.result["kind"] == "answer"
    assert "coverage" not in classified.result


def test_the_rows_are_those_that_were_streamed_and_those_that_measured(classified: Run) -> None:
    assert classified.result["rows"] == len(classified.history.streamed) == 240
    assert classified.result["heldout_rows"] == len(classified.history.held_out) == 60
    assert classified.result["seconds"] == 1.2


def test_stopped_candidates_are_told_with_their_checks(spoiled: Run) -> None:
    run = spoiled
    assert run.result["stopped"], "a reviewer who is mostly wrong must be stopped at least once"
    for stopped in run.result["stopped"]:
        assert stopped["candidate"]
        assert stopped["decision"] in ("reject", "hold")
        assert stopped["reason"]
        assert {check["outcome"] for check in stopped["checks"]} & {"failed", "too_little_data"}
    assert all(release["decision"] == "pass" for release in run.result["releases"])


def test_the_memory_is_that_of_this_process() -> None:
    assert 20 < peak_memory_mb() < 20_000
