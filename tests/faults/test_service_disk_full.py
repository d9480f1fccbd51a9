"""A service on a full disk, a service that is told to stop, and a second one on the same store."""

from __future__ import annotations

import itertools
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.command import environment
from tests.faults.conftest import ask_sqlite
from tests.faults.serving import Served
from tests.faults.test_bad_bodies import head, open_line, status_on
from tests.faults.test_disk_full import limit_pages
from tests.web.running import Answered, make_project, running

APP = "full"
Call = Callable[..., Any]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A service on an ordinary disk."""
    made = Served(tmp_path / "project", options=("--no-learn",))
    yield made.start().ready()
    made.close()


def row(key: str, size: int = 1000) -> dict[str, Any]:
    return {"app": APP, "id": key, "input": "x" * size}


class Writer:
    """Sends traces one by one, and keeps in mind which were acknowledged."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.acknowledged: set[str] = set()
        self._number = itertools.count()

    def send(self, size: int = 1000) -> Any:
        key = f"t{next(self._number)}"
        body = json.dumps({"traces": [row(key, size)]}).encode()
        told = self._call("POST", "/v1/traces/batch", body, {"content-type": "application/json"})
        if told.status == 200:
            self.acknowledged.add(key)
        return told

    def until_it_is_full(self, most: int = 5000) -> Any:
        """The first refusal."""
        for _ in range(most):
            told = self.send()
            if told.status != 200:
                return told
        raise AssertionError("the disk is never full")


def check_a_full_disk(call: Call, make_room: Callable[[], object]) -> set[str]:
    """503 with Retry-After while it is full, reads go on, and writes resume without a restart."""
    writer = Writer(call)
    assert writer.send().status == 200
    told = writer.until_it_is_full()
    for again in (told, writer.send(90_000), said(call)):
        assert again.status == 503, again.data
        assert int(again.headers["retry-after"]) >= 1
        error = json.loads(again.data)["error"]
        assert "is full" in error["message"]
        assert "Free some space" in error["fix"]
    for path in (f"/v1/traces?app={APP}&limit=5", "/v1/traces/t0", "/v1/apps", "/healthz", "/metrics"):
        assert call("GET", path, None, {}).status == 200, path
    make_room()
    assert writer.send().status == 200
    assert said(call).status == 201
    return writer.acknowledged


def said(call: Call) -> Any:
    body = json.dumps({"app": APP, "id": "t0", "event_id": "said", "comment": "y" * 90_000}).encode()
    return call("POST", "/v1/feedback", body, {"content-type": "application/json"})


def check_the_rows(path: Path, acknowledged: set[str]) -> None:
    assert {str(found[0]) for found in ask_sqlite(path, f"SELECT id FROM traces WHERE app = '{APP}'")} == acknowledged
    tallies = dict(ask_sqlite(path, f"SELECT outcome, count FROM tallies WHERE app = '{APP}'"))
    assert tallies == {"received": len(acknowledged) + 1, "stored": len(acknowledged) + 1}
    assert ask_sqlite(path, "SELECT count(*) FROM feedback") == [(1,)]
    assert ask_sqlite(path, "PRAGMA integrity_check") == [("ok",)]


class TestAFullDisk:
    def test_that_is_a_file_that_may_not_grow(self, tmp_path: Path) -> None:
        settings = make_project(tmp_path / "project")
        settings = replace(settings, service=replace(settings.service, learn=False))
        with running(settings) as live:

            def call(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Answered:
                return live.call(method, path, raw=body, headers=headers)

            assert live.post("/v1/traces/batch", {"traces": [row("first")]}).status == 200
            limit_pages(live.service.house, 20)
            acknowledged = check_a_full_disk(call, lambda: limit_pages(live.service.house, 10_000))
        check_the_rows(settings.store, acknowledged | {"first"})

    def test_that_is_a_file_system_with_no_space_left(self, tmp_path: Path, mount: Callable[..., Path]) -> None:
        folder = mount("-t", "tmpfs", "-o", "size=3m", "tmpfs")
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(1_200_000))
        served = Served(tmp_path / "project", store=folder / "ratchet.db", options=("--no-learn",))
        try:
            served.start().ready()

            def call(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> Any:
                return served.call(method, path, body=body, headers=headers)

            acknowledged = check_a_full_disk(call, ballast.unlink)
            assert served.stop() == 0
        finally:
            served.close()
        check_the_rows(served.store, acknowledged)
        assert "Traceback" not in served.log()

    def test_on_which_many_write_at_once_takes_what_it_acknowledges(self, tmp_path: Path) -> None:
        settings = make_project(tmp_path / "project")
        settings = replace(settings, service=replace(settings.service, learn=False))
        told: dict[str, int] = {}
        with running(settings) as live:
            limit_pages(live.service.house, 60)

            def work(name: str) -> None:
                for number in range(40):
                    key = f"{name}-{number}"
                    size = 40_000 if number % 10 == 9 else 500
                    told[key] = live.post("/v1/traces/batch", {"traces": [row(key, size)]}).status

            threads = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert set(told.values()) == {200, 503}, "some were taken and some were not"
        stored = {str(found[0]) for found in ask_sqlite(settings.store, f"SELECT id FROM traces WHERE app = '{APP}'")}
        assert stored == {key for key, status in told.items() if status == 200}


class TestBeingToldToStop:
    @pytest.mark.parametrize(("told", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
    def test_finishes_what_it_has_begun_and_ends(self, served: Served, told: signal.Signals, code: int) -> None:
        body = json.dumps({"traces": [row("begun")]}).encode()
        with open_line(served) as line:
            line.sendall(head("/v1/traces/batch", f"Content-Length: {len(body)}") + body[:20])
            time.sleep(0.2)
            served.process.send_signal(told)
            time.sleep(0.5)
            assert served.process.poll() is None, "it waits for the request"
            with pytest.raises(OSError, match="refused"), open_line(served):
                pass
            line.sendall(body[20:])
            assert status_on(line) == 200
        assert served.process.wait(20) == code, served.log()
        assert "Traceback" not in served.log()
        assert ask_sqlite(served.store, "SELECT id FROM traces") == [("begun",)]
        assert not served.store.with_name("ratchet.db-wal").exists(), "everything is in the one file"

    def test_does_not_wait_for_those_who_say_nothing(self, served: Served) -> None:
        with open_line(served), open_line(served) as half:
            half.sendall(b"GET /healthz HTTP/1.1\r\nHost: 127")
            served.call("GET", "/healthz")
            began = time.monotonic()
            assert served.stop() == 0
            assert time.monotonic() - began < 10

    @pytest.mark.slow
    def test_ends_in_bounded_time_for_one_who_never_finishes(self, served: Served) -> None:
        with open_line(served) as line:
            line.sendall(head("/v1/traces/batch", "Content-Length: 1000") + b"{")
            time.sleep(0.2)
            began = time.monotonic()
            assert served.stop() == 0
            assert time.monotonic() - began < 25

    def test_while_it_starts_ends_it(self, tmp_path: Path) -> None:
        made = Served(tmp_path / "project")
        try:
            for after in (0.1, 0.4, 0.8, 1.2):
                made.start()
                time.sleep(after)
                assert made.stop() in (0, -signal.SIGTERM), made.log()
            assert made.start().ready().stop() == 0
        finally:
            made.close()


def end_of(served: Served) -> subprocess.CompletedProcess[str]:
    """What the command says that cannot serve."""
    return subprocess.run(
        served.command(), cwd=served.project, env=environment(), capture_output=True, text=True, timeout=60
    )


class TestASecondService:
    def test_on_the_same_store_is_refused_and_harms_nothing(self, served: Served, tmp_path: Path) -> None:
        other = Served(tmp_path / "other", store=served.store)
        done = end_of(other)
        assert done.returncode == 2
        assert f"is in use by another process (pid {served.process.pid})" in done.stderr
        assert "fix: " in done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert "serves http" not in done.stdout, "it did not say that it serves"
        assert served.call("GET", "/readyz").status == 200
        body = json.dumps({"traces": [row("still")]})
        assert served.call("POST", "/v1/traces/batch", body=body).status == 200

    def test_on_the_same_port_is_refused_and_says_why(self, served: Served, tmp_path: Path) -> None:
        other = Served(tmp_path / "other")
        other.port = served.port
        done = end_of(other)
        assert done.returncode == 2, done.stdout + done.stderr
        assert str(served.port) in done.stderr
        assert "fix: " in done.stderr
        assert "Traceback" not in done.stdout + done.stderr

    def test_takes_over_when_the_first_was_killed(self, served: Served) -> None:
        served.kill()
        served.start().ready()
        with socket.create_connection(("127.0.0.1", served.port), 5):
            pass
