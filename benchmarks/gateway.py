"""The gateway without learned context, beside a bare forwarder and the upstream itself, taken in turn."""

from __future__ import annotations

import statistics
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from benchmarks.driver import hammer
from benchmarks.figures import line
from benchmarks.project import GATEWAY_APP
from benchmarks.running import Running, floor, service, upstream
from benchmarks.traffic import chat_in

PATH = "/v1/chat/completions"
LANES = (1, 16)
ROUNDS = 3
SECONDS = 2.0


def gateway() -> None:
    """Requests a second and CPU a request at 1 and 16 connections."""
    with upstream() as model:
        port = int(model.url.rpartition(":")[2])
        with (
            tempfile.TemporaryDirectory() as folder,
            floor("forwarded", port) as bare,
            service(Path(folder, "durable"), model.url + "/v1") as durable,
            service(Path(folder, "soon"), model.url + "/v1", "soon") as soon,
        ):
            targets = {"direct": model, "bare": bare, "durable": durable, "soon": soon}
            for running in targets.values():
                hammer(running.url, PATH, chat_in(GATEWAY_APP), 4, 1).sound()
            for lanes in LANES:
                _compare(targets, lanes)


def _compare(targets: Mapping[str, Running], lanes: int) -> None:
    rates, cpu = defaultdict(list), defaultdict(list)
    for _ in range(ROUNDS):
        for name, running in targets.items():
            before = running.cpu_s()
            driven = hammer(running.url, PATH, chat_in(GATEWAY_APP), lanes, SECONDS).sound()
            rates[name].append(driven.rate)
            cpu[name].append((running.cpu_s() - before) / driven.requests * 1e6)
    rate = {name: statistics.median(found) for name, found in rates.items()}
    cost = {name: statistics.median(found) for name, found in cpu.items()}
    for record in ("durable", "soon"):
        what = f"gateway, {lanes} at once, traces stored {'first' if record == 'durable' else 'soon'}"
        line(f"{what} (share of a bare forwarder)", rate[record], rate["bare"], "1/s", f"direct {rate['direct']:.0f}")
        line(f"{what}: CPU a request", cost[record], cost["bare"], "us")
