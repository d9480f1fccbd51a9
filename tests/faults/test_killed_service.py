"""kill -9 of the service under clients that retry: what was acknowledged is there, exactly once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.command import ratchet
from tests.faults.conftest import ask_sqlite
from tests.faults.retrying import APPS, SCORES, Client
from tests.faults.serving import Served

CLIENTS = 4


def a_seed() -> int:
    seed = int(os.environ.get("RATCHET_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"RATCHET_TEST_SEED={seed}")
    return seed


def taken(clients: list[Client]) -> int:
    return sum(len(ids) for client in clients for ids in client.acknowledged.values())


def kill_at_a_random_moment(served: Served, clients: list[Client], chance: random.Random) -> None:
    """Mostly while it works, now and then while it starts or looks after what the last kill left behind."""
    served.start()
    if chance.random() < 0.15:
        time.sleep(chance.uniform(0.0, 1.2))
    else:
        served.ready()
        time.sleep(chance.expovariate(1 / 0.15))
    assert served.kill() == -signal.SIGKILL, f"it was still at work when it was killed: {served.log()[-2000:]}"


def stored_ids(path: Path, app: str) -> Counter[str]:
    rows = ask_sqlite(path, f"SELECT id FROM traces WHERE app = '{app}'")
    rows += ask_sqlite(path, f"SELECT id FROM feedback WHERE app = '{app}'")
    return Counter(str(row[0]) for row in rows)


def check_the_file(path: Path, acknowledged: dict[str, set[str]]) -> None:
    assert ask_sqlite(path, "PRAGMA integrity_check") == [("ok",)]
    assert ask_sqlite(path, "PRAGMA foreign_key_check") == []
    for app in APPS:
        stored = stored_ids(path, app)
        assert acknowledged[app] - stored.keys() == set(), "something acknowledged was lost"
        assert stored.keys() - acknowledged[app] == set(), "every client went on until it was acknowledged"
        assert [key for key, times in stored.items() if times > 1] == [], "something is there twice"
        tallies: Counter[str] = Counter()
        for outcome, count in ask_sqlite(path, f"SELECT outcome, count FROM tallies WHERE app = '{app}'"):
            tallies[str(outcome)] = int(str(count))
        assert tallies["stored"] == len(stored)
        assert tallies["rejected"] == tallies["quarantined"] == 0
        assert tallies["received"] == tallies["stored"] + tallies["duplicate"]
        events = ask_sqlite(path, f"SELECT count(*) FROM feedback WHERE app = '{app}'")[0][0]
        assert ask_sqlite(path, f"SELECT count(*) FROM scores WHERE app = '{app}'") == [(SCORES * int(str(events)),)]


@pytest.mark.parametrize("kills", [5, pytest.param(200, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path, kills: int) -> None:
    seed, began = a_seed(), time.monotonic()
    chance = random.Random(seed)
    served = Served(tmp_path / "project")
    stopping = threading.Event()
    clients = [Client(served.url, f"c{number}", seed, stopping) for number in range(CLIENTS)]
    try:
        served.start().ready()
        for client in clients:
            client.start()
        assert served.kill() == -signal.SIGKILL
        for _ in range(kills - 1):
            kill_at_a_random_moment(served, clients, chance)
        served.start().ready()
        time.sleep(0.2)
        stopping.set()
        for client in clients:
            client.join(60)
            assert not client.is_alive()
        assert served.stop() == 0, served.log()[-2000:]
    finally:
        stopping.set()
        served.close()
    assert [wrong for client in clients for wrong in client.wrong] == []
    acknowledged = {app: set().union(*(client.acknowledged[app] for client in clients)) for app in APPS}
    check_the_file(served.store, acknowledged)
    assert ratchet("audit", "verify", "--store", served.store, cwd=tmp_path).returncode == 0
    total, again = taken(clients), sum(client.again for client in clients)
    print(f"{kills} kills, {total:,} acknowledged, 0 lost, 0 doubled, {again} requests sent again, "
          f"{time.monotonic() - began:.0f} s")  # fmt: skip
    assert total > 20 * kills, "too little was acknowledged for this to say anything"
    assert again > kills / 2, "the kills hit nobody"
