"""Feedback over HTTP: what is taken in, given back, and told to whoever reported."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from tests.web.routes.conftest import ask, complain, rate, refused, release
from tests.web.running import Running

EVERYTHING = {
    "scores": {"relevance": 0.25, "whole": 4, "helpful": False, "tone": "warm", "essay": "two\nlines"},
    "thumb": "down",
    "stars": 2,
    "flags": ["unsafe", "outdated"],
    "correction": "It is 60 days.",
    "comment": "Please fix.",
    "signals": {"copy": True, "dwell_ms": 1500, "outcome": "called"},
    "user": "kim",
}


def listed(service: Running, **query: Any) -> dict[str, Any]:
    answer = service.get(f"/v1/feedback?{urlencode(query)}")
    assert answer.status == 200, answer.data
    found: dict[str, Any] = answer.json()
    return found


def pages(service: Running, **query: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    while cursor is not None:
        page = listed(service, **query, **({"cursor": cursor} if cursor else {}))
        yield page["feedback"]
        cursor = page["next"]


class TestOneMessage:
    def test_holds_everything_somebody_has_to_say_and_the_types_are_inferred(self, still: Running) -> None:
        trace_id = ask(still, "May I return it?")
        answer = still.post("/v1/feedback", {"id": trace_id, "event_id": "all-1", **EVERYTHING})
        assert answer.status == 201
        told = answer.json()
        assert (told["feedback_id"], told["trace_id"], told["outcome"]) == ("all-1", trace_id, "stored")
        kept = still.get("/v1/feedback/all-1").json()
        kinds = {score["name"]: (score["kind"], score["value"]) for score in kept["scores"]}
        assert kinds == {
            "relevance": ("numeric", 0.25), "whole": ("numeric", 4.0), "helpful": ("boolean", False),
            "tone": ("categorical", "warm"), "essay": ("text", "two\nlines"),
        }  # fmt: skip
        assert kinds["helpful"][1] is False
        for name in ("thumb", "stars", "flags", "correction", "comment", "signals", "user"):
            assert kept[name] == EVERYTHING[name]
        assert (kept["app"], kept["trace_id"]) == ("support", trace_id)

    def test_a_complaint_says_which_case_it_opened_and_praise_opens_none(self, still: Running) -> None:
        trace_id = ask(still, "May I return a kettle?")
        assert rate(still, trace_id, thumb="up", user="ada")["review_id"] is None
        first = rate(still, trace_id, flags=["unsafe"], user="kim")["review_id"]
        assert first == still.get(f"/v1/traces/{trace_id}").json()["case"]["id"]
        assert rate(still, trace_id, stars=1, user="leo")["review_id"] == first, "one case a trace"

    def test_the_last_value_of_a_user_and_name_stands_and_the_history_stays(self, still: Running) -> None:
        trace_id = ask(still, "How long does a parcel take?")
        for stars in (1, 5):
            rate(still, trace_id, stars=stars, user="kim")
        detail = still.get(f"/v1/traces/{trace_id}").json()
        assert [said["stars"] for said in detail["feedback"]] == [1, 5]
        assert len(listed(still, trace_id=trace_id, name="stars")["feedback"]) == 1

    @pytest.mark.parametrize(
        ("body", "status", "said"),
        [
            ({"id": "t", "app": "support"}, 422, "says nothing"),
            ({"thumb": "up"}, 422, "which answer"),
            ({"id": "t", "app": "nowhere", "thumb": "up"}, 404, "no app named 'nowhere'"),
            ({"id": "not-here", "thumb": "up"}, 422, "has not arrived, and there are 2 apps"),
            ({"id": "t", "app": "support", "stars": 6}, 422, "$.stars"),
            ({"id": "t", "app": "support", "scores": {"thumb": 1}}, 422, "a meaning of its own"),
            ({"id": "t", "app": "support", "signals": {"telepathy": 1}}, 422, "'telepathy' is unknown"),
            ({"id": "t", "app": "support", "thumb": "up", "mood": 1}, 422, "mood"),
            ({"id": "t", "app": "support", "comment": "a\u0000b"}, 422, "NUL"),
        ],
        ids=lambda value: None if isinstance(value, dict) else str(value),
    )
    def test_that_cannot_be_used_is_refused_with_the_reason(
        self, still: Running, body: dict[str, Any], status: int, said: str
    ) -> None:
        refused(still.post("/v1/feedback", body), status, said)

    def test_for_a_trace_of_another_app_is_refused(self, still: Running) -> None:
        trace_id = ask(still, "refund please", app="triage")
        refused(still.post("/v1/feedback", {"id": trace_id, "app": "support", "thumb": "up"}), 422, "triage")


class TestTheSameEvent:
    def test_is_stored_once_and_the_repeat_is_told_the_same(self, still: Running) -> None:
        body = {"id": ask(still, "May I?"), "thumb": "down", "event_id": "once-1", "user": "kim"}
        first, again = still.post("/v1/feedback", body), still.post("/v1/feedback", body)
        assert (first.status, again.status) == (201, 200)
        assert again.json()["outcome"] == "duplicate"
        for name in ("feedback_id", "trace_id", "review_id"):
            assert first.json()[name] == again.json()[name]
        assert len(listed(still, trace_id=body["id"])["feedback"]) == 1

    def test_with_other_content_is_a_conflict_and_changes_nothing(self, still: Running) -> None:
        trace_id = ask(still, "May I now?")
        rate(still, trace_id, thumb="up", event_id="once-2")
        refused(still.post("/v1/feedback", {"id": trace_id, "thumb": "down", "event_id": "once-2"}), 409, "'once-2'")
        assert still.get("/v1/feedback/once-2").json()["thumb"] == "up"

    def test_may_be_named_by_the_idempotency_key_header(self, still: Running) -> None:
        body = {"id": ask(still, "May I then?"), "stars": 4}
        header = {"idempotency-key": "order-7"}
        assert still.post("/v1/feedback", body, headers=header).json()["feedback_id"] == "order-7"
        assert still.post("/v1/feedback", body, headers=header).json()["outcome"] == "duplicate"
        refused(still.post("/v1/feedback", {**body, "stars": 5}, headers=header), 409, "'order-7'")
        refused(still.post("/v1/feedback", body, headers={"idempotency-key": "x" * 65}), 422, "event id")

    def test_id_in_the_body_goes_before_the_header(self, still: Running) -> None:
        body = {"id": ask(still, "May I ever?"), "stars": 4, "event_id": "body-1"}
        assert still.post("/v1/feedback", body, headers={"idempotency-key": "head-1"}).json()["feedback_id"] == "body-1"


class TestBeforeItsTrace:
    def test_is_accepted_and_joined_when_the_trace_arrives(self, still: Running) -> None:
        early = rate(still, "late-1", app="support", thumb="down", user="kim")
        assert (early["outcome"], early["review_id"]) == ("stored", None)
        assert still.get("/v1/traces/late-1").status == 404
        assert still.get(early["status_url"]).json()["progress"] == "received"
        sent = still.post("/v1/traces/batch", {"traces": [{"app": "support", "id": "late-1", "input": "Hello?"}]})
        assert sent.json()["stored"] == 1
        still.get("/v1/apps/support/queue")
        detail = still.get("/v1/traces/late-1").json()
        assert [said["id"] for said in detail["feedback"]] == [early["feedback_id"]]
        assert detail["case"]["status"] == "open"
        assert still.get(early["status_url"]).json()["progress"] == "in_review"

    def test_what_another_app_said_of_that_id_is_not_shown_with_the_trace(self, still: Running) -> None:
        foreign = rate(still, "late-2", app="triage", comment="of another app")
        still.post("/v1/traces/batch", {"traces": [{"app": "support", "id": "late-2", "input": "Hello?"}]})
        own = rate(still, "late-2", thumb="down")
        detail = still.get("/v1/traces/late-2").json()
        assert [said["id"] for said in detail["feedback"]] == [own["feedback_id"]]
        assert still.get(foreign["status_url"]).json()["progress"] == "received"
        assert still.get(own["status_url"]).json()["progress"] == "in_review"


class TestTheStatus:
    def test_goes_from_received_to_released(self, fresh_still: Running) -> None:
        service = fresh_still
        trace_id, case, link = complain(service, "May I return a lamp?")
        praise = rate(service, trace_id, comment="hm", app="support", event_id="early")
        assert service.get(praise["status_url"]).json()["feedback_id"] == "early"

        def progress() -> tuple[str, int | None]:
            told = service.get(link).json()
            assert told["message"]
            return told["progress"], told["release"]

        assert progress() == ("in_review", None)
        verdict = {"reviewer": "ana", "erred": True, "answer": "Yes, within 60 days."}
        lesson = service.post(f"/v1/cases/{case}/verdict", verdict).json()["lesson"]["id"]
        assert progress() == ("learned", None)
        assert release(service) == 1
        assert progress() == ("released", 1)
        moved = service.post("/v1/apps/support/rollback", {"actor": "ines", "reason": "a check"})
        assert (moved.json()["release"], progress()) == (0, ("learned", None))
        service.post(f"/v1/lessons/{lesson}/revoke", {"actor": "ines", "reason": "wrong"})
        assert progress() == ("reviewed", None)

    def test_is_reviewed_when_nothing_was_to_be_learned(self, still: Running) -> None:
        _, case, link = complain(still, "May I return a radio?")
        verdict = {"reviewer": "ana", "erred": True, "note": "no answer yet"}
        assert still.post(f"/v1/cases/{case}/verdict", verdict).json()["lesson"] is None
        assert still.get(link).json()["progress"] == "reviewed"

    def test_needs_the_token_of_that_very_report(self, still: Running) -> None:
        _, _, one = complain(still, "May I return a tent?")
        _, _, other = complain(still, "May I return a sofa?")
        path, _, token = one.partition("?token=")
        refused(still.get(f"{path}?token={other.partition('?token=')[2]}"), 401, "another report")
        refused(still.get(f"{path}?token={token[:-2]}xx"), 401, "not one of ours")
        feedback_token = still.post("/v1/feedback/tokens", {"trace_id": "any", "app": "support"}).json()["token"]
        assert still.get(f"{path}?token={feedback_token}").status == 401, "made for another purpose"


class TestABatch:
    def test_answers_row_by_row_in_order_and_keeps_the_good_ones(self, still: Running) -> None:
        trace_id = ask(still, "A batch?")
        rows = [
            {"id": trace_id, "thumb": "up", "event_id": "row-0"},
            {"id": trace_id, "event_id": "row-1"},
            {"id": trace_id, "thumb": "up", "event_id": "row-0"},
            {"id": trace_id, "stars": 1, "event_id": "row-0"},
            {"id": "unknown-trace", "stars": 1, "event_id": "row-4"},
            {"id": trace_id, "app": "nowhere", "stars": 1, "event_id": "row-5"},
            {"id": trace_id, "stars": 5, "event_id": "row-6"},
        ]
        told = still.post("/v1/feedback/batch", {"feedback": rows})
        assert told.status == 200
        found = told.json()
        assert (found["stored"], found["duplicate"], found["rejected"]) == (2, 1, 4)
        assert [row["outcome"] for row in found["results"]] == [
            "stored", "rejected", "duplicate", "rejected", "rejected", "rejected", "stored"
        ]  # fmt: skip
        assert [row["id"] for row in found["results"]] == [row["event_id"] for row in rows]
        for row in found["results"]:
            assert bool(row["error"]) == bool(row["fix"]) == (row["outcome"] == "rejected")
        assert {said["id"] for said in listed(still, trace_id=trace_id)["feedback"]} == {"row-0", "row-6"}

    @pytest.mark.parametrize(("rows", "status"), [(0, 422), (500, 200), (501, 422)])
    def test_has_one_to_500_rows(self, still: Running, rows: int, status: int) -> None:
        batch = {"feedback": [{"id": "bulk", "app": "triage", "stars": 5} for _ in range(rows)]}
        assert still.post("/v1/feedback/batch", batch).status == status


class TestALink:
    def test_token_for_a_browser_rates_one_answer(self, still: Running) -> None:
        trace_id = ask(still, "A token?")
        made = still.post("/v1/feedback/tokens", {"trace_id": trace_id, "user": "kim"}).json()
        assert made["expires_at"] > 1_700_000_000
        told = still.post("/v1/feedback", {"token": made["token"], "thumb": "up"}).json()
        kept = still.get(f"/v1/feedback/{told['feedback_id']}").json()
        assert (kept["trace_id"], kept["user"]) == (trace_id, "kim")

    def test_is_not_made_for_a_trace_of_another_app_or_an_app_that_is_not(self, still: Running) -> None:
        trace_id = ask(still, "A token again?")
        refused(still.post("/v1/feedback/tokens", {"trace_id": trace_id, "app": "triage"}), 404, trace_id)
        refused(still.post("/v1/feedback/tokens", {"trace_id": "none-yet", "app": "nowhere"}), 404, "nowhere")


@pytest.fixture(scope="module")
def filled(still: Running) -> dict[str, list[str]]:
    """Twelve events at four times, of two apps, three users and two traces each."""
    still.post("/v1/traces/batch", {"traces": [
        {"app": app, "id": f"{app}-{number}", "input": "?"} for app in ("listed", "also") for number in (0, 1)
    ]})  # fmt: skip
    rows = [
        {"id": f"{app}-{number % 2}", "event_id": f"{app}-e{number}", "user": f"u{number % 3}",
         "at": 1000.0 + number // 3, **({"stars": 1} if number % 4 == 0 else {"scores": {"tone": "=warm"}})}
        for app in ("listed", "also") for number in range(6)
    ]  # fmt: skip
    assert still.post("/v1/feedback/batch", {"feedback": rows}).json()["stored"] == 12
    return {"listed": [row["event_id"] for row in rows[:6]]}


class TestTheList:
    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            ({}, [5, 4, 3, 2, 1, 0]),
            ({"trace_id": "listed-1"}, [5, 3, 1]),
            ({"user": "u0"}, [3, 0]),
            ({"name": "stars"}, [4, 0]),
            ({"name": "tone"}, [5, 3, 2, 1]),
            ({"negative": "true"}, [4, 0]),
            ({"negative": "false"}, [5, 3, 2, 1]),
            ({"since": 1001}, [5, 4, 3]),
            ({"until": 1001}, [2, 1, 0]),
            ({"since": 1000.5, "until": 1001.5, "user": "u1"}, [4]),
            ({"since": 2000}, []),
            ({"limit": 2}, [5, 4]),
        ],
        ids=str,
    )
    def test_is_filtered_newest_first(
        self, still: Running, filled: dict[str, list[str]], query: dict[str, Any], wanted: list[int]
    ) -> None:
        found = [said["id"] for said in listed(still, app="listed", **query)["feedback"]]
        assert found == [f"listed-e{number}" for number in wanted]

    @pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6, 7])
    def test_comes_in_pages_that_hold_each_once_though_times_are_equal(
        self, still: Running, filled: dict[str, list[str]], limit: int
    ) -> None:
        found = list(pages(still, app="listed", limit=limit))
        assert [said["id"] for page in found for said in page] == filled["listed"][::-1]
        assert len(found) == math.ceil(6 / limit), "no empty page at the end"

    def test_of_all_apps_holds_the_same_event_id_of_two_apps(self, still: Running) -> None:
        for app in ("support", "triage"):
            rate(still, f"twin-{app}", app=app, comment=app, event_id="twin", at=5000.0)
        found = [said["app"] for page in pages(still, since=5000, until=5001, limit=1) for said in page]
        assert sorted(found) == ["support", "triage"]
        for app in ("support", "triage"):
            assert still.get(f"/v1/feedback/twin?app={app}").json()["comment"] == app
        refused(still.get("/v1/feedback/twin?app=nowhere"), 404, "'twin'")

    def test_comes_as_json_lines_with_the_cursor_in_a_header(
        self, still: Running, filled: dict[str, list[str]]
    ) -> None:
        first = still.get("/v1/feedback?app=listed&limit=4&format=jsonl")
        assert first.headers["content-type"] == "application/jsonl"
        cursor = first.headers["x-ratchet-next"]
        rest = still.get(f"/v1/feedback?app=listed&limit=4&format=jsonl&cursor={quote(cursor)}")
        assert "x-ratchet-next" not in rest.headers
        rows = [json.loads(line) for line in (first.data + rest.data).decode().splitlines()]
        assert [row["id"] for row in rows] == filled["listed"][::-1]
        assert rows[0] == still.get("/v1/feedback/listed-e5").json()

    def test_comes_as_csv_in_which_no_cell_is_a_formula(self, still: Running, filled: dict[str, list[str]]) -> None:
        rate(still, "sheet", app="triage", user="@kim", comment='=1+1\n,"x"', scores={"=SUM(A1)": 1, "id": -2})
        answer = still.get("/v1/feedback?app=triage&trace_id=sheet&format=csv")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        header, row = list(csv.reader(io.StringIO(answer.data.decode())))
        found = dict(zip(header, row, strict=True))
        assert found["user"] == "'@kim"
        assert found["comment"] == '\'=1+1\n,"x"'
        assert found["'=SUM(A1)"] == "1.0"
        assert found["score:id"] == "-2.0", "a score never takes the place of the row's own id"
        assert found["id"].startswith("fb_")

    @pytest.mark.parametrize(
        "query", ["limit=0", "limit=1001", "limit=x", "cursor=!!", "cursor=YQ", "format=xml", "colour=red", "since=-1",
                  "negative=perhaps", "user=a&user=b"],
    )  # fmt: skip
    def test_refuses_what_it_does_not_understand(self, still: Running, query: str) -> None:
        refused(still.get(f"/v1/feedback?{query}"), 422)

    def test_of_nothing_is_empty_in_every_form(self, still: Running) -> None:
        assert listed(still, app="nowhere") == {"feedback": [], "next": None}
        assert still.get("/v1/feedback?app=nowhere&format=jsonl").data == b""
        assert still.get("/v1/feedback?app=nowhere&format=csv").data.strip() == b""

    def test_does_not_have_what_never_came(self, still: Running) -> None:
        refused(still.get("/v1/feedback/never"), 404, "'never'")
