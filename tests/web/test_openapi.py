"""The description of the API is true: complete, well formed, and kept under thousands of requests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from ratchet.web.openapi import describe
from ratchet.web.routes.table import ROUTES
from tests.security.keyed import Keyed, keyed

# What a schema cannot say: such requests fit it and are refused with 422, or with 400 where anything may stand in a
# body and stands for a number that no reader can hold.
UNSAID = {
    "GET /v1/feedback": "a cursor is one of ours",
    "GET /v1/traces": "a cursor is one of ours",
    "POST /v1/apps/{app}/answer": "texts hold no NUL character, and some visible one",
    "POST /v1/apps/{app}/learned": "texts hold no NUL character, and some visible one",
    "PUT /v1/apps/{app}": "an app has a usable name, a classify app two labels",
    "PUT /v1/apps/{app}/knowledge": "every passage has an id of its own",
    "POST /v1/apps/{app}/promote": "a release is named",
    "POST /v1/apps/{app}/rollback": "texts hold no NUL character",
    "POST /v1/lessons/{id}/revoke": "texts hold no NUL character",
    "POST /v1/cases/{id}/reserve": "texts hold no NUL character",
    "POST /v1/cases/{id}/verdict": "texts hold no NUL character",
    "POST /v1/keys": "an origin is one, a browser key has no scopes",
    "POST /v1/chat/completions": "somebody asks something",
    "POST /v1/responses": "somebody asks something",
    "POST /v1/embeddings": "there is a text to embed",
    "POST /v1/feedback": "it says something, about some answer",
    "POST /v1/feedback/batch": "stars are whole numbers, written as such",
    "POST /v1/feedback/tokens": "texts hold no NUL character",
    "POST /v1/gaps": "something was lost",
    "POST /v1/traces/batch": "a batch is not empty",
    "POST /v1/traces": "the object is one of OTLP",
    "POST /v1/logs": "the object is one of OTLP",
}


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return json.loads(describe(ROUTES))  # type: ignore[no-any-return]


def operations(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in described["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def walk(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for item in value.values():
            yield from walk(item)
    if isinstance(value, list):
        for item in value:
            yield from walk(item)


class TestTheDescription:
    def test_names_every_route_and_nothing_else(self, described: dict[str, Any]) -> None:
        assert sorted((method, path) for method, path, _ in operations(described)) == sorted(
            (route.method, route.path) for route in ROUTES
        )

    def test_is_what_the_service_sends(self, described: dict[str, Any], house_of_keys: Keyed) -> None:
        told = house_of_keys.running.get("/openapi.json")
        assert (told.status, told.headers["content-type"]) == (200, "application/json")
        assert told.json() == described

    def test_has_an_id_a_summary_and_a_tag_for_each_operation(self, described: dict[str, Any]) -> None:
        known = {tag["name"] for tag in described["tags"]}
        ids = [operation["operationId"] for _, _, operation in operations(described)]
        assert len(ids) == len(set(ids))
        for _, path, operation in operations(described):
            assert operation["summary"].endswith("."), path
            assert set(operation["tags"]) <= known

    def test_refers_to_nothing_that_is_not_there(self, described: dict[str, Any]) -> None:
        shapes = described["components"]["schemas"]
        used = {node["$ref"] for node in walk(described) if isinstance(node.get("$ref"), str)}
        assert used
        assert {name.removeprefix("#/components/schemas/") for name in used} <= set(shapes)

    def test_holds_schemas_that_are_schemas(self, described: dict[str, Any]) -> None:
        for name, shape in described["components"]["schemas"].items():
            jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **shape})
            assert shape, name

    def test_has_the_fields_that_openapi_demands(self, described: dict[str, Any]) -> None:
        assert re.fullmatch(r"3\.1\.\d", described["openapi"])
        assert described["info"]["title"]
        assert described["info"]["version"]
        for method, path, operation in operations(described):
            assert operation["responses"], path
            assert all(response["description"] for response in operation["responses"].values())
            named = {place["name"] for place in operation["parameters"] if place["in"] == "path"}
            assert named == set(re.findall(r"\{(\w+)\}", path)), path
            assert all(place["required"] for place in operation["parameters"] if place["in"] == "path")
            assert ("requestBody" in operation) <= (method in ("POST", "PUT"))

    def test_says_which_operations_need_a_key(self, described: dict[str, Any]) -> None:
        for route in ROUTES:
            operation = described["paths"][route.path][route.method.lower()]
            wanted = None if route.scope is None else [{"key": []}, {}] if route.by_token else [{"key": []}]
            assert operation.get("security") == wanted, route.path


@pytest.fixture(scope="module")
def house_of_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    with keyed(tmp_path_factory.mktemp("described") / "project") as made:
        yield made


def schemathesis(folder: Path, made: Keyed, who: str, *options: str) -> tuple[int, str]:
    """Requests made from the description, good ones and bad ones, each answer checked in every way that there is: how
    many there were, and the report."""
    (folder / "schemathesis.toml").write_text(_settings(made))
    done = subprocess.run(
        [sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()", "run",
         f"{made.running.url}/openapi.json", "--header", f"Authorization: Bearer {made.keys[who]}",
         "--mode", "all", "--no-color", "--continue-on-failure", *options],
        cwd=folder, capture_output=True, text=True, timeout=3000,
    )  # fmt: skip
    counted = re.search(r"([\d,]+) generated", done.stdout)
    count = int(counted[1].replace(",", "")) if counted else 0
    print(f"{who}: {count} cases; {done.stdout.rstrip().rpartition(chr(10))[2]}")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    # The description's own route is not among those that are tried.
    assert f"Tested: {len(ROUTES) - 1}" in done.stdout, done.stdout[-3000:]
    return count, done.stdout


def _settings(made: Keyed) -> str:
    """Every other request names something that is there, so that it comes past the first look-up."""
    known = [*made.traces.values(), made.feedback_id, made.case_id, made.lesson_id]
    words = {"apps": ["support", "triage"], "ids": [*known, "support"], "numbers": ["0", "1"]}
    meant = {"path.app": "apps", "body.model": "apps", "body.app": "apps", "query.app": "apps", "path.id": "ids",
             "body.id": "ids", "body.trace_id": "ids", "path.number": "numbers"}  # fmt: skip
    exempt = ", ".join(json.dumps(name) for name in UNSAID)
    return "\n".join([
        *(f"[dictionaries.{name}]\nvalues = {json.dumps(values)}" for name, values in words.items()),
        "[parameters]",
        *(f'"{place}" = {{ dictionary = "{name}", probability = 0.5 }}' for place, name in meant.items()),
        "[checks.negative_data_rejection]",
        'expected-statuses = [400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 428, 429, "5xx"]',
        f"[[operations]]\ninclude-name = [{exempt}]",
        "[operations.checks]\npositive_data_acceptance.enabled = false\n",
    ])  # fmt: skip


class TestTheServiceKeepsToIt:
    def test_in_hundreds_of_requests(self, tmp_path: Path, house_of_keys: Keyed) -> None:
        count, _ = schemathesis(
            tmp_path, house_of_keys, "all",
            "--phases", "coverage,fuzzing,stateful", "--max-examples", "5", "--generation-deterministic",
        )  # fmt: skip
        assert count >= 500

    @pytest.mark.slow
    def test_in_ten_thousand_requests(self, tmp_path: Path, house_of_keys: Keyed) -> None:
        count, _ = schemathesis(
            tmp_path, house_of_keys, "all", "--phases", "coverage,fuzzing,stateful", "--max-examples", "200"
        )
        assert count >= 10_000

    @pytest.mark.slow
    @pytest.mark.parametrize("who", ["write", "answer", "read", "review", "release", "admin", "other", "browser"])
    def test_whoever_asks(self, tmp_path: Path, house_of_keys: Keyed, who: str) -> None:
        count, _ = schemathesis(tmp_path, house_of_keys, who, "--phases", "coverage,fuzzing", "--max-examples", "10")
        assert count >= 500
