"""Real MLflow and Phoenix servers, where their commands are named by an environment variable."""

from __future__ import annotations

import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest

from ratchet import Ratchet
from ratchet.importers.deliver import deliver
from ratchet.importers.mlflow import read_mlflow_server
from ratchet.importers.phoenix import read_phoenix_server
from ratchet.importers.row import Row
from ratchet.importers.server import Server
from tests.unit.importers.reading import gathered

pytestmark = pytest.mark.slow
STARTS_WITHIN_S = 120.0
# What follows runs in the tool's own Python, with its own client.
LOG_TO_MLFLOW = """
import sys, mlflow
from mlflow.entities import AssessmentSource
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_experiment("Kite shop")
@mlflow.trace
def answer(messages):
    mlflow.update_current_trace(metadata={"mlflow.trace.user": "kim", "mlflow.trace.session": "s-1"})
    return "About 9 weeks."
answer([{"role": "user", "content": "Hello"}, {"role": "user", "content": "How long does delivery take?"}])
mlflow.flush_trace_async_logging()
trace = mlflow.get_last_active_trace_id()
person = AssessmentSource(source_type="HUMAN", source_id="kim")
judge = AssessmentSource(source_type="LLM_JUDGE", source_id="judge")
mlflow.log_feedback(trace_id=trace, name="user_feedback", value=False, rationale="Too long.", source=person)
mlflow.log_expectation(trace_id=trace, name="expected_response", value="Two to four days.", source=person)
mlflow.log_feedback(trace_id=trace, name="relevance", value=0.2, source=judge)
"""
LOG_TO_PHOENIX = """
import json, sys, time
from phoenix.otel import register
from phoenix.client import Client
provider = register(project_name="Kite shop", endpoint=sys.argv[1] + "/v1/traces", protocol="http/protobuf",
                    batch=False, set_global_tracer_provider=False, verbose=False)
with provider.get_tracer("test").start_as_current_span("answer") as span:
    span.set_attribute("openinference.span.kind", "CHAIN")
    span.set_attribute("input.value", json.dumps({"question": "How long does delivery take?"}))
    span.set_attribute("output.value", "About 9 weeks.")
    span.set_attribute("user.id", "kim")
    span.set_attribute("session.id", "s-1")
    place = format(span.get_span_context().span_id, "016x")
provider.force_flush()
time.sleep(3)
spans = Client(base_url=sys.argv[1]).spans
spans.add_span_annotation(span_id=place, annotation_name="user_feedback", annotator_kind="HUMAN", score=0,
                          explanation="Too long.", sync=True)
spans.add_span_annotation(span_id=place, annotation_name="relevance", annotator_kind="LLM", score=0.2, sync=True)
"""


def command(variable: str) -> Path:
    named = os.environ.get(variable)
    if not named:
        pytest.skip(f"{variable} names no command")
    return Path(named)


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def running(arguments: list[str], url: str, folder: Path, more: dict[str, str]) -> Iterator[str]:
    """Starts the server, waits until it answers, and ends it."""
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(arguments, stdout=log, stderr=log, cwd=folder, env={**os.environ, **more})
        try:
            deadline = time.monotonic() + STARTS_WITHIN_S
            while not answers(url):
                assert server.poll() is None, (folder / "server.log").read_text()[-2000:]
                assert time.monotonic() < deadline, "the server did not start in time"
                time.sleep(0.5)
            yield url
        finally:
            server.terminate()
            server.wait(30)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except (URLError, OSError):
        return False


def logged(tool: Path, script: str, url: str) -> None:
    """Runs ``script`` in the Python beside the tool's command."""
    subprocess.run([tool.with_name("python"), "-c", script, url], check=True, capture_output=True, timeout=120)


def checked(read: Callable[[], Iterator[Row]], folder: Path, *, corrected: bool) -> None:
    found = gathered(read())
    (trace,) = found.traces.values()
    assert (trace.app, trace.input, trace.output) == ("Kite-shop", "How long does delivery take?", "About 9 weeks.")
    assert (trace.context.user, trace.context.session) == ("kim", "s-1")
    said = found.feedback[trace.id]
    assert [(one.thumb, one.comment) for one in said if one.thumb] == [("down", "Too long.")]
    assert [one.scores for one in said if one.scores] == [{"judge.relevance": 0.2}]
    assert [one.correction for one in said if one.correction] == (["Two to four days."] if corrected else [])
    with Ratchet(folder / "ratchet.db", environment={"RATCHET_EMBEDDER": "lexical"}) as ratchet:
        assert deliver(read(), ratchet.deliver).traces.stored == 1
        again = deliver(read(), ratchet.deliver)
    assert (again.traces.duplicate, again.feedback.stored, again.feedback.duplicate) == (1, 0, len(said))


def test_a_running_mlflow_is_imported(tmp_path: Path) -> None:
    tool, port = command("RATCHET_TEST_MLFLOW"), free_port()
    arguments = [
        str(tool), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1",
        "--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db",
        "--default-artifact-root", str(tmp_path / "artifacts"),
    ]  # fmt: skip
    url = f"http://127.0.0.1:{port}"
    for _ in running(arguments, f"{url}/health", tmp_path, {}):
        logged(tool, LOG_TO_MLFLOW, url)
        checked(lambda: read_mlflow_server(Server(url), experiment="Kite shop"), tmp_path, corrected=True)


def test_a_running_phoenix_is_imported(tmp_path: Path) -> None:
    tool, port = command("RATCHET_TEST_PHOENIX"), free_port()
    url = f"http://127.0.0.1:{port}"
    more: dict[str, Any] = {
        "PHOENIX_HOST": "127.0.0.1", "PHOENIX_PORT": str(port), "PHOENIX_GRPC_PORT": str(free_port()),
        "PHOENIX_WORKING_DIR": str(tmp_path),
    }  # fmt: skip
    for _ in running([str(tool), "serve"], f"{url}/healthz", tmp_path, more):
        logged(tool, LOG_TO_PHOENIX, url)
        checked(lambda: read_phoenix_server(Server(url), project="Kite shop"), tmp_path, corrected=False)
