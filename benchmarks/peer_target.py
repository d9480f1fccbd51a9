"""The service as a target of the peer benchmark, which loads this file and brings ``adapters`` and ``common``."""

from __future__ import annotations

import itertools
import json
import os
import sys
import urllib.request
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))

from adapters.base import Req  # type: ignore[import-not-found]  # noqa: E402
from adapters.base import Target as Peer  # noqa: E402
from common import Proc, disk_bytes, free_port, fresh, sqlite_ro, wait_http  # type: ignore[import-not-found]  # noqa: E402

from benchmarks.project import OBSERVED_APP, STORE, Record, write_project  # noqa: E402
from benchmarks.traffic import feedback_in, trace_in  # noqa: E402

MOST_IN_BATCH = 500


class Target(Peer):  # type: ignore[misc]
    """`ratchet serve` on a store of its own; RATCHET_BIN names another build than the checkout's."""

    record: Record = "durable"
    ack_note = "acknowledged after the commit (WAL, synchronous=FULL)"

    def start(self, upstream: str | None = None, reuse: bool = False) -> float:
        """Seconds to readiness; ``reuse`` keeps the store."""
        self.dir: Path = self.dir if reuse else fresh(self.name)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.chat_url = f"{self.url}/v1/chat/completions"
        self._events = itertools.count()
        self._start = os.urandom(4).hex()
        write_project(self.dir, port, upstream or "http://127.0.0.1:9/v1", self.record)
        command = os.environ.get("RATCHET_BIN") or str(REPOSITORY / ".venv" / "bin" / "ratchet")
        settings = {"OPENAI_API_KEY": "sk-none"}
        self.proc = Proc([command, "serve"], cwd=self.dir, env=settings, log=f"{self.name}.log")
        return float(wait_http(f"{self.url}/readyz", self.proc, 60))

    def encode_interactions(self, batch: list[dict[str, Any]]) -> list[Any]:
        """One request for up to 500 traces."""
        body = {"traces": [trace_in(row, OBSERVED_APP) for row in batch]}
        return [Req("POST", f"{self.url}/v1/traces/batch", json.dumps(body).encode(), rows=len(batch))]

    def encode_feedback(self, batch: list[dict[str, Any]]) -> list[Any]:
        """One request; a single row goes the way a single feedback call goes. No two rows are the same event."""
        messages = [feedback_in(row, OBSERVED_APP, f"{self._start}-{next(self._events)}") for row in batch]
        if len(messages) == 1:
            return [Req("POST", f"{self.url}/v1/feedback", json.dumps(messages[0]).encode())]
        body = json.dumps({"feedback": messages}).encode()
        return [Req("POST", f"{self.url}/v1/feedback/batch", body, rows=len(batch))]

    def durable(self) -> tuple[int, int]:
        """Traces and feedback in the file, read beside the running service."""
        connection = sqlite_ro(self.dir / STORE)
        try:
            traces, feedback = (
                int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in ("traces", "feedback")
            )
        finally:
            connection.close()
        return traces, feedback

    def disk(self) -> int:
        """Bytes of the store, its log included."""
        return int(disk_bytes(self.dir))

    def q_negative(self, count: int) -> int:
        """The newest negative feedback, through the API."""
        with urllib.request.urlopen(f"{self.url}/v1/feedback?negative=true&limit={count}", timeout=60) as answer:
            return len(json.load(answer)["feedback"])

    def q_daily(self) -> int:
        """There is no read by day and segment yet."""
        raise NotImplementedError("The service has no read by day and segment.")

    def fill(self, count: int) -> tuple[int, int]:
        """Bring the store up to so many traces, through the API."""
        from data import interactions  # type: ignore[import-not-found]

        missing = list(interactions(count - self.durable()[0], seed=5))
        for start in range(0, len(missing), MOST_IN_BATCH):
            batch = missing[start : start + MOST_IN_BATCH]
            for request in (*self.encode_interactions(batch), *self.encode_feedback(batch)):
                urllib.request.urlopen(urllib.request.Request(request.url, request.body, request.headers)).read()
        return self.durable()


class Soon(Target):
    """The same with the gateway's traces stored some milliseconds after the answer."""

    record: Record = "soon"
