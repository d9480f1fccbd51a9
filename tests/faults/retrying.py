"""A client that sends pairs and batches with ids of its own, each again and again until it is acknowledged."""

from __future__ import annotations

import json
import random
import threading
import time
from typing import Any

import urllib3

from tests.faults.serving import GONE

APPS = ("desk", "shop")
SCORES = 2


class Client(threading.Thread):
    """Sends until told to stop; the last request is sent to its acknowledgement.

    ``acknowledged`` are the ids of traces and events that the service took, by app; ``again`` counts requests that
    had to be repeated, ``wrong`` holds what should never be answered.
    """

    def __init__(self, url: str, name: str, seed: int, stopping: threading.Event) -> None:
        super().__init__(name=name, daemon=True)
        self.acknowledged: dict[str, set[str]] = {app: set() for app in APPS}
        self.again = 0
        self.wrong: list[str] = []
        self._stopping = stopping
        self._chance = random.Random(f"{seed} {name}")
        self._pool = urllib3.HTTPConnectionPool(
            "127.0.0.1", int(url.rpartition(":")[2]), retries=False, timeout=10, maxsize=1
        )

    def run(self) -> None:
        number = 0
        while not self._stopping.is_set():
            app = self._chance.choice(APPS)
            count = self._chance.choice((1, 1, 20, 100, 300))
            ids = [f"{self.name}-{number + more}" for more in range(count)]
            number += count
            self._send_until_taken(app, ids, alone=count == 1)
        self._pool.close()

    def _send_until_taken(self, app: str, ids: list[str], *, alone: bool) -> None:
        """A batch of pairs; or one trace, and then its feedback as a page would send it."""
        traces = [{"app": app, "id": f"t{key}", "input": f"question {key} " * 10, "output": "answer"} for key in ids]
        said = [{"app": app, "id": f"t{key}", "event_id": f"f{key}", "user": "kim", "thumb": "up", "comment": key}
                for key in ids]  # fmt: skip
        if alone:
            self._repeat("/v1/traces/batch", {"traces": traces})
            self._repeat("/v1/feedback", said[0])
        else:
            self._repeat("/v1/traces/batch", {"traces": traces, "feedback": said})
        self.acknowledged[app].update(row["id"] for row in traces)
        self.acknowledged[app].update(row["event_id"] for row in said)

    def _repeat(self, path: str, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        sent = 0
        while True:
            sent += 1
            try:
                response = self._pool.request("POST", path, data, headers={"content-type": "application/json"})
            except GONE:
                self.again += 1
                time.sleep(self._chance.uniform(0.005, 0.05))
                continue
            if response.status in (200, 201):
                self._check(json.loads(response.data), first=sent == 1)
                return
            self.wrong.append(f"{response.status} {response.data[:300]!r}")
            time.sleep(0.05)

    def _check(self, answer: dict[str, Any], *, first: bool) -> None:
        """What was never sent before cannot be a duplicate, and nothing is refused."""
        outcomes = {row["outcome"] for row in answer.get("results", [answer])}
        if not outcomes <= ({"stored"} if first else {"stored", "duplicate"}):
            self.wrong.append(f"{'first' if first else 'again'}: {outcomes}")
