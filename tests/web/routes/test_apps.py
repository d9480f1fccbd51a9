"""Apps over HTTP: declared, asked, and what their release knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.routes.conftest import ask, correct, quiet, refused, release
from tests.web.running import Running, running

OWN = {"kind": "classify", "base": "decide", "labels": {"a": "alpha words", "b": "beta words"}, "prompt": "Be kind."}


class TestDeclaring:
    def test_an_app_of_ones_own_names_its_function(self, still: Running) -> None:
        made = still.call("PUT", "/v1/apps/own", OWN)
        assert made.status == 200, made.data
        found = made.json()
        assert (found["base"], found["kind"], found["labels"], found["prompt"]) == (
            "function:decide", "classify", OWN["labels"], "Be kind."
        )  # fmt: skip
        assert still.call("PUT", "/v1/apps/own", OWN).json() == found
        assert still.get("/v1/apps/own").json()["app"] == found
        refused(still.post("/v1/apps/own/answer", {"input": "x"}), 409, "a program of its own")

    def test_changes_the_words_but_not_the_kind(self, still: Running) -> None:
        still.call("PUT", "/v1/apps/words", OWN)
        changed = still.call("PUT", "/v1/apps/words", {**OWN, "prompt": "Be brief."})
        assert changed.json()["prompt"] == "Be brief."
        refused(still.call("PUT", "/v1/apps/words", {**OWN, "kind": "answer", "labels": {}}), 422, "of kind classify")

    def test_an_observed_app_may_become_ones_own_of_another_kind(self, still: Running) -> None:
        still.post("/v1/traces/batch", {"traces": [{"app": "seen", "input": "x"}]})
        assert still.call("PUT", "/v1/apps/seen", OWN).json()["kind"] == "classify"
        assert still.get("/v1/apps/seen").json()["traces"] == 1

    @pytest.mark.parametrize(
        ("name", "body", "status", "said"),
        [
            ("support", OWN, 409, "ratchet.toml"),
            ("one-label", {**OWN, "labels": {"a": "x"}}, 422, "at least two"),
            ("bad%20name", OWN, 422, "not usable"),
            ("odd", {**OWN, "kind": "poem"}, 422, "kind"),
        ],
    )
    def test_is_refused_where_it_cannot_be(
        self, still: Running, name: str, body: dict[str, Any], status: int, said: str
    ) -> None:
        refused(still.call("PUT", f"/v1/apps/{name}", body), status, said)

    def test_lists_all_apps_as_they_stand(self, still: Running) -> None:
        found = {row["app"]["name"]: row for row in still.get("/v1/apps").json()}
        assert {"support", "triage"} <= set(found)
        assert found["support"] == still.get("/v1/apps/support").json()
        refused(still.get("/v1/apps/nowhere"), 404, "nowhere")


class TestKnowledge:
    def passages(self, *texts: str) -> dict[str, Any]:
        return {"passages": [{"passage_id": f"p{n}", "title": "T", "text": text} for n, text in enumerate(texts)]}

    def test_is_replaced_as_a_whole_and_the_same_again_is_the_same_version(self, still: Running) -> None:
        still.call("PUT", "/v1/apps/reader", {"kind": "answer"})
        first = still.call("PUT", "/v1/apps/reader/knowledge", self.passages("cats purr", "dogs bark")).json()
        again = still.call("PUT", "/v1/apps/reader/knowledge", self.passages("cats purr", "dogs bark")).json()
        assert first == again == {"version": first["version"], "passages": 2}
        other = still.call("PUT", "/v1/apps/reader/knowledge", self.passages("cats purr")).json()
        assert other == {"version": first["version"] + 1, "passages": 1}
        learned = still.post("/v1/apps/reader/learned", {"input": "do cats purr"}).json()
        assert [hit["id"] for hit in learned["passages"]] == ["p0"]

    @pytest.mark.parametrize(
        ("name", "passages", "status", "said"),
        [
            ("support", [{"passage_id": "p", "text": "x"}], 409, "ratchet.toml"),
            ("nowhere", [{"passage_id": "p", "text": "x"}], 404, "nowhere"),
            ("own2", [{"passage_id": "p", "text": "x"}, {"passage_id": "p", "text": "y"}], 422, "same passage_id"),
            ("own2", [{"passage_id": "p", "text": "a\u0000b"}], 422, "NUL"),
            ("own2", [{"passage_id": "p", "text": ""}], 422, "text"),
        ],
    )
    def test_is_refused_where_it_cannot_be(
        self, still: Running, name: str, passages: list[Any], status: int, said: str
    ) -> None:
        still.call("PUT", "/v1/apps/own2", {"kind": "answer"})
        refused(still.call("PUT", f"/v1/apps/{name}/knowledge", {"passages": passages}), status, said)


class TestAsking:
    def test_an_answer_says_how_it_came_about_in_its_body_and_headers(self, still: Running) -> None:
        asked = {"input": "delivery of a parcel", "user": "kim", "session": "s1", "tags": ["x"]}
        answer = still.post("/v1/apps/support/answer", asked)
        found = answer.json()
        assert "2 to 4 working days" in found["output"]
        assert (found["source"], found["release"]) == ("base", 0)
        assert answer.headers["x-ratchet-trace"] == found["id"]
        assert answer.headers["x-ratchet-release"] == "0"
        assert answer.headers["x-ratchet-feedback-token"] == found["feedback_token"]
        kept = still.get(f"/v1/traces/{found['id']}").json()["trace"]
        assert (kept["input"], kept["output"]) == (asked["input"], found["output"])
        assert (kept["context"]["user"], kept["context"]["session"], kept["context"]["tags"]) == ("kim", "s1", ["x"])
        told = still.post("/v1/feedback", {"token": found["feedback_token"], "thumb": "up"})
        assert told.json()["trace_id"] == found["id"]

    def test_nothing_is_refused(self, still: Running) -> None:
        refused(still.post("/v1/apps/support/answer", {"input": ""}), 422, "input")
        refused(still.post("/v1/apps/nowhere/answer", {"input": "x"}), 404, "nowhere")

    def test_what_was_learned_reserves_the_id_of_the_trace(self, still: Running) -> None:
        found = still.post("/v1/apps/support/learned", {"input": "How long does a parcel take?"}).json()
        assert still.get(f"/v1/traces/{found['trace_id']}").status == 404
        assert found["messages"][-1]["role"] == "user"
        assert found["messages"][-1]["content"].endswith("How long does a parcel take?")
        row = {"app": "support", "id": found["trace_id"], "input": "How long?", "output": "Days."}
        assert still.post("/v1/traces/batch", {"traces": [row]}).json()["stored"] == 1
        told = still.post("/v1/feedback", {"token": found["feedback_token"], "thumb": "down"}).json()
        assert (told["trace_id"], bool(told["review_id"])) == (found["trace_id"], True)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, str]]:
    """A service with one lesson in one release; and the lesson's id."""
    folder: Path = tmp_path_factory.mktemp("taught") / "p"
    with running(quiet(folder)) as service:
        lesson = correct(service, "May I return a kettle?", "Yes, within 60 days.")
        assert release(service) == 1
        yield service, lesson


class TestTheReleaseContent:
    def etag(self, service: Running, app: str = "support") -> str:
        return service.get(f"/v1/apps/{app}/release").headers["etag"]

    def test_holds_all_that_the_release_reads(self, taught: tuple[Running, str]) -> None:
        service, lesson = taught
        found = service.get("/v1/apps/support/release").json()
        assert (found["number"], [row["id"] for row in found["lessons"]]) == (1, [lesson])
        assert {row["id"] for row in found["passages"]}
        assert hashlib.sha256(found["manifest"].encode()).hexdigest() == found["id"]
        assert json.loads(found["manifest"])["app"] == "support"
        assert self.etag(service) == f'"{found["revision"]}"'

    def test_of_the_bare_base_is_release_0(self, taught: tuple[Running, str]) -> None:
        found = taught[0].get("/v1/apps/triage/release").json()
        assert (found["number"], found["id"], found["manifest"], found["lessons"]) == (0, "", "", [])

    def test_is_sent_once_while_nothing_changes(self, taught: tuple[Running, str]) -> None:
        service, _ = taught
        etag = self.etag(service)
        ask(service, "Something new?")
        same = service.get("/v1/apps/support/release", headers={"if-none-match": etag})
        assert (same.status, same.data, same.headers["etag"]) == (304, b"", etag)
        assert service.get("/v1/apps/support/release", headers={"if-none-match": '"other"'}).status == 200

    def test_changes_with_a_release_a_revocation_and_a_rollback(self, fresh_still: Running) -> None:
        service = fresh_still
        seen = [self.etag(service)]

        def changed() -> None:
            assert service.get("/v1/apps/support/release", headers={"if-none-match": seen[-1]}).status == 200
            seen.append(self.etag(service))

        lesson = correct(service, "May I return a kettle?", "Yes, within 60 days.")
        assert self.etag(service) == seen[-1], "a lesson alone changes nothing"
        release(service)
        changed()
        service.post(f"/v1/lessons/{lesson}/revoke", {"actor": "ines", "reason": "wrong"})
        assert service.get("/v1/apps/support/release").json()["lessons"] == []
        changed()
        service.post("/v1/apps/support/rollback", {"actor": "ines", "reason": "back"})
        changed()
        assert len(set(seen)) == 3, "release 0 is what it was before"
        assert seen[0] == seen[-1]

    def test_changes_with_the_knowledge(self, fresh_still: Running) -> None:
        fresh_still.call("PUT", "/v1/apps/reader", {"kind": "answer"})
        before = self.etag(fresh_still, "reader")
        fresh_still.call("PUT", "/v1/apps/reader/knowledge", {"passages": [{"passage_id": "p", "text": "cats purr"}]})
        assert self.etag(fresh_still, "reader") != before


class TestLearning:
    def test_says_what_the_turn_did(self, fresh_still: Running) -> None:
        nothing = fresh_still.post("/v1/apps/support/learn", {}).json()
        assert (nothing["summary"], nothing["decision"], nothing["release"]) == ("Nothing new to learn.", "", None)
        correct(fresh_still, "May I return a kettle?", "Yes, within 60 days.")
        done = fresh_still.post("/v1/apps/support/learn", {"now": True}).json()
        assert (done["decision"], done["release"], done["waiting"]) == ("pass", 1, 0)
        assert done["summary"].startswith("Release 1 is live with 1 lesson.")
        again = fresh_still.post("/v1/apps/support/answer", {"input": "May I return a kettle?"}).json()
        assert (again["output"], again["source"], again["release"]) == ("Yes, within 60 days.", "reviewed", 1)

    def test_of_an_app_that_is_not_there_is_refused(self, still: Running) -> None:
        refused(still.post("/v1/apps/nowhere/learn", {}), 404, "nowhere")

    def test_is_refused_while_another_turn_of_the_app_runs(self, still: Running) -> None:
        leases = still.service.house.store.leases
        assert leases.take("turn:triage", "another", 0.0, 9e9) is not None
        try:
            refused(still.post("/v1/apps/triage/learn", {}), 409, "Another turn of triage is running")
        finally:
            leases.give_back("turn:triage", "another")
        assert still.post("/v1/apps/triage/learn", {}).status == 200
