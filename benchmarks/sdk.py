"""What the client costs its caller over HTTP: on the caller's thread, and until the service has acknowledged."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.driver import drive, post
from benchmarks.figures import line
from benchmarks.project import OBSERVED_APP
from benchmarks.running import floor, service
from benchmarks.traffic import feedback_in, rows, trace_in
from ratchet import Ratchet
from ratchet.sdk.address import STATE

CALLS = 3000
ANSWERS = 300
FLUSH_S = 30.0


def sdk() -> None:
    """`record` beside the bare encoding of its row; `feedback` beside a bare call of an app that commits one row."""
    made = list(rows(CALLS, seed=4))
    with tempfile.TemporaryDirectory() as name, service(Path(name)) as running:
        environment = {STATE: str(Path(name) / "state")}
        with Ratchet(running.url, environment=environment) as loop:
            _record(loop, made)
            _feedback(loop, made[:ANSWERS])


def _record(loop: Ratchet, made: Sequence[dict[str, Any]]) -> None:
    def record(row: dict[str, Any]) -> None:
        loop.record(
            OBSERVED_APP, row["input"], row["output"], user=row["user"], segment=row["segment"], at=row["ts"],
            trace_id=row["trace_id"], latency_ms=row["latency_ms"], model=row["model"], input_tokens=row["tin"],
            output_tokens=row["tout"],
        )  # fmt: skip

    ours, cpu = _each_us(record, made)
    if not loop.flush(FLUSH_S):
        raise RuntimeError("The service did not acknowledge what was recorded.")
    bare, bare_cpu = _each_us(lambda row: json.dumps(trace_in(row, OBSERVED_APP)), made)
    line("record over HTTP, on the caller's thread (p50)", ours, bare, "us")
    line("record over HTTP, CPU of the caller's thread", cpu, bare_cpu, "us")


def _feedback(loop: Ratchet, made: Sequence[dict[str, Any]]) -> None:
    def rate(row: dict[str, Any]) -> None:
        said = loop.feedback(
            row["trace_id"], app=OBSERVED_APP, user=row["user"], scores={"helped": row["up"]}, wait_s=5.0
        )
        if not said.accepted:
            raise RuntimeError("The service did not acknowledge the feedback.")

    ours, _ = _each_us(rate, made)
    with floor("committed") as running:
        calls = [post("/v1/feedback", feedback_in(row, OBSERVED_APP, row["trace_id"])) for row in made]
        bare = statistics.median(drive(running.url, calls, 1).sound().latencies_s) * 1000
    line("feedback over HTTP until it is on disk (p50)", ours / 1000, bare, "ms")


def _each_us(call: Callable[[dict[str, Any]], object], made: Sequence[dict[str, Any]]) -> tuple[float, float]:
    """Median microseconds of one call, and CPU microseconds a call of this thread alone."""
    took = []
    cpu = time.thread_time()
    for row in made:
        started = time.perf_counter()
        call(row)
        took.append(time.perf_counter() - started)
    return statistics.median(took) * 1e6, (time.thread_time() - cpu) / len(made) * 1e6
