"""kill -9 at random moments: what was acknowledged is there, once, and the counts agree with the rows."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.capturing import APP
from tests.faults.conftest import OpenAt, Spawn, ask_sqlite

SENT_AGAIN = 5


def capture_and_kill(spawn: Spawn, path: Path, prefix: str, again: list[str], after_s: float) -> dict[str, str]:
    """The ids that one process acknowledged before it was killed, with what became of each."""
    process = spawn("-m", "tests.faults.capturing", str(path), prefix, *again)
    assert process.stdout is not None
    assert process.stdout.readline() == "READY\n"
    time.sleep(after_s)
    process.kill()
    printed, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was still at work when it was killed"
    whole_lines = printed[: printed.rfind("\n") + 1].splitlines()
    return dict((key, outcome) for key, outcome in (line.split() for line in whole_lines))


def count(path: Path, statement: str) -> int:
    return int(str(ask_sqlite(path, statement)[0][0]))


def check_the_file(path: Path, acknowledged: set[str]) -> None:
    assert ask_sqlite(path, "PRAGMA integrity_check") == [("ok",)]
    assert ask_sqlite(path, "PRAGMA foreign_key_check") == []
    stored = {str(row[0]) for row in ask_sqlite(path, "SELECT id FROM traces UNION ALL SELECT id FROM feedback")}
    assert acknowledged <= stored, "something acknowledged was lost"
    tallies = {"stored": 0, "received": 0, "duplicate": 0}
    tallies.update({str(row[0]): int(str(row[1])) for row in ask_sqlite(path, "SELECT outcome, count FROM tallies")})
    rows = count(path, "SELECT (SELECT count(*) FROM traces) + (SELECT count(*) FROM feedback)")
    assert tallies["stored"] == rows == len(stored)
    assert tallies["received"] == tallies["stored"] + tallies["duplicate"]
    events = count(path, "SELECT count(*) FROM feedback")
    assert count(path, "SELECT count(*) FROM scores") == 2 * events, "each event has a thumb and a comment"
    assert count(path, "SELECT count(*) FROM unassessed") == events


@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_or_doubled(tmp_path: Path, spawn: Spawn, open_at: OpenAt, kills: int) -> None:
    seed = int(os.environ.get("RATCHET_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"RATCHET_TEST_SEED={seed}")
    chance, path = random.Random(seed), tmp_path / "ratchet.db"
    acknowledged: set[str] = set()
    last: list[str] = []
    for kill in range(kills):
        heard = capture_and_kill(spawn, path, f"{kill}", last, chance.uniform(0.02, 0.3))
        known_before = {f"{kind}{number}" for number in last for kind in "tf"}
        assert all(heard[key] == "duplicate" for key in known_before & set(heard))
        assert all(heard[key] == "stored" for key in set(heard) - known_before)
        acknowledged |= set(heard)
        check_the_file(path, acknowledged)
        last = [key[1:] for key in heard if key.startswith("f") and key not in known_before][-SENT_AGAIN:]
    assert len(acknowledged) > 20 * kills, "too little was acknowledged for this to say anything"
    house = open_at(path)
    assert house.store.traces.count(APP) == count(path, "SELECT count(*) FROM traces")
    assert house.store.feedback.tallies(APP)["stored"] >= len(acknowledged)
