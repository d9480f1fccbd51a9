"""An app answered by a model behind an OpenAI-compatible endpoint."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import ProviderError, Ratchet
from ratchet.providers.scripted import Reply, ScriptedServer


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    server = ScriptedServer([Reply(text=" within 30 days \n"), Reply(status=401, body=b'{"error": {"message": "no"}}')])
    server.__enter__()
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123456")
    yield server  # type: ignore[misc]
    server.__exit__(None, None, None)


@pytest.fixture
def loop(tmp_path: Path, server: ScriptedServer) -> Ratchet:
    knowledge = tmp_path / "knowledge.jsonl"
    knowledge.write_text('{"passage_id": "returns", "title": "Returns", "text": "Within 30 days."}\n')
    with Ratchet(tmp_path / "r.db", environment={"RATCHET_EMBEDDER": "lexical"}) as loop:
        loop.model("support", "small-model", knowledge=knowledge, prompt="Answer from the knowledge.")
        yield loop  # type: ignore[misc]


def test_the_model_is_sent_the_prompt_the_passages_and_the_question(loop: Ratchet, server: ScriptedServer) -> None:
    reply = loop._declared["support"]("May I return it?")

    assert reply == "within 30 days"
    assert reply.passage_id == "returns"
    body = server.requests[0].body
    assert body["model"] == "small-model"
    assert body["messages"][0] == {"role": "system", "content": "Answer from the knowledge."}
    assert '<passage id="returns">' in body["messages"][1]["content"]
    assert body["messages"][1]["content"].endswith("Question:\nMay I return it?")


def test_an_error_of_the_endpoint_reaches_the_caller_and_names_the_setting(loop: Ratchet) -> None:
    loop._declared["support"]("May I return it?")

    with pytest.raises(ProviderError, match="OPENAI_API_KEY"):
        loop._declared["support"]("May I return it?")
