"""A table over all routes: what each kind of caller is told, with no key, a wrong one, and each scope."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ratchet.records.key import SCOPES
from ratchet.web.routes.table import ROUTES
from tests.security.keyed import EVIL, SHOP, Keyed, a_key
from tests.web.running import Running, make_project, running


@dataclass(frozen=True, slots=True)
class Row:
    """One route: the scope that may use it, what it answers to that scope, and a request that is good but harmless."""

    scope: str
    good: int = 200
    body: Any = None
    places: dict[str, str] = field(default_factory=dict)


UNKNOWN = {"id": "unknown"}
SUPPORT = {"app": "support"}
ASK = {"input": "How long may I return it?"}
MOVE = {"actor": "ana", "reason": "a test", "number": 99}
TABLE: dict[tuple[str, str], Row] = {
    ("POST", "/v1/chat/completions"): Row(
        "answer", 200, {"model": "support", "messages": [{"role": "user", "content": "hello"}]}
    ),
    ("POST", "/v1/responses"): Row("answer", 200, {"model": "support", "input": "hello"}),
    ("POST", "/v1/embeddings"): Row("answer", 200, {"model": "support", "input": "hello"}),
    ("GET", "/v1/models"): Row("answer"),
    ("GET", "/v1/models/{id}"): Row("answer", places={"id": "support"}),
    ("POST", "/v1/feedback"): Row("write", 201, {"id": "tr_later", "app": "support", "thumb": "up"}),
    ("POST", "/v1/feedback/batch"): Row("write", 200, {"feedback": [{"id": "tr_1", "app": "support", "thumb": "up"}]}),
    ("POST", "/v1/traces/batch"): Row("write", 200, {"traces": [{"app": "support", "id": "tr_b", "input": "a"}]}),
    ("POST", "/v1/traces"): Row("write", 200, {"resourceSpans": []}),
    ("POST", "/v1/logs"): Row("write", 200, {"resourceLogs": []}),
    ("GET", "/v1/feedback"): Row("read"),
    ("POST", "/v1/feedback/tokens"): Row("write", 200, {"trace_id": "tr_1", "app": "support"}),
    ("GET", "/v1/feedback/{id}"): Row("read", 404, places=UNKNOWN),
    ("GET", "/v1/feedback/{id}/status"): Row("read", 404, places=UNKNOWN),
    ("POST", "/v1/gaps"): Row("write", 200, {"since": 1.0, "until": 2.0, "trace": 3}),
    ("GET", "/v1/traces"): Row("read"),
    ("GET", "/v1/traces/{id}"): Row("read", 404, places=UNKNOWN),
    ("GET", "/v1/apps"): Row("read"),
    ("GET", "/v1/apps/{app}"): Row("read", places=SUPPORT),
    ("PUT", "/v1/apps/{app}"): Row("write", 409, {"kind": "answer"}, places=SUPPORT),
    ("PUT", "/v1/apps/{app}/knowledge"): Row("write", 409, {"passages": []}, places=SUPPORT),
    ("POST", "/v1/apps/{app}/answer"): Row("answer", 200, ASK, places=SUPPORT),
    ("POST", "/v1/apps/{app}/learned"): Row("answer", 200, ASK, places=SUPPORT),
    ("GET", "/v1/apps/{app}/release"): Row("answer", places=SUPPORT),
    ("POST", "/v1/apps/{app}/learn"): Row("release", 200, {}, places=SUPPORT),
    ("GET", "/v1/apps/{app}/queue"): Row("review", places=SUPPORT),
    ("GET", "/v1/cases/{id}"): Row("review", 404, places=UNKNOWN),
    ("POST", "/v1/cases/{id}/reserve"): Row("review", 404, {"reviewer": "ana"}, places=UNKNOWN),
    ("POST", "/v1/cases/{id}/verdict"): Row("review", 404, {"reviewer": "ana", "erred": False}, places=UNKNOWN),
    ("GET", "/v1/apps/{app}/lessons"): Row("read", places=SUPPORT),
    ("GET", "/v1/lessons/{id}"): Row("read", 404, places=UNKNOWN),
    ("POST", "/v1/lessons/{id}/revoke"): Row("release", 404, {"actor": "ana", "reason": "a test"}, places=UNKNOWN),
    ("GET", "/v1/apps/{app}/releases"): Row("read", places=SUPPORT),
    ("GET", "/v1/apps/{app}/releases/{number}"): Row("read", 200, places={**SUPPORT, "number": "1"}),
    ("POST", "/v1/apps/{app}/rollback"): Row("release", 404, MOVE, places=SUPPORT),
    ("POST", "/v1/apps/{app}/promote"): Row("release", 404, MOVE, places=SUPPORT),
    ("GET", "/v1/audit"): Row("read"),
    ("GET", "/v1/keys"): Row("admin"),
    ("POST", "/v1/keys"): Row("admin", 201, {"name": "another"}),
    ("POST", "/v1/keys/rotate-tokens"): Row("admin"),
    ("DELETE", "/v1/keys/{id}"): Row("admin", 404, places=UNKNOWN),
    ("GET", "/healthz"): Row(""),
    ("GET", "/readyz"): Row(""),
    ("GET", "/metrics"): Row(""),
    ("GET", "/openapi.json"): Row(""),
    ("GET", "/ratchet.js"): Row(""),
}
BY_TOKEN = (("POST", "/v1/feedback"), ("GET", "/v1/feedback/{id}/status"))


def expected(operation: tuple[str, str], who: str) -> int:
    """The status that this caller is told."""
    row = TABLE[operation]
    if not row.scope or who in (row.scope, "all"):
        return row.good
    if who in ("none", "wrong", "mistyped", "revoked", "expired"):
        return 401
    if operation in BY_TOKEN:
        return 401  # any caller may come here with a token, and these have none
    return 404 if who == "browser" else 403


def send(running: Running, operation: tuple[str, str], key: str = "", **headers: str) -> int:
    method, path = operation
    row = TABLE[operation]
    return running.call(method, path.format(**row.places), row.body, key=key, headers=headers).status


def test_every_route_is_in_the_table_and_nothing_else() -> None:
    assert sorted(TABLE) == sorted((route.method, route.path) for route in ROUTES)
    for route in ROUTES:
        assert TABLE[route.method, route.path].scope == (route.scope or ""), route.path
        assert route.by_token == ((route.method, route.path) in BY_TOKEN), route.path


def secret(made: Keyed, who: str) -> str:
    if who == "none":
        return ""
    if who == "wrong":  # whole, and of nobody
        from ratchet.web.access import _checksum

        body = f"rk_sk_{'a' * 8}_{'b' * 43}"
        return f"{body}_{_checksum(body)}"
    return made.keys["all"][:-1] + "x" if who == "mistyped" else made.keys[who]


@pytest.mark.parametrize("operation", TABLE, ids=" ".join)
def test_each_caller_is_told_what_the_table_says(house_of_keys: Keyed, operation: tuple[str, str]) -> None:
    callers = ["none", "wrong", "mistyped", "revoked", "expired", "browser", *SCOPES, "all"]
    told = {who: send(house_of_keys.running, operation, secret(house_of_keys, who)) for who in callers}
    assert told == {who: expected(operation, who) for who in callers}


@pytest.mark.parametrize("operation", [key for key, row in TABLE.items() if row.scope], ids=" ".join)
def test_a_wrong_key_is_refused_wherever_it_is_sent(house_of_keys: Keyed, operation: tuple[str, str]) -> None:
    wrong = secret(house_of_keys, "wrong")
    good = house_of_keys.keys["all"]
    for headers in ({"x-api-key": wrong}, {"cookie": f"key={good}"}, {"proxy-authorization": f"Bearer {good}"},
                    {"authorization": good}, {"authorization": f"Basic {good}"}, {"x-ratchet-key": good}):  # fmt: skip
        assert send(house_of_keys.running, operation, **headers) == 401, headers


@pytest.mark.parametrize("operation", [key for key in TABLE if "{app}" in key[1]], ids=" ".join)
def test_a_key_for_another_app_sees_nothing_of_this_one(house_of_keys: Keyed, operation: tuple[str, str]) -> None:
    assert send(house_of_keys.running, operation, house_of_keys.keys["other"]) == 404


def test_a_key_for_another_app_cannot_reach_this_one_by_id(house_of_keys: Keyed) -> None:
    made, key = house_of_keys, house_of_keys.keys["other"]
    for method, path, body in (
        ("GET", f"/v1/traces/{made.traces['support']}", None),
        ("GET", f"/v1/feedback/{made.feedback_id}", None),
        ("GET", f"/v1/cases/{made.case_id}", None),
        ("POST", f"/v1/cases/{made.case_id}/reserve", {"reviewer": "eve"}),
        ("POST", f"/v1/cases/{made.case_id}/verdict", {"reviewer": "eve", "erred": False}),
        ("GET", f"/v1/lessons/{made.lesson_id}", None),
        ("POST", f"/v1/lessons/{made.lesson_id}/revoke", {"actor": "eve", "reason": "mine"}),
        ("GET", "/v1/traces?app=support", None),
        ("GET", "/v1/feedback?app=support", None),
        ("GET", "/v1/audit?app=support", None),
        ("GET", "/v1/models/support", None),
        ("POST", "/v1/chat/completions", {"model": "support", "messages": [{"role": "user", "content": "a"}]}),
        ("POST", "/v1/responses", {"model": "support", "input": "a"}),
        ("POST", "/v1/embeddings", {"model": "support", "input": "a"}),
        ("POST", "/v1/feedback", {"id": made.traces["support"], "app": "support", "thumb": "up"}),
        ("POST", "/v1/feedback/tokens", {"trace_id": made.traces["support"]}),
        ("POST", "/v1/feedback/tokens", {"trace_id": "tr_new", "app": "support"}),
    ):
        assert made.running.call(method, path, body, key=key).status == 404, (method, path, body)
    unnamed = made.running.post("/v1/feedback", {"id": made.traces["support"], "thumb": "up"}, key=key)
    assert unnamed.status == 422, "it means the key's own app, and the trace is of another"
    everything = [made.running.get(path, key=key).json() for path in ("/v1/traces", "/v1/feedback", "/v1/audit")]
    assert made.traces["triage"] in str(everything)
    assert made.traces["support"] not in str(everything)
    assert [app["app"]["name"] for app in made.running.get("/v1/apps", key=key).json()] == ["triage"]
    assert [model["id"] for model in made.running.get("/v1/models", key=key).json()["data"]] == ["triage"]


def test_a_key_for_another_app_cannot_write_rows_for_this_one(house_of_keys: Keyed) -> None:
    made, key = house_of_keys, house_of_keys.keys["other"]
    support = made.traces["support"]
    before = made.running.get(f"/v1/traces/{support}", key=made.keys["all"]).json()
    said = [{"id": support, "app": "support", "thumb": "up"}, {"id": support, "thumb": "up"},
            {"id": support, "app": "triage", "thumb": "up"}]  # fmt: skip
    rows = [
        {"app": "support", "id": "tr_foreign", "input": "a"},
        {"app": "elsewhere", "id": "tr_foreign", "input": "a"},
    ]
    for path, body in (
        ("/v1/feedback/batch", {"feedback": said}),
        ("/v1/traces/batch", {"traces": rows, "feedback": said}),
    ):
        answer = made.running.post(path, body, key=key).json()
        assert {row["outcome"] for row in answer["results"]} == {"rejected"}, answer
    assert made.running.get(f"/v1/traces/{support}", key=made.keys["all"]).json() == before
    assert made.running.get("/v1/traces/tr_foreign", key=made.keys["all"]).status == 404


def test_a_key_for_one_app_cannot_make_keys_for_all(house_of_keys: Keyed) -> None:
    made = house_of_keys
    known = made.running.get("/v1/keys", key=made.keys["all"]).json()
    victim = known["keys"][0]["id"]
    for method, path in (("POST", "/v1/keys"), ("GET", "/v1/keys"), ("POST", "/v1/keys/rotate-tokens"),
                         ("DELETE", f"/v1/keys/{victim}")):  # fmt: skip
        body = {"name": "wider"} if (method, path) == ("POST", "/v1/keys") else None
        assert made.running.call(method, path, body, key=made.keys["other"]).status == 404, path
    assert made.running.get("/v1/keys", key=made.keys["all"]).json() == known


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"])
def test_a_method_that_a_path_does_not_have_is_named_with_those_it_has(house_of_keys: Keyed, method: str) -> None:
    for path in {path for _, path in TABLE}:
        has = {known for known, other in TABLE if other == path}
        if method in has:
            continue
        told = house_of_keys.running.call(method, path.format(app="support", id="unknown", number="1"))
        assert told.status == 405, path
        assert set(told.headers["allow"].split(", ")) == {*has, "OPTIONS"}
        assert told.json()["error"]["code"] == "wrong_method"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(make_project(tmp_path_factory.mktemp("open") / "project")) as service:
        yield service


class TestOpenMode:
    """No key is needed on this machine, unless a page of another origin asks, or one that calls itself this machine."""

    @pytest.mark.parametrize("operation", [key for key, row in TABLE.items() if row.scope], ids=" ".join)
    def test_pages_of_others_are_refused(self, opened: Running, operation: tuple[str, str]) -> None:
        for headers in ({"origin": EVIL}, {"origin": "null"}, {"origin": "http://127.0.0.1:1"},
                        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):  # fmt: skip
            assert send(opened, operation, **headers) == 401, headers
        for host in ("evil.example", "evil.example:8400", "127.0.0.1.evil.example", "localhost.evil.example"):
            assert send(opened, operation, host=host) == 421, host
            assert send(opened, operation, host=host, origin=f"http://{host}") == 421, host

    def test_this_machine_may_do_everything(self, opened: Running) -> None:
        for headers in ({}, {"origin": opened.url}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
            assert opened.get("/v1/apps", headers=headers).status == 200
        assert opened.get("/v1/apps", headers={"host": "localhost:8400"}).status == 200

    def test_a_page_may_rate_with_a_token(self, opened: Running) -> None:
        answer = opened.post("/v1/apps/support/answer", ASK).json()
        said = {"token": answer["feedback_token"], "thumb": "up"}
        told = opened.post("/v1/feedback", said, headers={"origin": SHOP})
        assert (told.status, told.headers["access-control-allow-origin"]) == (201, SHOP)

    def test_ends_with_the_first_key(self, tmp_path: Path) -> None:
        with running(make_project(tmp_path / "project")) as service:
            admin = a_key(service, "first", scopes=["admin"])
            assert service.get("/v1/apps").status == 401
            assert service.get("/v1/keys", key=admin).status == 200
