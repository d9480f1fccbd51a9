"""Paths: what a request's path means, and what it does not."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tests.web.running import Running

IDS = ("a/b", "a//b", "a?b", "a#b", "a%2Fb", "%", " x ", "é", "е\u0301😀", "a+b", "order/17/status", "x" * 64)


@pytest.mark.parametrize("key", IDS)
def test_an_id_may_hold_whatever_it_likes(live: Running, key: str) -> None:
    said = {"app": "paths", "id": key, "event_id": key, "thumb": "up"}
    batch = {"traces": [{"app": "paths", "id": key, "input": "hello"}], "feedback": [said]}
    assert live.post("/v1/traces/batch", batch).json()["stored"] == 2
    assert live.get(f"/v1/traces/{quote(key, safe='')}").json()["trace"]["id"] == key
    assert live.get(f"/v1/feedback/{quote(key, safe='')}").json()["id"] == key
    told = live.post("/v1/feedback", said).json()
    assert told["outcome"] == "duplicate"
    assert live.get(told["status_url"]).json()["feedback_id"] == key


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/apps/", "//v1/apps", "/v1//apps", "/V1/apps", "/v1/apps/support/", "/v1/apps//release",
     "/v1/traces/a/b", "/v1/nothing", "/healthz/", "/%2Fhealthz", "/docs", "/v1/apps/support/release/1"],
)  # fmt: skip
def test_any_other_path_leads_nowhere(live: Running, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        told = live.call(method, path)
        assert told.status == 404, method
        assert told.json()["error"]["code"] == "not_found"


def test_a_head_is_a_get_without_its_body(live: Running) -> None:
    for path in ("/healthz", "/v1/apps", "/v1/apps/support", "/v1/apps/unknown"):
        whole, head = live.get(path), live.call("HEAD", path)
        assert (head.status, head.data) == (whole.status, b"")
        assert head.headers["content-length"] == str(len(whole.data))
