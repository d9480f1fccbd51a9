"""``ratchet serve`` and ``ratchet worker`` in processes of their own."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command import PROGRAM, environment, ratchet, refused
from tests.faults.serving import Served
from tests.web.running import make_project


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    made = Served(tmp_path / "p")
    yield made
    made.close()


def test_it_says_where_it_serves_answers_and_ends_well_when_told_to(served: Served, tmp_path: Path) -> None:
    make_project(tmp_path / "p")
    served.start().ready()
    said = served.log()
    assert f"Ratchet serves {served.url} from {served.store}" in " ".join(said.split())
    assert "app support: answered by" in said
    assert "app triage: answered by" in said
    answer = served.call("POST", "/v1/apps/support/answer", json={"input": "delivery of a parcel"})
    assert answer.status == 200
    beside = ratchet("lessons", "list", "--app", "support", "--store", served.store, cwd=tmp_path)
    assert beside.returncode == 0, beside.stderr
    learned = ratchet("learn", "--app", "support", "--store", served.store, cwd=tmp_path)
    assert learned.stdout == "Nothing new to learn.\n", "the owner was found through its lock file"
    started = time.monotonic()
    assert served.stop() == 0
    assert time.monotonic() - started < 10
    assert "Traceback" not in served.log()


def test_it_ends_well_at_ctrl_c_too(served: Served) -> None:
    served.start().ready()
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(30) in (0, 130)
    assert "Traceback" not in served.log()


def test_a_port_in_use_is_said_before_anything_is_served(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = ratchet("serve", "--port", port, cwd=tmp_path)
    said = refused(done)
    assert str(port) in said
    assert "--port" in said
    assert "Ratchet serves" not in done.stdout


def test_a_store_that_another_service_owns_is_said(served: Served, tmp_path: Path) -> None:
    served.start().ready()
    assert "in use by another process" in refused(ratchet("serve", "--port", 0, "--store", served.store, cwd=tmp_path))
    assert "in use by another process" in refused(ratchet("worker", "--store", served.store, cwd=tmp_path))


def test_a_project_that_cannot_be_read_is_said_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "ratchet.toml").write_text("[service]\nport = 'high'\n")
    assert "ratchet.toml, line 2" in refused(ratchet("serve", cwd=tmp_path))
    (tmp_path / "ratchet.toml").write_text("[service\n")
    for command in ("serve", "worker"):
        assert "ratchet.toml" in refused(ratchet(command, cwd=tmp_path))
    assert "There is no ratchet.toml" in refused(ratchet("serve", "--project", "elsewhere", cwd=tmp_path))
    assert not (tmp_path / "ratchet.db").exists()


def test_it_is_not_opened_to_other_machines_without_a_key(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::"):
        said = refused(ratchet("serve", "--host", host, "--port", 0, cwd=tmp_path))
        assert "open to everybody" in said
        assert "ratchet keys create" in said


def test_with_a_key_it_is_and_asks_for_it(tmp_path: Path) -> None:
    made = ratchet("keys", "create", "boss", cwd=tmp_path)
    secret = next(word for word in made.stdout.split() if word.startswith("rk_"))
    served = Served(tmp_path / "p", store=tmp_path / "ratchet.db", options=("--host", "0.0.0.0"))
    try:
        served.start().ready()
        assert served.call("GET", "/v1/apps").status == 401
        assert served.call("GET", "/v1/apps", headers={"authorization": f"Bearer {secret}"}).status == 200
        assert served.stop() == 0
    finally:
        served.close()


def test_the_worker_learns_without_serving_and_ends_well(tmp_path: Path) -> None:
    make_project(tmp_path)
    process = subprocess.Popen(
        [*PROGRAM, "worker"], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "Working. Stop with Ctrl-C.\n"
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "Traceback" not in err
    assert ratchet("audit", "verify", cwd=tmp_path).returncode == 0
