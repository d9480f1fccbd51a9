"""Whether the service is well, and its figures."""

from __future__ import annotations

from importlib.metadata import version

from tests.web.routes.conftest import refused
from tests.web.running import Running


def test_health_names_the_service_and_its_version(still: Running) -> None:
    assert still.get("/healthz").json() == {"service": "ratchet", "version": version("ratchet-ai"), "open": True}
    head = still.call("HEAD", "/healthz")
    assert (head.status, head.data) == (200, b"")


def test_readiness_names_the_apps(still: Running) -> None:
    answer = still.get("/readyz")
    assert (answer.status, answer.json()) == (200, {"ready": True, "apps": ["support", "triage"]})


def test_it_is_not_ready_while_it_shuts_down_and_alive_still(fresh_still: Running) -> None:
    fresh_still.service.stopping = True
    answer = fresh_still.get("/readyz")
    refused(answer, 503, "shutting down")
    assert int(answer.headers["retry-after"]) >= 1
    assert fresh_still.get("/healthz").status == 200
    assert fresh_still.get("/v1/apps").status == 200, "what is under way is finished"


def test_it_is_not_ready_while_an_app_of_the_project_is_not_loaded(fresh_still: Running) -> None:
    base = fresh_still.service.house.bases.pop("triage")
    refused(fresh_still.get("/readyz"), 503, "triage is not loaded")
    fresh_still.service.house.bases["triage"] = base
    assert fresh_still.get("/readyz").status == 200


def test_the_snippet_and_the_description_are_for_everybody(still: Running) -> None:
    snippet = still.get("/ratchet.js", headers={"accept-encoding": "identity"})
    assert snippet.headers["content-type"].startswith("text/javascript")
    assert snippet.headers["access-control-allow-origin"] == "*"
    assert b"sendBeacon" in snippet.data
    again = still.get("/ratchet.js", headers={"if-none-match": snippet.headers["etag"]})
    assert (again.status, again.data) == (304, b"")
    described = still.get("/openapi.json").json()
    assert {"/v1/feedback", "/v1/traces/batch", "/readyz"} <= set(described["paths"])
    assert still.get("/openapi.json").headers["content-type"] == "application/json"
