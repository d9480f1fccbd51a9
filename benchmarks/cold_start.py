"""From the start of the process to the first good answer, and memory at rest, beside a bare server."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.figures import line
from benchmarks.running import floor, service

STARTS = 5
AT_REST_S = 1.0


def cold_start() -> None:
    """A first start makes the store and is measured too; the median of the later ones is what a restart costs."""
    bare, resting = [], []
    for _ in range(STARTS):
        with floor("remembered") as running:
            bare.append(running.ready_s)
            time.sleep(AT_REST_S)
            resting.append(running.rss_mb())
    with tempfile.TemporaryDirectory() as folder:
        seconds, memory = [], []
        for _ in range(STARTS + 1):
            with service(Path(folder)) as running:
                seconds.append(running.ready_s)
                time.sleep(AT_REST_S)
                memory.append(running.rss_mb())
    floor_s = statistics.median(bare)
    line("first start of the service, with a new store", seconds[0], floor_s, "s")
    line("start of the service until it is ready", statistics.median(seconds[1:]), floor_s, "s")
    line("memory of the service at rest", statistics.median(memory), statistics.median(resting), "MB")
