"""Prints a figure beside the floor it was measured with, and takes medians of calls."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable

CALLS = 300


def heading() -> None:
    """Say how busy the machine is: wall times mean little without it."""
    load = " ".join(f"{value:.2f}" for value in os.getloadavg())
    print(f"{os.cpu_count()} cores, load averages {load}")


def line(what: str, ours: float, floor: float, unit: str, note: str = "") -> None:
    """One result: ours, the floor, and their ratio."""
    ended = f"   {note}" if note else ""
    print(f"{what:<58} {ours:>11.3f} {unit:<8} floor {floor:>11.3f}   ratio {ours / floor:6.2f}{ended}", flush=True)


def p50(call: Callable[[int], object], times: int = CALLS) -> float:
    """Median milliseconds of one call."""
    found = []
    for number in range(times):
        started = time.perf_counter()
        call(number)
        found.append((time.perf_counter() - started) * 1000)
    return statistics.median(found)
