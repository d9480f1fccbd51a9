"""The page on the HTTP API, and the page on security, say what the routes, types, refusals and limits are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import urllib3

from ratchet.records.key import SCOPES
from ratchet.stages.capture.validate import LONGEST_ID, LONGEST_TEXT
from ratchet.web import edge, problems, strict_json
from ratchet.web.metrics import NAMES
from ratchet.web.otlp import inflate
from ratchet.web.routes.table import ROUTES
from ratchet.web.routing import KIB, LARGEST_BATCH, LARGEST_BODY, Route
from ratchet.web.strict_json import read_json
from ratchet.wire.apps import PassageIn
from ratchet.wire.limits import LONGEST_WORD, MOST_IN_BATCH, MOST_IN_PAGE
from ratchet.wire.traces import TraceIn
from tests.docs.pages import ROOT, fenced, section
from tests.docs.walking import Curl
from tests.web.running import make_project, running

PAGE = ROOT / "docs" / "http-api.md"
SECURITY = ROOT / "docs" / "security.md"
TEXT = PAGE.read_text(encoding="utf-8")
WEB = ROOT / "src" / "ratchet" / "web"
ROWS = dict(re.findall(r"^\| `((?:GET|POST|PUT|DELETE) /[^`]*)` \| (.+) \|$", TEXT.split("## Bodies")[0], re.MULTILINE))
TYPES = dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", section(PAGE, "Bodies"), re.MULTILINE))
QUERIES = dict(re.findall(r"^\| `(GET /[^`]*)` \| (.+) \|$", section(PAGE, "Query parameters"), re.MULTILINE))
CURLS = [line.removeprefix("$ ") for block in fenced(PAGE, "console") for line in block.splitlines()]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


def type_in(kind: Any) -> str:
    """The name of a type, of the items of a list; nothing for plain JSON and for bytes."""
    inner = get_args(kind)[0] if getattr(kind, "__origin__", None) is list else kind
    return str(getattr(inner, "__name__", "")) if inner not in (None, bytes) and not get_args(inner) else ""


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
class TestEveryRoute:
    def test_stands_on_the_page_with_its_scope_body_and_answer(self, route: Route) -> None:
        assert name_of(route) in ROWS, "it is not on the page"
        scope, body, answer, says = (cell.strip() for cell in ROWS[name_of(route)].split("|"))
        assert scope.partition(",")[0].strip("`") == (route.scope or "none")
        assert ("token" in scope) == route.by_token
        assert body.strip("`") == ("OTLP" if route.takes is bytes else type_in(route.takes))
        assert f"`{type_in(route.gives)}`" in answer if type_in(route.gives) else answer
        assert says.endswith(".")

    def test_has_its_other_statuses_on_the_page(self, route: Route) -> None:
        answer = ROWS[name_of(route)].split("|")[2]
        for status in (route.status, *(also for also in route.also if also < 400)):
            assert status == 200 or str(status) in answer

    def test_has_its_query_parameters_on_the_page(self, route: Route) -> None:
        asked = [] if route.asks is None else [item.name for item in msgspec.structs.fields(route.asks)]
        assert sorted(re.findall(r"`(\w+)`", QUERIES.get(name_of(route), ""))) == sorted(asked)


def test_the_page_has_no_route_that_does_not_exist() -> None:
    assert not set(ROWS) - {name_of(route) for route in ROUTES}


def test_every_field_of_every_body_is_on_the_page_and_a_star_marks_what_is_needed() -> None:
    taken = {route.takes for route in ROUTES if route.takes not in (None, bytes)} | {TraceIn, PassageIn}
    told = {name: re.findall(r"`(\w+)`(\*?)", fields) for name, fields in TYPES.items()}
    true = {
        kind.__name__: [(item.name, "*" if item.required else "") for item in msgspec.structs.fields(kind)]
        for kind in taken
    }
    assert {name: sorted(fields) for name, fields in told.items()} == {
        name: sorted(fields) for name, fields in true.items()
    }


def test_every_code_of_a_refusal_is_on_the_page_and_the_other_way_round() -> None:
    rows = re.findall(r"^\| (?!status)[^|]+ \| (`[^|]+`) \|", section(PAGE, "Errors"), re.MULTILINE)
    told = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    used = set(_codes())
    assert {"too_large", "wrong_host", "provider_timeout"} <= used
    assert told == used


def _codes() -> Iterator[str]:
    """The code of every ``Refusal`` that is raised below ``web``, and those of the tree of errors."""
    yield from (code for _, _, code in problems._STATUS)
    for file in WEB.rglob("*.py"):
        for call in (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if name == "Refusal" and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
                yield str(call.args[1].value)
            if name == "__init__" and len(call.args) == 4 and isinstance(call.args[1], ast.Constant):
                yield str(call.args[1].value)


def test_every_metric_is_on_the_page_and_the_other_way_round() -> None:
    assert set(re.findall(r"^\| `(ratchet_\w+)`", TEXT, re.MULTILINE)) == set(NAMES)


def test_the_curl_lines_of_the_page_do_what_they_say(tmp_path: Path) -> None:
    pool = urllib3.PoolManager(retries=False, timeout=30)
    seen: dict[str, Any] = {}
    with running(make_project(tmp_path)) as service:
        for line in CURLS:
            for place, key in (("ID", "id"), ("CASE", "review_id")):
                line = re.sub(rf"\b{place}\b", str(seen.get(key, place)), line)
            curl = Curl.read(line)
            answered = curl.send(pool, service.url)
            assert answered.status in (200, 201), (line, answered.data)
            if answered.headers["content-type"] == "application/json":
                seen |= answered.json()
        assert seen["lesson"]["reviewer"] == "Ines"
        assert seen["cases"]
        assert "It took three weeks." in answered.data.decode()
    pool.clear()


def test_every_scope_is_on_the_page_about_security() -> None:
    told = re.findall(r"^\| `(\w+)` \|", section(SECURITY, "Secret keys"), re.MULTILINE)
    assert tuple(told) == SCOPES


def test_the_limits_on_the_page_about_security_are_the_true_ones() -> None:
    told = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", section(SECURITY, "What is refused"), re.MULTILINE))
    mib = KIB * KIB
    assert told["body"] == (
        f"{LARGEST_BODY // mib} MiB; {LARGEST_BATCH // mib} MiB for batches, knowledge, OTLP and the gateway; "
        f"OTLP {inflate.LARGEST_BYTES // mib} MiB once unpacked"
    )
    assert told["time for a body to arrive"] == f"{edge.SLOWEST_BODY_S:.0f} s"
    assert told["rows of a batch"] == f"{MOST_IN_BATCH} traces and {MOST_IN_BATCH} feedback messages"
    assert told["rows of a page"] == f"{MOST_IN_PAGE:,}"
    assert told["text, id, other words"] == f"{LONGEST_TEXT:,}, {LONGEST_ID} and {LONGEST_WORD:,} characters"
    assert told["depth of JSON, integers"] == f"{strict_json.DEEPEST} levels, below 2^63"
    large = {route.tag for route in ROUTES if route.largest == LARGEST_BATCH}
    assert large == {"gateway", "feedback", "traces", "apps"}


def test_the_error_on_the_page_has_the_shape_of_every_refusal() -> None:
    from ratchet.wire.keys import ErrorOut

    (block,) = fenced(PAGE, "json")
    assert read_json(block.encode(), ErrorOut).error.code == "model_not_found"
