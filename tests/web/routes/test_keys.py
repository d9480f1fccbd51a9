"""Keys over HTTP: made, listed, revoked, and the secret that signs tokens."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.web.routes.conftest import ask, refused
from tests.web.running import Running


def make(service: Running, key: str = "", **asked: Any) -> Any:
    return service.post("/v1/keys", {"name": "a key", **asked}, key=key)


def test_the_first_key_closes_the_service_and_its_secret_opens_it(fresh_still: Running) -> None:
    service = fresh_still
    assert service.get("/healthz").json()["open"] is True
    made = make(service, name="boss", scopes=["admin", "read"])
    assert made.status == 201
    key, secret = made.json()["key"], made.json()["secret"]
    assert secret.startswith("rk_sk_")
    assert (key["name"], key["kind"], key["scopes"], key["revoked_at"]) == ("boss", "secret", ["admin", "read"], None)
    assert service.get("/healthz").json()["open"] is False
    refused(service.get("/v1/keys"), 401, "needs a key")
    assert service.get("/v1/keys", key=secret).json() == {"keys": [key]}
    assert secret not in service.get("/v1/keys", key=secret).data.decode()
    assert service.get("/v1/apps", headers={"x-api-key": secret}).status == 200
    refused(service.post("/v1/apps/support/answer", {"input": "x"}, key=secret), 403, "'answer'")


def test_a_revoked_key_is_refused_at_once(fresh_still: Running) -> None:
    boss = make(fresh_still, scopes=["admin"]).json()["secret"]
    made = make(fresh_still, boss, scopes=["read"]).json()
    assert fresh_still.get("/v1/apps", key=made["secret"]).status == 200
    gone = fresh_still.call("DELETE", f"/v1/keys/{made['key']['id']}", key=boss)
    assert gone.json()["revoked_at"] > 0
    refused(fresh_still.get("/v1/apps", key=made["secret"]), 401, "revoked")
    again = fresh_still.call("DELETE", f"/v1/keys/{made['key']['id']}", key=boss)
    assert again.json() == gone.json(), "revoking twice changes nothing"
    refused(fresh_still.call("DELETE", "/v1/keys/key_none", key=boss), 404, "key_none")
    actions = fresh_still.service.house.store.audit.entries()
    assert [(entry.action, entry.subject == made["key"]["id"]) for entry in actions if "key." in entry.action][1:3] == [
        ("key.created", True), ("key.revoked", True)
    ]  # fmt: skip


def test_a_key_ends_when_it_was_to_end(fresh_still: Running) -> None:
    boss = make(fresh_still, scopes=["admin"]).json()["secret"]
    short = make(fresh_still, boss, scopes=["read"], expires_at=time.time() + 0.3).json()["secret"]
    assert fresh_still.get("/v1/apps", key=short).status == 200
    time.sleep(0.4)
    refused(fresh_still.get("/v1/apps", key=short), 401, "expired")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"name": " "}, "no name"),
        ({"name": ""}, "name"),
        ({"kind": "browser", "scopes": ["read"]}, "no scopes"),
        ({"kind": "browser", "origins": ["shop.example"]}, "not an origin"),
        ({"scopes": ["everything"]}, "scopes"),
        ({"kind": "golden"}, "kind"),
    ],
    ids=str,
)
def test_a_key_that_makes_no_sense_is_refused(still: Running, asked: dict[str, Any], said: str) -> None:
    refused(make(still, **asked), 422, said)
    assert still.get("/v1/keys").json() == {"keys": []}


def test_tokens_outlive_one_change_of_the_secret_and_no_second(still: Running) -> None:
    token = still.post("/v1/feedback/tokens", {"trace_id": ask(still, "A token?")}).json()["token"]
    seen = set()
    for status in (201, 401):
        seen.add(still.post("/v1/keys/rotate-tokens").json()["secret_id"])
        assert still.post("/v1/feedback", {"token": token, "thumb": "up"}).status == status
    assert len(seen) == 2
