"""Review over HTTP: the queue, reservations, verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.web.routes.conftest import ask, complain, rate, refused
from tests.web.running import Running


class TestTheQueue:
    def test_shows_each_case_with_its_answer_and_what_people_said(self, still: Running) -> None:
        trace_id, case, _ = complain(still, "May I return a shelf?")
        rate(still, trace_id, comment="again", user="ada")
        found = {row["case"]["id"]: row for row in still.get("/v1/apps/support/queue?count=500").json()["cases"]}
        assert found[case]["trace"]["input"] == "May I return a shelf?"
        assert [said["user"] for said in found[case]["feedback"]] == ["kim", "ada"]
        assert found[case] == still.get(f"/v1/cases/{case}").json()

    def test_judges_what_came_in_quietly_first(self, still: Running) -> None:
        row = {"app": "triage", "id": "quiet-1", "input": "refund"}
        said = {"id": "quiet-1", "flags": ["unsafe"]}
        still.post("/v1/traces/batch", {"traces": [row], "feedback": [said]})
        assert still.get("/v1/traces/quiet-1").json()["case"] is None
        cases = still.get("/v1/apps/triage/queue?sample=false").json()["cases"]
        assert [item["case"]["trace_id"] for item in cases] == ["quiet-1"]
        assert cases[0]["case"]["reasons"] == ["flag: unsafe"]

    def test_gives_as_many_as_are_wanted(self, fresh_still: Running) -> None:
        opened = [complain(fresh_still, f"May I return item {number}?")[1] for number in range(3)]
        ask(fresh_still, "Nobody complained of this.")
        two = fresh_still.get("/v1/apps/support/queue?count=2&sample=false").json()["cases"]
        assert [item["case"]["id"] for item in two] == opened[:2]
        all_of_it = fresh_still.get("/v1/apps/support/queue?count=9").json()["cases"]
        assert set(opened) < {item["case"]["id"] for item in all_of_it}, "some are sampled among what nobody rated"

    def test_is_refused_for_no_app_and_no_number(self, still: Running) -> None:
        refused(still.get("/v1/apps/nowhere/queue"), 404, "nowhere")
        for count in ("0", "501", "x", ""):
            refused(still.get(f"/v1/apps/support/queue?count={count}"), 422)

    def test_has_no_case_that_is_not_there(self, still: Running) -> None:
        for answer in (
            still.get("/v1/cases/none"),
            still.post("/v1/cases/none/reserve", {"reviewer": "ana"}),
            still.post("/v1/cases/none/verdict", {"reviewer": "ana", "erred": False}),
        ):
            refused(answer, 404, "'none'")


class TestReserving:
    def reserve(self, service: Running, case: str, reviewer: str, **more: Any) -> Any:
        return service.post(f"/v1/cases/{case}/reserve", {"reviewer": reviewer, **more})

    def test_keeps_others_out_until_the_time_is_over(self, still: Running) -> None:
        _, case, _ = complain(still, "May I return a desk?")
        held = self.reserve(still, case, "ana").json()
        assert held["reserved_by"] == "ana"
        refused(self.reserve(still, case, "bea"), 409, "held by another reviewer")
        assert self.reserve(still, case, "ana", seconds=0.001).status == 200, "the same reviewer may renew it"
        assert self.reserve(still, case, "bea").json()["reserved_by"] == "bea"

    def test_is_over_once_the_case_is_decided(self, still: Running) -> None:
        _, case, _ = complain(still, "May I return a chair?")
        still.post(f"/v1/cases/{case}/verdict", {"reviewer": "ana", "erred": True})
        refused(self.reserve(still, case, "ana"), 409, "decided")

    @pytest.mark.parametrize("more", [{"reviewer": ""}, {"seconds": 0}, {"seconds": 90_000}, {"lease": 1}])
    def test_needs_a_name_and_a_sensible_time(self, still: Running, more: dict[str, Any]) -> None:
        _, case, _ = complain(still, "May I return a stool?")
        refused(still.post(f"/v1/cases/{case}/reserve", {"reviewer": "ana", **more}), 422)


class TestAVerdict:
    def decide(self, service: Running, case: str, **said: Any) -> Any:
        return service.post(f"/v1/cases/{case}/verdict", {"reviewer": "ana", **said})

    def test_with_the_right_answer_becomes_a_lesson(self, still: Running) -> None:
        trace_id, case, _ = complain(still, "May I return a piano?")
        done = self.decide(
            still, case, erred=True, answer="Yes, for 90 days.", failure_mode="outdated", note="n"
        ).json()
        verdict, lesson = done["verdict"], done["lesson"]
        assert (verdict["case_id"], verdict["reviewer"], verdict["failure_mode"]) == (case, "ana", "outdated")
        assert (lesson["question"], lesson["answer"], lesson["verdict_id"]) == (
            "May I return a piano?", "Yes, for 90 days.", verdict["id"]
        )  # fmt: skip
        assert still.get(f"/v1/lessons/{lesson['id']}").json() == lesson
        assert still.get(f"/v1/traces/{trace_id}").json()["case"]["status"] == "decided"
        assert lesson["id"] in [row["id"] for row in still.get("/v1/apps/support/lessons").json()["lessons"]]

    def test_is_given_once(self, still: Running) -> None:
        _, case, _ = complain(still, "May I return a violin?")
        assert self.decide(still, case, erred=True, answer="Yes.").status == 200
        refused(self.decide(still, case, erred=False), 409, "decided already")

    def test_names_a_label_or_a_passage_that_there_is(self, still: Running) -> None:
        _, case, _ = complain(still, "refund of a violin", app="triage")
        refused(self.decide(still, case, erred=True, answer="nonsense"), 422, "not a label of triage")
        assert self.decide(still, case, erred=True, answer="delivery").json()["lesson"]["answer"] == "delivery"
        _, case, _ = complain(still, "May I return a cello?")
        refused(self.decide(still, case, erred=True, passage_id="no-such"), 422, "no-such")
        found = self.decide(still, case, erred=True, passage_id="returns#1-returns")
        assert found.json()["lesson"]["passage_id"] == "returns#1-returns"

    @pytest.mark.parametrize("said", [{}, {"erred": "yes"}, {"erred": True, "reviewer": ""}, {"erred": True, "x": 1}])
    def test_that_is_not_one_is_refused_and_the_case_stays_open(self, still: Running, said: dict[str, Any]) -> None:
        _, case, _ = complain(still, "May I return a harp?")
        refused(self.decide(still, case, **said), 422)
        assert still.get(f"/v1/cases/{case}").json()["case"]["status"] == "open"
