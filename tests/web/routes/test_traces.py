"""Traces over HTTP: in batches with feedback beside them, and back."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.web.routes.conftest import refused
from tests.web.running import Running

FULL = {
    "app": "watched",
    "id": "full-1",
    "at": 1_790_000_000.25,
    "input": "Wo ist mein Paket? 📦",
    "output": "",
    "context": {"user": "u1", "role": "agent", "task_type": "billing", "session": "s1", "environment": "prod",
                "segment": "gold", "tags": ["x", "y"]},
    "history": [{"role": "user", "text": "Hello"}, {"role": "assistant", "text": "Hi"}],
    "release": 3,
    "source": "learned",
    "confidence": 0.5,
    "passage_id": "p1",
    "influences": [{"kind": "lesson", "id": "l1", "weight": 0.25}],
    "model": "m-1",
    "input_tokens": 12,
    "output_tokens": 0,
    "latency_ms": 12.5,
    "cost": 0.001,
}  # fmt: skip


def send(service: Running, *traces: dict[str, Any], feedback: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    answer = service.post("/v1/traces/batch", {"traces": list(traces), "feedback": list(feedback)})
    assert answer.status == 200, answer.data
    found: dict[str, Any] = answer.json()
    return found


def listed(service: Running, **query: Any) -> dict[str, Any]:
    answer = service.get(f"/v1/traces?{urlencode(query)}")
    assert answer.status == 200, answer.data
    found: dict[str, Any] = answer.json()
    return found


class TestABatch:
    def test_of_a_trace_is_read_back_in_every_field(self, still: Running) -> None:
        assert send(still, FULL)["stored"] == 1
        detail = still.get("/v1/traces/full-1").json()
        assert detail == {"trace": FULL, "feedback": [], "assessment": None, "case": None}

    def test_takes_feedback_beside_the_traces_and_answers_traces_first(self, still: Running) -> None:
        told = send(
            still,
            {"app": "watched", "id": "pair-1", "input": "a"},
            {"app": "watched", "id": "pair-2", "input": ""},
            {"app": "watched", "id": "pair-1", "input": "other"},
            {"app": "not an app", "id": "pair-3", "input": "b"},
            feedback=(
                {"id": "pair-1", "thumb": "down", "event_id": "p-1"},
                {"id": "pair-1", "event_id": "p-2"},
                {"id": "later", "app": "watched", "stars": 5, "event_id": "p-3"},
            ),
        )
        assert [(row["id"], row["outcome"]) for row in told["results"]] == [
            ("pair-1", "stored"), ("pair-2", "rejected"), ("pair-1", "duplicate"), ("pair-3", "rejected"),
            ("p-1", "stored"), ("p-2", "rejected"), ("p-3", "stored"),
        ]  # fmt: skip
        assert (told["stored"], told["duplicate"], told["rejected"]) == (3, 1, 3)
        detail = still.get("/v1/traces/pair-1").json()
        assert (detail["trace"]["input"], [said["id"] for said in detail["feedback"]]) == ("a", ["p-1"])

    def test_declares_an_app_nobody_knew_as_observed(self, still: Running) -> None:
        made = send(still, {"app": "brand-new", "input": "x"})["results"][0]
        assert made["id"].startswith("tr_")
        known = still.get("/v1/apps/brand-new").json()
        assert (known["app"]["base"], known["traces"], known["tallies"]) == (
            "observed",
            1,
            {"received": 1, "stored": 1},
        )
        refused(still.post("/v1/apps/brand-new/answer", {"input": "x"}), 409, "only observed")
        refused(still.post("/v1/apps/brand-new/learn", {}), 409, "only observed")

    def test_counts_received_as_stored_duplicate_and_rejected(self, still: Running) -> None:
        row = {"app": "counted", "id": "c-1", "input": "x"}
        send(still, {"app": "beside", "input": "x"})
        send(still, row, row, feedback=({"id": "c-1", "stars": 1}, {"id": "c-1", "app": "beside", "stars": 1}))
        tallies = still.get("/v1/apps/counted").json()["tallies"]
        assert tallies == {"received": 3, "stored": 2, "duplicate": 1}
        beside = still.get("/v1/apps/beside").json()["tallies"]
        assert beside == {"received": 2, "stored": 1, "rejected": 1}

    def test_of_nothing_is_refused(self, still: Running) -> None:
        refused(still.post("/v1/traces/batch", {}), 422, "empty")

    @pytest.mark.parametrize("kind", ["traces", "feedback"])
    def test_has_at_most_500_rows_of_a_kind(self, still: Running, kind: str) -> None:
        row = {"app": "many", "input": "x"} if kind == "traces" else {"id": "many", "app": "support", "stars": 5}
        assert still.post("/v1/traces/batch", {kind: [row] * 500}).json()["stored"] == 500
        refused(still.post("/v1/traces/batch", {kind: [row] * 501}), 422, "500")


@pytest.fixture(scope="module")
def filled(still: Running) -> list[str]:
    """Six traces at two times."""
    rows = [
        {
            "app": "shelf", "id": f"shelf-{number}", "at": 1000.0 + number // 3,
            "input": f"question {number} 50%", "output": f"answer_{number} ÄÖ",
            "context": {"user": f"u{number % 2}", "session": f"s{number % 3}", "segment": "gold" if number else ""},
        }
        for number in range(6)
    ]  # fmt: skip
    assert send(still, *rows)["stored"] == 6
    return [str(row["id"]) for row in rows]


class TestTheList:
    @pytest.mark.parametrize(
        ("query", "wanted"),
        [
            ({}, [5, 4, 3, 2, 1, 0]),
            ({"user": "u1"}, [5, 3, 1]),
            ({"session": "s0"}, [3, 0]),
            ({"segment": "gold", "user": "u0"}, [4, 2]),
            ({"q": "question 4"}, [4]),
            ({"q": "0%"}, [5, 4, 3, 2, 1, 0]),
            ({"q": "answer_2"}, [2]),
            ({"q": "answerx2"}, []),
            ({"q": "%"}, [5, 4, 3, 2, 1, 0]),
            ({"q": "_"}, [5, 4, 3, 2, 1, 0]),
            ({"q": "' OR 1=1 --"}, []),
            ({"since": 1001}, [5, 4, 3]),
            ({"until": 1001}, [2, 1, 0]),
        ],
        ids=str,
    )
    def test_is_filtered_newest_first(
        self, still: Running, filled: list[str], query: dict[str, Any], wanted: list[int]
    ) -> None:
        found = [trace["id"] for trace in listed(still, app="shelf", **query)["traces"]]
        assert found == [filled[number] for number in wanted]

    @pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 7])
    def test_comes_in_pages_that_hold_each_once_though_times_are_equal(
        self, still: Running, filled: list[str], limit: int
    ) -> None:
        found, cursor, count = [], "", 0
        while cursor is not None:
            page = listed(still, app="shelf", limit=limit, cursor=cursor)
            found += [trace["id"] for trace in page["traces"]]
            cursor, count = page["next"], count + 1
        assert (found, count) == (filled[::-1], math.ceil(6 / limit))

    def test_comes_as_json_lines(self, still: Running, filled: list[str]) -> None:
        answer = still.get("/v1/traces?app=shelf&limit=4&format=jsonl")
        assert answer.headers["content-type"] == "application/jsonl"
        assert answer.headers["x-ratchet-next"]
        rows = [json.loads(line) for line in answer.data.decode().splitlines()]
        assert rows == listed(still, app="shelf", limit=4)["traces"]

    def test_comes_as_csv_in_which_no_cell_is_a_formula(self, still: Running) -> None:
        context = {"user": "-kim", "tags": ["=1+1", "x"]}
        send(still, {"app": "sheet", "id": "@t", "input": "+a\r\nb", "output": "\t=1", "context": context})
        header, row = list(csv.reader(io.StringIO(still.get("/v1/traces?app=sheet&format=csv").data.decode())))
        found = dict(zip(header, row, strict=True))
        assert (found["id"], found["input"], found["output"]) == ("'@t", "'+a\r\nb", "'\t=1")
        assert (found["user"], found["tags"]) == ("'-kim", "'=1+1 x")

    def test_refuses_what_it_does_not_understand(self, still: Running) -> None:
        for query in ("limit=0", "cursor=xyz", "negative=true", "format=tsv"):
            refused(still.get(f"/v1/traces?{query}"), 422)

    def test_does_not_have_what_never_came(self, still: Running) -> None:
        refused(still.get("/v1/traces/never"), 404, "'never'")
