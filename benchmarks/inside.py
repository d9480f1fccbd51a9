"""Without a network: import, answers, capture, feedback and votes, inside this process."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import line, p50
from ratchet.layers.vote import LabelVote
from ratchet.records.passage import Passage
from ratchet.records.trace import Context, Trace
from ratchet.settings import Settings
from ratchet.stages.capture.intake import read_feedback, record_feedback, record_trace
from ratchet.stages.serve.respond import respond
from ratchet.storage.database import sqlite_module
from ratchet.wiring import House, open_house

PASSAGES = 1000


def inside() -> None:
    """Everything that needs no service."""
    imports()
    with tempfile.TemporaryDirectory() as folder:
        house = open_house(Settings.read({}, Path(folder) / "bench.db"))
        try:
            answers(house)
            capture(house, Path(folder))
            feedback(house, Path(folder))
        finally:
            house.close()
    votes()


def imports() -> None:
    """`import ratchet` beside a bare interpreter."""

    def best(code: str) -> float:
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - started)
        return min(times) * 1000

    line("start of python with `import ratchet`", best("import ratchet"), best("pass"), "ms")


def answers(house: House) -> None:
    """A whole offline answer from 1,000 passages beside the embedding of its question."""
    app = house.declare("bench", "answer")
    words = [f"Passage {n} about topic {n % 97} and matter {n % 31}." for n in range(PASSAGES)]
    house.know(
        "bench", [Passage(id=f"p{n}", app="bench", title=f"Topic {n}", text=text) for n, text in enumerate(words)]
    )
    respond(house.outside, house.bundles, app, house.bases["bench"], "warm up", Context())
    house.vectors.embed(["warm up the embedder"])
    embedding = p50(lambda n: house.vectors.embed([f"what is matter {n} about, please"]))
    whole = p50(
        lambda n: respond(
            house.outside, house.bundles, app, house.bases["bench"], f"and matter {n}, what is it", Context()
        )
    )
    line("one answer, embedding included (floor: embedding)", whole, embedding, "ms")


def capture(house: House, folder: Path, rows: int = 3000) -> None:
    """Traces a second through the journal beside plain SQLite at 1,000 rows a commit, both synchronous=FULL."""
    traces = [_trace(f"c{n}") for n in range(rows)]
    started = time.perf_counter()
    writing = [house.store.submit(partial(record_trace, house.outside, trace)) for trace in traces]
    for done in writing:
        done.result()
    ours = rows / (time.perf_counter() - started)
    line("durable traces a second (ratio: share of the floor)", ours, _plain_sqlite(folder, rows), "1/s")


def feedback(house: House, folder: Path) -> None:
    """One acknowledged feedback beside one committed row of plain SQLite."""
    house.store.submit(lambda: record_trace(house.outside, _trace("f0"))).result()

    def one(number: int) -> None:
        given = read_feedback(house.outside, "bench", "f0", user=f"u{number}", thumb="down")
        house.store.submit(lambda: record_feedback(house.outside, given)).result()

    ours = p50(one)
    connection = _plain(folder / "floor2.db")
    floor = p50(lambda number: connection.execute("INSERT INTO rows VALUES (?, ?)", (f"r{number}", "x" * 500)))
    connection.close()
    line("one feedback until it is on disk", ours, floor, "ms")


def votes(lessons: int = 10_000, labels: int = 77, dimensions: int = 384) -> None:
    """A vote of 10,000 lessons beside the bare product of the question with all of them."""
    chance = np.random.default_rng(0)
    vectors = chance.normal(size=(lessons, dimensions)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vote = LabelVote(vectors[:labels], vectors, [int(n) for n in chance.integers(0, labels, lessons)])
    ours = p50(lambda n: vote.ask(vectors[n]))
    line("vote of 10,000 lessons (floor: one product)", ours, p50(lambda n: vectors @ vectors[n]), "ms")


def _trace(identity: str) -> Trace:
    return Trace(id=identity, app="bench", at=time.time(), input="q" * 200, output="a" * 300)


def _plain(path: Path) -> Any:
    connection = sqlite_module().connect(str(path), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (id TEXT PRIMARY KEY, body TEXT)")
    return connection


def _plain_sqlite(folder: Path, rows: int) -> float:
    connection = _plain(folder / "floor.db")
    started = time.perf_counter()
    for start in range(0, rows, 1000):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT INTO rows VALUES (?, ?)", [(f"r{n}", "x" * 500) for n in range(start, min(start + 1000, rows))]
        )
        connection.execute("COMMIT")
    elapsed = time.perf_counter() - started
    connection.close()
    return rows / elapsed
