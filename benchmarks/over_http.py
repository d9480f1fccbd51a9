"""Through the service: ingest and one feedback, each beside the floor of the machine."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.driver import drive, post
from benchmarks.figures import line
from benchmarks.project import OBSERVED_APP, STORE
from benchmarks.running import Running, floor, service
from benchmarks.traffic import feedback_in, rows, trace_in
from ratchet.storage.database import sqlite_module

PAIRS = 8000
IN_BATCH = 100
LANES = 4
FEEDBACKS = 1000


def serve_ingest() -> None:
    """Pairs of a trace and a feedback until they are on disk, beside plain SQLite with the same rows and commits."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pairs = list(rows(PAIRS, seed=1))
        plain = _plain_sqlite(folder / "floor.db", pairs)
        with service(folder / "project") as running:
            _send(running, list(rows(500, seed=2)))
            cpu = running.cpu_s()
            seconds = _send(running, pairs)
            cpu = running.cpu_s() - cpu
            _check(folder / "project" / STORE, PAIRS + 500)
    note = f"{cpu / PAIRS * 1e6:.0f} us CPU a pair"
    line("durable pairs a second over HTTP (ratio: share of floor)", PAIRS / seconds, plain, "1/s", note)


def serve_feedback() -> None:
    """One feedback call until it is on disk, beside an app that commits the body as one row."""
    known = list(rows(FEEDBACKS, seed=3))
    calls = [post("/v1/feedback", feedback_in(row, OBSERVED_APP, f"e{n}")) for n, row in enumerate(known)]
    with floor("committed") as running:
        bare = [_p50_ms(running, calls, lanes) for lanes in (1, 8)]
    with tempfile.TemporaryDirectory() as name, service(Path(name)) as running:
        for batch in _batches(known):
            drive(running.url, [_traces(batch)], 1).sound()
        for lanes, base in zip((1, 8), bare, strict=True):
            cpu = running.cpu_s()
            again = [
                post("/v1/feedback", feedback_in(row, OBSERVED_APP, f"{lanes}-{n}")) for n, row in enumerate(known)
            ]
            ours = _p50_ms(running, again, lanes)
            note = f"{(running.cpu_s() - cpu) / len(again) * 1e6:.0f} us CPU a call"
            line(f"one feedback until it is on disk, {lanes} at once (p50)", ours, base, "ms", note)


def _send(running: Running, pairs: Sequence[dict[str, Any]]) -> float:
    """Traces first, their feedback after them; the seconds until all are acknowledged."""
    traces = [_traces(batch) for batch in _batches(pairs)]
    feedback = [_feedback(batch) for batch in _batches(pairs)]
    return sum(drive(running.url, requests, LANES).sound().seconds for requests in (traces, feedback))


def _traces(batch: Sequence[dict[str, Any]]) -> bytes:
    return post("/v1/traces/batch", {"traces": [trace_in(row, OBSERVED_APP) for row in batch]})


def _feedback(batch: Sequence[dict[str, Any]]) -> bytes:
    return post("/v1/feedback/batch", {"feedback": [feedback_in(row, OBSERVED_APP, row["trace_id"]) for row in batch]})


def _batches(all_rows: Sequence[dict[str, Any]]) -> list[Sequence[dict[str, Any]]]:
    return [all_rows[start : start + IN_BATCH] for start in range(0, len(all_rows), IN_BATCH)]


def _p50_ms(running: Running, calls: list[bytes], lanes: int) -> float:
    return statistics.median(drive(running.url, calls, lanes).sound().latencies_s) * 1000


def _check(store: Path, pairs: int) -> None:
    """What was acknowledged is in the file, seen from outside the service."""
    connection = sqlite_module().connect(f"file:{store}?mode=ro", uri=True)
    found = [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("traces", "feedback")]
    connection.close()
    if found != [pairs, pairs]:
        raise RuntimeError(f"The store has {found} rows of traces and feedback, not {pairs} of each.")


def _plain_sqlite(path: Path, pairs: Sequence[dict[str, Any]]) -> float:
    """Pairs a second of bare inserts into two tables, an index each, as many rows a commit, synchronous=FULL."""
    connection = sqlite_module().connect(str(path), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE t (id TEXT PRIMARY KEY, at REAL, user, segment, model, ms, tin, tout, input, output)"
    )
    connection.execute("CREATE TABLE f (id TEXT PRIMARY KEY, at REAL, user, up, score, correction)")
    connection.execute("CREATE INDEX f_at ON f (up, at)")
    traces = _tuples(pairs, "trace_id ts user segment model latency_ms tin tout input output")
    feedback = _tuples(pairs, "trace_id ts user up score correction")
    started = time.perf_counter()
    for table, batches in (("t", traces), ("f", feedback)):
        for batch in batches:
            marks = ", ".join("?" * len(batch[0]))
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", batch)
            connection.execute("COMMIT")
    elapsed = time.perf_counter() - started
    connection.close()
    return len(pairs) / elapsed


def _tuples(pairs: Sequence[dict[str, Any]], columns: str) -> list[list[tuple[Any, ...]]]:
    names = columns.split()
    return [[tuple(row[name] for name in names) for row in batch] for batch in _batches(pairs)]
