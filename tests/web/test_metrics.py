"""Figures for Prometheus: every line can be read, every figure is true, and nothing that was sent is in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from ratchet.web.metrics import BUCKETS_S, NAMES, Metrics
from ratchet.web.routing import Route
from tests.web.routes.conftest import ask, correct, quiet, rate, release
from tests.web.running import Running, running

SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z]+="(?:[^"\\\n]|\\[\\"n])*",?)*)\})? (-?[0-9.e+-]+|\+Inf|NaN)')


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    labels: dict[str, str]
    value: float


def parsed(text: str) -> list[Sample]:
    """The samples of a text in Prometheus's format; each family is described before its first sample, once."""
    assert text.endswith("\n")
    kinds: dict[str, str] = {}
    found: list[Sample] = []
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in kinds
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert kind in ("counter", "gauge", "histogram")
            kinds[name] = kind
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        labels = dict(re.findall(r'([a-z]+)="((?:[^"\\]|\\.)*)"', match[2] or ""))
        family = re.sub("_(bucket|sum|count)$", "", match[1]) if match[1] not in kinds else match[1]
        assert family in kinds, line
        found.append(Sample(match[1], labels, float(match[3])))
    assert set(kinds) == set(NAMES)
    return found


def figure(samples: list[Sample], name: str, **labels: str) -> float:
    (found,) = [item.value for item in samples if item.name == name and labels.items() <= item.labels.items()]
    return found


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service at which something of every kind happened."""
    with running(quiet(tmp_path_factory.mktemp("busy") / "p")) as service:
        correct(service, "May I return a secret-kettle?", "Yes, secretly.")
        release(service)
        trace_id = ask(service, "another secret question")
        for _ in range(2):
            rate(service, trace_id, thumb="down", comment="a secret comment", event_id="e1", user="secret-user")
        service.post("/v1/feedback/batch", {"feedback": [{"id": "nowhere", "comment": "a secret"}]})
        service.get("/v1/traces/secret-trace")
        yield service


def test_what_happened_is_counted(busy: Running) -> None:
    answer = busy.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    samples = parsed(answer.data.decode())
    total = "ratchet_requests_total"
    assert figure(samples, total, route="/v1/apps/{app}/answer", status="200") == 2
    assert figure(samples, total, route="/v1/feedback", status="201") == 2
    assert figure(samples, total, route="/v1/feedback", status="200") == 1
    assert figure(samples, total, route="/v1/traces/{id}", status="404") == 1
    assert figure(samples, "ratchet_release", app="support") == 1
    assert figure(samples, "ratchet_release", app="triage") == 0
    assert figure(samples, "ratchet_cases_waiting", app="support") == 1
    assert figure(samples, "ratchet_turns_total", outcome="released") == 1
    assert figure(samples, "ratchet_journal_depth") == 0
    intake = "ratchet_intake_total"
    assert figure(samples, intake, app="support", outcome="received") == sum(
        figure(samples, intake, app="support", outcome=outcome) for outcome in ("stored", "duplicate")
    )
    assert figure(samples, intake, app="support", outcome="duplicate") == 1
    assert figure(samples, intake, app="", outcome="rejected") == 1, "a refused row of no app is visible"


def test_times_are_a_histogram(busy: Running) -> None:
    samples = parsed(busy.get("/metrics").data.decode())
    route = {"method": "POST", "route": "/v1/feedback"}
    buckets = [
        item
        for item in samples
        if item.name == "ratchet_request_seconds_bucket" and route.items() <= item.labels.items()
    ]
    assert [item.labels["le"] for item in buckets] == [*map(str, BUCKETS_S), "+Inf"]
    values = [item.value for item in buckets]
    assert values == sorted(values)
    assert values[-1] == figure(samples, "ratchet_request_seconds_count", **route) == 3
    assert 0 < figure(samples, "ratchet_request_seconds_sum", **route) < 3 * BUCKETS_S[-1]


def test_nothing_that_was_sent_is_in_them(busy: Running) -> None:
    assert "secret" not in busy.get("/metrics").data.decode()


def test_a_time_falls_into_the_first_bucket_that_holds_it(busy: Running) -> None:
    metrics, route = Metrics(), Route(method="GET", path="/x", handler=lambda call: None)
    for seconds in (0.0, 0.001, 0.0011, 10.0, 11.0):
        metrics.count(route, 200, seconds)
    samples = parsed(metrics.text(busy.service))
    within = {
        item.labels["le"]: item.value
        for item in samples
        if item.name == "ratchet_request_seconds_bucket" and item.labels["route"] == "/x"
    }
    assert (within["0.001"], within["0.0025"], within["5.0"], within["10.0"], within["+Inf"]) == (2, 3, 3, 4, 5)
    assert figure(samples, "ratchet_request_seconds_sum", route="/x") == pytest.approx(21.0021)


def test_events_are_counted_by_what_they_are_about(busy: Running) -> None:
    metrics = Metrics()
    for reason in ("slow", "slow", "broken"):
        metrics.event("ratchet_fallbacks_total", reason)
    metrics.event("ratchet_upstream_failures_total", "main")
    samples = parsed(metrics.text(busy.service))
    assert figure(samples, "ratchet_fallbacks_total", reason="slow") == 2
    assert figure(samples, "ratchet_fallbacks_total", reason="broken") == 1
    assert figure(samples, "ratchet_upstream_failures_total", provider="main") == 1
