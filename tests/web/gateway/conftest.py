"""A running service whose apps are answered by a scripted model, and clients that know nothing of Ratchet."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI

from ratchet.providers.scripted import Recorded, Reply, ScriptedServer
from ratchet.web.gateway.breaker import Breaker
from tests.web.running import Running, make_project, running

KEY = "sk-of-the-provider"
SAYS = "The model says so."
PROJECT = """
[embedder]
name = "lexical"

[providers.scripted]
base_url = "{url}"
key = "SCRIPTED_KEY"
connect_timeout_s = 1
read_timeout_s = 5

[apps.support]
knowledge = "knowledge"

[apps.triage]
kind = "classify"
[apps.triage.labels]
refund = "refund money back"
delivery = "delivery parcel shipping"

[apps.bare]
model = "small"

[apps.tutor]
model = "large"
prompt = "prompt.md"
knowledge = "knowledge"
embedding_model = "vectors"

[apps.plain]
model = "large"
knowledge = "knowledge"

[apps.sorter]
kind = "classify"
model = "small"
[apps.sorter.labels]
refund = "refund money back"
delivery = "delivery parcel shipping"
"""
PROMPT = "You help the customers of a shop."
QUESTION = "How long does a parcel take?"


class Model:
    """A scripted model that answers the same to everything, until a test gives it another script."""

    def __init__(self) -> None:
        self.script: Callable[[dict[str, Any]], Reply | str] = lambda _: SAYS
        self.server = ScriptedServer(lambda body: self.script(body))

    def says(self, answer: Reply | str) -> None:
        self.script = lambda _: answer

    @property
    def received(self) -> list[Recorded]:
        return self.server.requests

    @property
    def last(self) -> Any:
        return self.received[-1].body


@dataclass(slots=True)
class Gateway:
    """The service, its model, and OpenAI's client."""

    service: Running
    model: Model
    client: OpenAI

    @property
    def url(self) -> str:
        return f"{self.service.url}/v1"

    def ask(self, app: str, question: str = QUESTION, **more: Any) -> Any:
        messages = [{"role": "user", "content": question}]
        return self.client.chat.completions.create(model=app, messages=messages, **more)  # type: ignore[call-overload]

    def trace(self, trace_id: str) -> Any:
        return self.service.get(f"/v1/traces/{trace_id}").json()["trace"]

    def metric(self, line: str) -> float:
        found = [row for row in self.service.get("/metrics").data.decode().splitlines() if row.startswith(line + " ")]
        return float(found[0].rsplit(" ", 1)[1]) if found else 0.0

    def forget_failures(self) -> None:
        """A new breaker for every provider."""
        for upstream in self.service.service._upstreams.values():
            upstream.breaker = Breaker(time.monotonic, random.random)


def serve(folder: Path, model: Model, toml: str = PROJECT) -> Iterator[Gateway]:
    """A gateway before a model that runs; without the worker, so that releases come when a test makes them."""
    (folder / "prompt.md").write_text(PROMPT)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTED_KEY", KEY)
        settings = make_project(folder, toml.replace("{url}", model.server.base_url))
        settings = replace(settings, service=replace(settings.service, learn=False))
        with (
            running(settings) as service,
            OpenAI(base_url=f"{service.url}/v1", api_key="unused", max_retries=0, timeout=20) as client,
        ):
            yield Gateway(service, model, client)


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests of a module."""
    model = Model()
    with model.server:
        yield from serve(tmp_path_factory.mktemp("gateway"), model)


@pytest.fixture
def gateway(standing: Gateway) -> Gateway:
    """The module's gateway, its model as it was at first."""
    standing.model.script = lambda _: SAYS
    standing.forget_failures()
    return standing


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Gateway]:
    """A gateway of one test alone."""
    model = Model()
    with model.server:
        yield from serve(tmp_path, model)
