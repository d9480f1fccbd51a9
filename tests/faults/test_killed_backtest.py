"""kill -9 in the middle of a backtest: the store it leaves is whole, and what is in force can be loaded."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ratchet.records.audit import GENESIS
from ratchet.wiring import House
from tests.command import PROGRAM, environment, history, write
from tests.faults.conftest import OpenAt, ask_sqlite

APP = "backtest"
ROWS = 2000


def start(folder: Path, store: Path) -> subprocess.Popen[str]:
    stream = write(folder / "tiny.jsonl", history(ROWS, split=True))
    arguments = ["backtest", str(stream), "--store", str(store), "--budget", "200", "--feedback-rate", "0.9"]
    return subprocess.Popen(
        [*PROGRAM, *arguments], cwd=folder, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


def count(path: Path, statement: str) -> int:
    return int(str(ask_sqlite(path, statement)[0][0]))


def progress(path: Path) -> tuple[int, int]:
    """How many requests and verdicts are stored so far."""
    if not ask_sqlite(path, "SELECT name FROM sqlite_master WHERE name = 'audit'"):
        return 0, 0  # the tables are not there yet
    return count(path, "SELECT count(*) FROM traces"), count(path, "SELECT count(*) FROM verdicts")


def kill_at(process: subprocess.Popen[str], store: Path, traces: int, then_s: float) -> None:
    """Kill it a moment after it has stored so many requests."""
    deadline = time.monotonic() + 120
    while not (store.exists() and progress(store)[0] >= traces):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline, "it did not get that far"
        time.sleep(0.05)
    time.sleep(then_s)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL, "it was still at work when it was killed"


def check_the_audit(house: House) -> None:
    previous = GENESIS
    for place, entry in enumerate(house.store.audit.entries(), start=1):
        assert entry.sequence == place
        assert entry.is_intact(previous)
        previous = entry.hash


def check_the_rows(path: Path) -> None:
    undecided = "SELECT count(*) FROM verdicts v LEFT JOIN cases c ON c.id = v.case_id AND c.status = 'decided'"
    assert count(path, f"{undecided} WHERE c.id IS NULL") == 0
    assert count(path, "SELECT count(*) FROM cases WHERE status = 'decided'") == count(
        path, "SELECT count(*) FROM verdicts"
    )
    given = "SELECT count(*) FROM audit WHERE action = 'verdict.given'"
    assert count(path, given) == count(path, "SELECT count(*) FROM verdicts")
    learned = "SELECT count(*) FROM audit WHERE action = 'lesson.learned'"
    assert count(path, learned) == count(path, "SELECT count(*) FROM lessons")
    tallies = {"stored": 0, "received": 0, "duplicate": 0, "rejected": 0}
    tallies.update({str(row[0]): int(str(row[1])) for row in ask_sqlite(path, "SELECT outcome, count FROM tallies")})
    rows = count(path, "SELECT (SELECT count(*) FROM traces) + (SELECT count(*) FROM feedback)")
    assert tallies["stored"] == rows == tallies["received"]
    assert count(path, "SELECT count(*) FROM bank b JOIN lessons l ON l.id = b.lesson_id WHERE l.split != 'teach'") == 0


def check_what_is_in_force(house: House, path: Path) -> None:
    app = house.reopen(APP)
    numbers = house.store.releases.numbers(APP)
    active = house.store.releases.active(APP)
    assert active == (numbers[-1] if numbers else 0), "the newest release is the one in force"
    for number in [0, *numbers]:
        assert house.bundles.of_release(app, number).app == app
    published = count(path, "SELECT count(*) FROM audit WHERE action = 'release.promoted'")
    assert published == len(numbers)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], Path]]:
    store = tmp_path / "killed.db"
    process = start(tmp_path, store)
    yield process, store
    process.kill()
    process.wait()
    assert process.stderr is not None
    process.stderr.close()


@pytest.mark.parametrize(
    "kill", [0, 1, 2, *(pytest.param(kill, marks=pytest.mark.slow) for kill in range(3, 15))], ids=lambda n: f"kill{n}"
)
def test_a_killed_backtest_leaves_a_whole_store(
    kill: int, running: tuple[subprocess.Popen[str], Path], open_at: OpenAt
) -> None:
    seed = int(os.environ.get("RATCHET_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"RATCHET_TEST_SEED={seed}")
    chance = random.Random(f"{seed}:{kill}")
    process, path = running
    least = (1, 60, 160)[kill % 3]
    kill_at(process, path, chance.randrange(least, least + 60), chance.uniform(0, 0.5))

    assert ask_sqlite(path, "PRAGMA integrity_check") == [("ok",)]
    assert ask_sqlite(path, "PRAGMA foreign_key_check") == []
    house = open_at(path)
    check_the_audit(house)
    check_the_rows(path)
    check_what_is_in_force(house, path)
    if least > 1:
        assert progress(path)[1] > 0, "verdicts had been given: the checks above had something to look at"
    turn = house.loop.turn(APP)
    assert turn.summary(), "the loop goes on from there"
    check_the_audit(house)
