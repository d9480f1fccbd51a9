"""Rows from any thread reach the service once, whatever it, the disk or the process does."""

from __future__ import annotations

import json
import logging
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet.sdk.recorder import Kind, Pace, Recorder, SendOutcome
from ratchet.sdk.spool import Spool

QUICK = Pace(every_s=0.02, retry_s=0.05)


class Service:
    """Keeps the rows it is sent; it can be away, slow, or refuse some rows."""

    def __init__(self) -> None:
        self.requests: list[list[str]] = []
        self.tries: list[float] = []
        self.gaps: list[tuple[dict[Kind, int], float, float]] = []
        self.away = False
        self.retry_after = 0.0
        self.refuses: set[str] = set()
        self.refuses_singly: set[str] = set()
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()

    def send(self, rows: list[tuple[Kind, dict[str, object]]]) -> SendOutcome:
        self.tries.append(time.monotonic())
        self.reached.set()
        self.open.wait(10)
        if self.away:
            return SendOutcome("later", retry_after=self.retry_after, reason="it is away")
        ids = [str(row["id"]) for _, row in rows]
        if self.refuses & set(ids):
            return SendOutcome("refused", reason="a row is not usable")
        self.requests.append(ids)
        refused = tuple(at for at, name in enumerate(ids) if name in self.refuses_singly)
        return SendOutcome("sent", refused=refused, reason="not this one")

    def send_gap(self, counts: dict[Kind, int], since: float, until: float) -> SendOutcome:
        if self.away:
            return SendOutcome("later")
        self.gaps.append((counts, since, until))
        return SendOutcome("sent")

    @property
    def rows(self) -> list[str]:
        return [name for request in self.requests for name in request]


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def recorder(service: Service, tmp_path: Path) -> Iterator[Callable[..., Recorder]]:
    made: list[Recorder] = []

    def make(pace: Pace = QUICK, **spool: int) -> Recorder:
        made.append(
            Recorder(service.send, service.send_gap, lambda: Spool(tmp_path / "spool", **spool), pace=pace)  # type: ignore[arg-type]
        )
        return made[-1]

    yield make
    service.away, service.retry_after = False, 0.0
    service.open.set()
    for one in made:
        one.close()


def put(recorder: Recorder, *ids: object, kind: Kind = "trace") -> None:
    for name in ids:
        recorder.put(kind, {"id": str(name)})


def wait_for(true: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    until = time.monotonic() + timeout_s
    while not true() and time.monotonic() < until:
        time.sleep(0.005)
    return true()


def names(count: int) -> list[str]:
    return [str(number) for number in range(count)]


class TestWithTheServiceThere:
    def test_rows_arrive_in_order_and_in_batches(self, recorder: Callable[..., Recorder], service: Service) -> None:
        one = recorder(Pace(batch_rows=200))
        put(one, *range(1000))

        assert one.flush()
        assert service.rows == names(1000)
        assert max(map(len, service.requests)) == 200
        assert len(service.requests) <= 7

    def test_a_single_row_arrives_without_a_flush(self, recorder: Callable[..., Recorder], service: Service) -> None:
        put(recorder(), "a")
        assert wait_for(lambda: service.rows == ["a"])

    def test_rows_wait_for_company(self, recorder: Callable[..., Recorder], service: Service) -> None:
        one = recorder(Pace(every_s=0.2))
        for number in range(5):
            put(one, number)
            time.sleep(0.01)
        assert wait_for(lambda: bool(service.requests))
        assert service.requests == [names(5)]

    def test_a_full_batch_does_not_wait(self, recorder: Callable[..., Recorder], service: Service) -> None:
        one = recorder(Pace(every_s=30.0, batch_rows=50))
        put(one, "first")
        time.sleep(0.05)
        put(one, *range(60))
        assert wait_for(lambda: len(service.rows) >= 50, 3.0)

    def test_flush_does_not_wait_for_company(self, recorder: Callable[..., Recorder]) -> None:
        one = recorder(Pace(every_s=30.0))
        put(one, "a")
        started = time.monotonic()
        assert one.flush()
        assert time.monotonic() - started < 3.0

    def test_a_large_batch_is_cut_before_the_service_would_refuse_it(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        one = recorder()
        for number in range(6):
            one.put("trace", {"id": str(number), "output": "x" * 400_000})
        assert one.flush()
        assert service.requests == [["0", "1"], ["2", "3"], ["4", "5"]]

    def test_nothing_runs_before_the_first_row(self, recorder: Callable[..., Recorder], tmp_path: Path) -> None:
        one = recorder()
        assert one.close()
        assert not (tmp_path / "spool").exists()
        assert not any(thread.name == "ratchet-recorder" for thread in threading.enumerate())

    def test_it_may_be_used_again_after_close(self, recorder: Callable[..., Recorder], service: Service) -> None:
        one = recorder()
        put(one, "a")
        assert one.close()
        put(one, "b")
        assert one.close()
        assert service.rows == ["a", "b"]


class TestWithTheServiceAway:
    def test_everything_arrives_once_and_in_order_afterwards(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        one = recorder()
        put(one, *range(100))
        assert one.flush()
        service.away = True
        put(one, *range(100, 200))
        assert not one.flush(0.2)
        put(one, *range(200, 300))
        service.away = False
        put(one, *range(300, 400))

        assert one.flush()
        assert service.rows == names(400)
        assert service.gaps == []

    def test_rows_survive_the_end_of_the_process(self, recorder: Callable[..., Recorder], service: Service) -> None:
        service.away = True
        one = recorder()
        put(one, *range(10))
        started = time.monotonic()
        assert not one.close()
        assert time.monotonic() - started < 2.0, "close waits for a service that is away"

        service.away = False
        put(recorder(), "new")
        assert wait_for(lambda: len(service.rows) == 11)
        assert service.rows == [*names(10), "new"]

    def test_it_is_tried_again_at_growing_distances_and_never_more_often_than_allowed(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        service.away = True
        one = recorder(Pace(every_s=0.01, retry_s=0.1))
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            put(one, "a")
            time.sleep(0.01)

        distances = [later - earlier for earlier, later in zip(service.tries, service.tries[1:], strict=False)]
        assert min(distances) >= 0.1
        assert max(distances) >= 0.2
        assert len(distances) <= 10

    def test_a_flush_tries_sooner_but_not_more_often_than_allowed(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        service.away = True
        one = recorder(Pace(every_s=0.01, retry_s=0.2))
        put(one, "a")
        assert not one.flush(1.3)
        distances = [later - earlier for earlier, later in zip(service.tries, service.tries[1:], strict=False)]
        assert 3 <= len(distances) <= 6
        assert min(distances) >= 0.2

    def test_the_wish_of_the_service_is_heard(self, recorder: Callable[..., Recorder], service: Service) -> None:
        service.away, service.retry_after = True, 0.6
        one = recorder()
        put(one, "a")
        assert not one.flush(0.1)
        service.away = False
        assert one.flush()
        assert service.tries[1] - service.tries[0] >= 0.6

    def test_an_error_in_sending_counts_as_away(
        self, service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        answers: list[Exception | None] = [OSError("broken pipe"), OSError("broken pipe"), None]

        def send(rows: list[tuple[Kind, dict[str, object]]]) -> SendOutcome:
            answer = answers.pop(0)
            if answer:
                raise answer
            return service.send(rows)

        one = Recorder(send, service.send_gap, lambda: Spool(tmp_path / "spool"), pace=QUICK)
        with caplog.at_level(logging.WARNING):
            put(one, "a")
            assert one.flush()
        one.close()
        assert service.rows == ["a"]
        assert caplog.text.count("broken pipe") == 1

    def test_what_the_spool_dropped_is_told_once_the_service_is_back(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        service.away = True
        one = recorder(most_bytes=4000)
        before = time.time()
        put(one, *range(200))
        put(one, *range(200, 210), kind="correction")
        assert not one.flush(0.2)
        service.away = False

        assert not one.flush(), "rows were lost, so not everything was acknowledged"
        [(counts, since, until)] = service.gaps
        assert before <= since <= until <= time.time()
        assert counts == {"trace": 210 - len(service.rows)}
        assert [name for name in service.rows if int(name) >= 200] == [str(number) for number in range(200, 210)]
        put(one, "next")
        assert one.flush(), "the loss was told; the next flush is about what came since"

    def test_without_a_folder_rows_wait_in_memory(self, service: Service, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        one = Recorder(service.send, service.send_gap, lambda: Spool(tmp_path / "file" / "spool"), pace=QUICK)
        service.away = True
        put(one, *range(50))
        assert not one.flush(0.1)
        service.away = False
        assert one.flush()
        one.close()
        assert service.rows == names(50)


class TestWithAServiceThatHangs:
    def test_put_never_waits_and_what_finds_no_room_is_counted(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        service.open.clear()
        one = recorder(Pace(every_s=0.01, most_waiting=100))
        put(one, "first")
        assert service.reached.wait(5)
        started = time.monotonic()
        put(one, *range(150))
        put(one, *range(150, 155), kind="correction")
        assert time.monotonic() - started < 0.5
        service.open.set()

        assert not one.flush()
        assert service.rows == ["first", *names(100), "150", "151", "152", "153", "154"]
        assert [counts for counts, _, _ in service.gaps] == [{"trace": 50}]

    def test_close_leaves_everything_on_disk(
        self, recorder: Callable[..., Recorder], service: Service, tmp_path: Path
    ) -> None:
        service.open.clear()
        one = recorder()
        put(one, *range(5))
        assert service.reached.wait(5)
        put(one, *range(5, 10))
        assert not one.close(0.2)

        spool = Spool(tmp_path / "spool")
        assert [json.loads(row.payload)["id"] for row in spool.peek(100)] == names(10)
        spool.close()
        service.away = True
        service.open.set()

    def test_it_goes_on_with_another_thread_after_such_a_close(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        service.open.clear()
        one = recorder()
        put(one, "a")
        assert service.reached.wait(5)
        assert not one.close(0.1)
        put(one, "b")
        service.open.set()

        assert one.flush()
        assert set(service.rows) == {"a", "b"}
        assert wait_for(lambda: sum(thread.name == "ratchet-recorder" for thread in threading.enumerate()) == 1)


class TestRowsNobodyTakes:
    def test_one_bad_row_costs_no_other(
        self, recorder: Callable[..., Recorder], service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.refuses = {"41"}
        one = recorder()
        with caplog.at_level(logging.WARNING):
            put(one, *range(100))
            assert not one.flush(), "a row was refused"
        assert service.rows == [name for name in names(100) if name != "41"]
        assert caplog.text.count("a row is not usable") == 1

        put(one, "next")
        assert one.flush()

    def test_a_bad_row_in_the_spool_does_not_stop_the_others(
        self, recorder: Callable[..., Recorder], service: Service
    ) -> None:
        service.away, service.refuses = True, {"3", "4"}
        one = recorder()
        put(one, *range(10))
        assert not one.flush(0.1)
        service.away = False
        assert not one.flush()
        assert service.rows == [name for name in names(10) if name not in {"3", "4"}]

    def test_rows_refused_singly_are_not_acknowledged(
        self, recorder: Callable[..., Recorder], service: Service, caplog: pytest.LogCaptureFixture
    ) -> None:
        service.refuses_singly = {"1"}
        one = recorder()
        put(one, *range(3))
        assert not one.flush()
        assert "not this one" in caplog.text
        assert len(service.requests) == 1

    @pytest.mark.parametrize("value", [float("nan"), object(), {1, 2}, b"bytes"])
    def test_what_is_no_json_is_dropped_and_said(
        self, recorder: Callable[..., Recorder], service: Service, value: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        one = recorder()
        one.put("trace", {"id": "bad", "value": value})
        put(one, "good")
        assert not one.flush()
        assert service.rows == ["good"]
        assert "it is no JSON" in caplog.text


class TestThreads:
    def test_eight_threads_lose_nothing(self, recorder: Callable[..., Recorder], service: Service) -> None:
        one = recorder(Pace(every_s=0.01, retry_s=0.02))

        def work(name: int) -> None:
            for number in range(500):
                put(one, f"{name}-{number}")
                if number % 100 == 0:
                    service.away = number % 200 == 0
                    one.flush(0.01)

        threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        service.away = False

        assert one.flush(10)
        assert Counter(service.rows) == Counter(f"{name}-{number}" for name in range(8) for number in range(500))
        for name in range(8):
            mine = [row for row in service.rows if row.startswith(f"{name}-")]
            assert mine == [f"{name}-{number}" for number in range(500)]

    def test_flushes_from_many_threads_all_return(self, recorder: Callable[..., Recorder]) -> None:
        one = recorder()
        answers: list[bool] = []

        def work(name: int) -> None:
            for number in range(20):
                put(one, f"{name}-{number}")
                answers.append(one.flush())

        threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == [True] * 80

    def test_a_row_costs_its_caller_less_than_50_microseconds(self, recorder: Callable[..., Recorder]) -> None:
        one = recorder(Pace())
        put(one, "first")
        taken = []
        for number in range(2000):
            row: dict[str, object] = {"id": str(number), "input": "x" * 300, "output": "y" * 300}
            started = time.perf_counter()
            one.put("trace", row)
            taken.append(time.perf_counter() - started)
        median = statistics.median(taken)
        print(f"put takes {median * 1e6:.2f} microseconds")
        assert median < 50e-6


PROGRAM = """
import json, multiprocessing, os, sys, time, warnings
from pathlib import Path
from ratchet.sdk.recorder import Pace, Recorder, SendOutcome
from ratchet.sdk.spool import Spool
warnings.simplefilter("ignore")
folder = Path(sys.argv[1])

def send(rows):
    with (folder / "arrived").open("a") as file:
        file.write("".join(json.dumps([os.getpid(), row["id"]]) + "\\n" for _, row in rows))
    return SendOutcome("sent")

def away(rows):
    return SendOutcome("later")

def put(recorder, *ids):
    for name in ids:
        recorder.put("trace", {"id": str(name)})

def make(send=send, every_s=0.25):
    return Recorder(send, lambda *gap: SendOutcome("sent"), lambda: Spool(folder / "spool"), pace=Pace(every_s=every_s))
"""


def run(folder: Path, program: str) -> list[tuple[int, str]]:
    """Run a program of its own; which process delivered which row."""
    done = subprocess.run([sys.executable, "-c", PROGRAM + program, str(folder)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    arrived = folder / "arrived"
    lines = arrived.read_text().splitlines() if arrived.exists() else []
    return [(pid, name) for pid, name in map(json.loads, lines)]


class TestProcesses:
    def test_the_end_of_the_program_delivers_what_waits(self, tmp_path: Path) -> None:
        arrived = run(tmp_path, "put(make(every_s=60), *range(20))")
        assert [name for _, name in arrived] == names(20)

    def test_the_end_of_a_program_that_hangs_in_a_request_is_not_held_up(self, tmp_path: Path) -> None:
        started = time.monotonic()
        run(tmp_path, "put(make(lambda rows: time.sleep(60)), *range(20))")
        assert time.monotonic() - started < 10
        spool = Spool(tmp_path / "spool")
        assert [json.loads(row.payload)["id"] for row in spool.peek(100)] == names(20)
        spool.close()

    def test_a_forked_child_sends_its_own_rows_and_none_of_its_parent(self, tmp_path: Path) -> None:
        program = """
recorder = make(every_s=0.5)
put(recorder, "parent-1", "parent-2")
child = os.fork()
put(recorder, *([f"child-{n}" for n in range(5)] if child == 0 else [f"more-{n}" for n in range(5)]))
assert recorder.flush()
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
print(child)
"""
        arrived = run(tmp_path, program)
        by_process = {pid: [name for other, name in arrived if other == pid] for pid, _ in arrived}
        assert sorted(by_process.values()) == [
            [f"child-{number}" for number in range(5)],
            ["parent-1", "parent-2", *(f"more-{number}" for number in range(5))],
        ]

    def test_a_fork_with_the_service_away_leaves_each_row_on_disk_once(self, tmp_path: Path) -> None:
        program = """
recorder = make(away, every_s=0.01)
put(recorder, "a")
assert not recorder.flush(0.1)
child = os.fork()
put(recorder, "c" if child == 0 else "b")
recorder.close(1.0)
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
"""
        run(tmp_path, program)
        spool = Spool(tmp_path / "spool")
        assert sorted(json.loads(row.payload)["id"] for row in spool.peek(100)) == ["a", "b", "c"]
        spool.close()

    def test_a_fork_while_threads_record_does_not_hang(self, tmp_path: Path) -> None:
        program = """
import threading
recorder = make(every_s=0.001)
stop = threading.Event()
def work(name):
    number = 0
    while not stop.is_set():
        put(recorder, f"{name}-{number}")
        number += 1
        time.sleep(0.0005)
threads = [threading.Thread(target=work, args=(name,)) for name in range(4)]
for thread in threads:
    thread.start()
for number in range(10):
    child = os.fork()
    if child == 0:
        put(recorder, f"child-{number}")
        os._exit(0 if recorder.flush() else 1)
    assert os.waitpid(child, 0)[1] == 0
stop.set()
for thread in threads:
    thread.join()
"""
        arrived = [name for _, name in run(tmp_path, program)]
        assert len(arrived) == len(set(arrived))
        assert {f"child-{number}" for number in range(10)} <= set(arrived)

    def test_a_process_of_multiprocessing_delivers_at_its_end(self, tmp_path: Path) -> None:
        program = """
recorder = make(every_s=60)
process = multiprocessing.get_context("fork").Process(target=put, args=(recorder, "a", "b"))
process.start()
process.join()
assert process.exitcode == 0
"""
        assert [name for _, name in run(tmp_path, program)] == ["a", "b"]
