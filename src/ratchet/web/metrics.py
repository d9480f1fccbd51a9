"""Figures for Prometheus: requests, latencies, what was taken in, what waits."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ratchet.web.routing import Route

if TYPE_CHECKING:
    from ratchet.web.service import Service

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
NAMES = {
    "ratchet_requests_total": "Requests by route and status.",
    "ratchet_request_seconds": "Time to answer, by route.",
    "ratchet_intake_total": "Rows received, stored, duplicate, rejected and quarantined, by app.",
    "ratchet_journal_depth": "Writes that wait for the disk.",
    "ratchet_cases_waiting": "Cases that wait for a person, by app.",
    "ratchet_release": "Number of the release in force, by app.",
    "ratchet_turns_total": "Turns of the loop, by outcome.",
    "ratchet_fallbacks_total": "Answers given without what was learned, by reason.",
    "ratchet_upstream_failures_total": "Failed calls of a provider, by provider.",
    "ratchet_breaker_open": "Whether calls of a provider are held back (1) or not (0).",
}


class Metrics:
    """Counts since the process started; never text that somebody sent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._buckets: defaultdict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * (len(BUCKETS_S) + 1))
        self._seconds: Counter[tuple[str, str]] = Counter()
        self._events: Counter[tuple[str, str]] = Counter()

    def count(self, route: Route, status: int, seconds: float) -> None:
        """Count one answered request."""
        key = route.method, route.path
        place = bisect_left(BUCKETS_S, seconds)
        self._requests[*key, status] += 1
        self._buckets[key][place] += 1
        self._seconds[key] += seconds  # type: ignore[assignment]

    def event(self, name: str, label: str = "") -> None:
        """Count something that happened; ``name`` is one of ``NAMES``."""
        with self._lock:
            self._events[name, label] += 1

    def text(self, service: Service) -> str:
        """All figures in the text format of Prometheus."""
        return "\n".join([*self._of_requests(), *self._of_events(), *_of_store(service)]) + "\n"

    def _of_requests(self) -> Iterator[str]:
        yield from _head("ratchet_requests_total", "counter")
        for (method, path, status), count in sorted(self._requests.copy().items()):
            yield f'ratchet_requests_total{{method="{method}",route="{path}",status="{status}"}} {count}'
        yield from _head("ratchet_request_seconds", "histogram")
        for (method, path), counts in sorted(self._buckets.copy().items()):
            labels, total = f'method="{method}",route="{path}"', 0
            for bound, count in zip((*BUCKETS_S, "+Inf"), counts, strict=True):
                total += count
                yield f'ratchet_request_seconds_bucket{{{labels},le="{bound}"}} {total}'
            yield f"ratchet_request_seconds_sum{{{labels}}} {self._seconds[method, path]:.6f}"
            yield f"ratchet_request_seconds_count{{{labels}}} {total}"

    def _of_events(self) -> Iterator[str]:
        labels = {"ratchet_turns_total": "outcome", "ratchet_fallbacks_total": "reason",
                  "ratchet_upstream_failures_total": "provider"}  # fmt: skip
        for name, label in labels.items():
            yield from _head(name, "counter")
            for (event, value), count in sorted(self._events.copy().items()):
                if event == name:
                    yield f'{name}{{{label}="{value}"}} {count}'


def _of_store(service: Service) -> Iterator[str]:
    store = service.house.store
    apps = [app.name for app in store.apps.all()]
    yield from _head("ratchet_intake_total", "counter")
    for app in (*apps, ""):  # rows that were refused before it was clear whose they are have no app
        for outcome, count in sorted(store.feedback.tallies(app).items()):
            yield f'ratchet_intake_total{{app="{app}",outcome="{outcome}"}} {count}'
    yield from _head("ratchet_journal_depth", "gauge")
    yield f"ratchet_journal_depth {store.depth()}"
    yield from _head("ratchet_cases_waiting", "gauge")
    yield from (f'ratchet_cases_waiting{{app="{app}"}} {store.cases.waiting(app)}' for app in apps)
    yield from _head("ratchet_release", "gauge")
    yield from (f'ratchet_release{{app="{app}"}} {store.releases.active(app)}' for app in apps)
    yield from _head("ratchet_breaker_open", "gauge")
    yield from (f'ratchet_breaker_open{{provider="{name}"}} {int(is_open)}' for name, is_open in service.breakers())


def _head(name: str, kind: str) -> Iterator[str]:
    yield f"# HELP {name} {NAMES[name]}"
    yield f"# TYPE {name} {kind}"
