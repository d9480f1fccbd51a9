"""Releases, lessons and the audit log over HTTP."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet.records.audit import GENESIS, AuditEntry
from tests.web.routes.conftest import correct, quiet, refused, release
from tests.web.running import Running, running

WHO = {"actor": "ines", "reason": "a check"}
QUESTIONS = {"May I return a kettle?": "Yes, within 60 days.", "Where is the shop in Oslo?": "At the harbour."}


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Running, list[str]]]:
    """A service with two releases of one lesson each; and the lessons' ids."""
    with running(quiet(tmp_path / "two")) as service:
        lessons = []
        for number, (question, answer) in enumerate(QUESTIONS.items(), start=1):
            lessons.append(correct(service, question, answer))
            assert release(service) == number
        yield service, lessons


def live(service: Running) -> list[int]:
    return [row["number"] for row in service.get("/v1/apps/support/releases").json()["releases"] if row["live"]]


def answers(service: Running) -> list[str]:
    return [service.post("/v1/apps/support/answer", {"input": text}).json()["source"] for text in QUESTIONS]


def test_releases_are_listed_and_shown_with_their_gate(two: tuple[Running, list[str]]) -> None:
    service, _ = two
    found = service.get("/v1/apps/support/releases").json()
    assert [(row["number"], row["lessons"], row["live"]) for row in found["releases"]] == [(1, 1, False), (2, 2, True)]
    assert [item["status"] for item in found["candidates"]] == ["released", "released"]
    shown = service.get("/v1/apps/support/releases/2").json()
    assert shown["release"] == found["releases"][1]
    assert hashlib.sha256(shown["release"]["manifest"].encode()).hexdigest() == shown["release"]["id"]
    assert json.loads(shown["release"]["manifest"])["parent"] == 1
    assert shown["candidate"]["id"] == shown["release"]["candidate_id"]
    assert [(report["gate"], report["decision"]) for report in shown["reports"]] == [("evaluate", "pass")]
    for number in ("0", "3", "-1", "x", "1.0", "9" * 30, "²"):
        refused(service.get(f"/v1/apps/support/releases/{number}"), 404)


def test_releases_go_back_and_forward_and_answers_with_them(two: tuple[Running, list[str]]) -> None:
    service, _ = two
    assert (live(service), answers(service)) == ([2], ["reviewed", "reviewed"])
    assert service.post("/v1/apps/support/rollback", WHO).json() == {"release": 1}
    assert (live(service), answers(service)) == ([1], ["reviewed", "abstained"])
    assert service.post("/v1/apps/support/promote", {**WHO, "number": 2}).json() == {"release": 2}
    assert answers(service) == ["reviewed", "reviewed"]
    assert service.post("/v1/apps/support/rollback", {**WHO, "number": 0}).json() == {"release": 0}
    assert (live(service), "reviewed" in answers(service)) == ([], False)
    refused(service.post("/v1/apps/support/rollback", WHO), 409, "nothing to roll back")
    acted = [row["action"] for row in service.get("/v1/audit").json()["entries"] if row["actor"] == "ines"]
    assert acted == ["release.rolled_back", "release.promoted", "release.rolled_back"]


@pytest.mark.parametrize(
    ("move", "body", "status", "said"),
    [
        ("promote", WHO, 422, "which release"),
        ("promote", {**WHO, "number": 2}, 409, "in force already"),
        ("promote", {**WHO, "number": 9}, 404, "9"),
        ("rollback", {**WHO, "number": 9}, 404, "9"),
        ("rollback", {"actor": "ines", "reason": ""}, 422, "reason"),
        ("rollback", {"actor": "", "reason": "x"}, 422, "actor"),
        ("rollback", {"actor": "ines", "reason": "  "}, 409, "No reason"),
    ],
)
def test_a_move_that_cannot_be_is_refused_and_moves_nothing(
    two: tuple[Running, list[str]], move: str, body: dict[str, Any], status: int, said: str
) -> None:
    service, _ = two
    refused(service.post(f"/v1/apps/support/{move}", body), status, said)
    assert live(service) == [2]


def test_a_revoked_lesson_stops_at_once_and_never_comes_back(two: tuple[Running, list[str]]) -> None:
    service, (first, second) = two
    gone = service.post(f"/v1/lessons/{first}/revoke", {"actor": "ines", "reason": "wrong"})
    assert (gone.json()["id"], gone.json()["status"]) == (first, "revoked")
    assert [source == "reviewed" for source in answers(service)] == [False, True]
    service.post("/v1/apps/support/rollback", WHO)
    assert "reviewed" not in answers(service), "an earlier release does not bring it back"
    assert [row["status"] for row in service.get("/v1/apps/support/lessons").json()["lessons"]] == ["revoked", "active"]
    assert service.get(f"/v1/lessons/{second}").json()["status"] == "active"
    refused(service.post("/v1/lessons/none/revoke", WHO), 404, "'none'")
    refused(service.get("/v1/lessons/none"), 404, "'none'")
    refused(service.get("/v1/apps/nowhere/lessons"), 404, "nowhere")


def test_the_audit_log_is_a_chain_that_a_client_can_check(two: tuple[Running, list[str]]) -> None:
    service, (first, _) = two
    entries = service.get("/v1/audit?last=10000").json()["entries"]
    assert [row["sequence"] for row in entries] == list(range(1, len(entries) + 1))
    previous = GENESIS
    for row in entries:
        assert AuditEntry(**row).is_intact(previous)
        previous = row["hash"]
    assert service.get("/v1/audit?last=3").json()["entries"] == entries[-3:]
    of_app = service.get("/v1/audit?app=support&last=10000").json()["entries"]
    assert of_app == [row for row in entries if row["app"] == "support"]
    assert "release.promoted" in {row["action"] for row in of_app}
    assert any(row["details"].get("lesson") == first for row in of_app)
    assert service.get("/v1/audit?app=triage").json()["entries"] == []
    for query in ("last=0", "last=10001", "page=2"):
        refused(service.get(f"/v1/audit?{query}"), 422)


def test_what_a_client_gave_up_stands_in_the_audit_log_once(still: Running) -> None:
    gap = {"since": 10.0, "until": 20.4, "rating": 3, "trace": 2, "event_id": "gap-1"}
    for _ in range(2):
        assert still.post("/v1/gaps", gap).json() == {"lost": 5}
    found = [row for row in still.get("/v1/audit").json()["entries"] if row["action"] == "capture.gap"]
    assert [(row["subject"], row["details"]) for row in found] == [
        ("gap:gap-1", {"rating": 3, "trace": 2, "since": 10, "until": 20})
    ]
    refused(still.post("/v1/gaps", {"since": 1, "until": 2}), 422, "nothing was lost")
