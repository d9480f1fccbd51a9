"""LangChain, LlamaIndex and curl, unchanged but for the address."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.web.gateway.conftest import QUESTION, SAYS, Gateway

APPS = ("support", "triage", "bare", "tutor", "sorter")


def said(gateway: Gateway, app: str) -> str:
    return str(gateway.ask(app).choices[0].message.content)


class TestLangChain:
    def model(self, gateway: Gateway, app: str, **more: Any) -> Any:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(base_url=gateway.url, api_key="sk-made-up", model=app, max_retries=0, **more)

    @pytest.mark.parametrize("app", APPS)
    def test_invokes(self, gateway: Gateway, app: str) -> None:
        answer = self.model(gateway, app).invoke([("system", "Be brief."), ("human", QUESTION)])
        assert answer.content == said(gateway, app)
        assert answer.response_metadata["id"].startswith("tr_")
        assert gateway.trace(answer.response_metadata["id"])["input"] == QUESTION

    @pytest.mark.parametrize("app", APPS)
    @pytest.mark.parametrize("usage", [None, True])
    def test_streams(self, gateway: Gateway, app: str, usage: bool | None) -> None:
        chunks = list(self.model(gateway, app, stream_usage=usage).stream(QUESTION))
        assert "".join(chunk.content for chunk in chunks) == said(gateway, app)
        assert any(chunk.usage_metadata for chunk in chunks) or not usage

    def test_is_asynchronous_too(self, gateway: Gateway) -> None:
        async def ask() -> tuple[str, str]:
            model = self.model(gateway, "tutor")
            whole = await model.ainvoke(QUESTION)
            return whole.content, "".join([chunk.content async for chunk in model.astream(QUESTION)])

        assert asyncio.run(ask()) == (SAYS, SAYS)

    @pytest.mark.parametrize("app", ["support", "tutor"])
    def test_speaks_responses(self, gateway: Gateway, app: str) -> None:
        model = self.model(gateway, app, use_responses_api=True)
        assert model.invoke(QUESTION).text == said(gateway, app)
        assert "".join(chunk.text for chunk in model.stream(QUESTION)) == said(gateway, app)

    def test_shows_headers(self, gateway: Gateway) -> None:
        answer = self.model(gateway, "tutor", include_response_headers=True).invoke(QUESTION)
        headers = answer.response_metadata["headers"]
        assert headers["x-ratchet-trace"] == answer.response_metadata["id"]
        told = gateway.service.post("/v1/feedback", {"token": headers["x-ratchet-feedback-token"], "thumb": "up"})
        assert told.status == 201

    @pytest.mark.parametrize("app", ["support", "tutor"])
    def test_embeds(self, gateway: Gateway, app: str) -> None:
        from langchain_openai import OpenAIEmbeddings

        # Without this LangChain sends numbers of a tokenizer that it fetches from the network.
        model = OpenAIEmbeddings(
            base_url=gateway.url, api_key="sk-made-up", model=app, check_embedding_ctx_length=False
        )  # type: ignore[arg-type]
        vectors = model.embed_documents(["one", "two"])
        assert len(vectors) == 2
        assert model.embed_query("one") == pytest.approx(vectors[0])


class TestLlamaIndex:
    def model(self, gateway: Gateway, app: str) -> Any:
        from llama_index.llms.openai import OpenAI

        # It refuses names that OpenAI has no model of; the name that is sent is the one in additional_kwargs.
        return OpenAI(
            model="gpt-4o-mini", additional_kwargs={"model": app}, api_base=gateway.url, api_key="sk-made-up",
            max_retries=0,
        )  # fmt: skip

    @pytest.mark.parametrize("app", APPS)
    def test_chats_completes_and_streams(self, gateway: Gateway, app: str) -> None:
        from llama_index.core.llms import ChatMessage

        model, expected = self.model(gateway, app), said(gateway, app)
        messages = [ChatMessage(role="system", content="Be brief."), ChatMessage(role="user", content=QUESTION)]
        answer = model.chat(messages)
        assert answer.message.content == expected
        assert gateway.trace(answer.raw.id)["app"] == app
        assert model.complete(QUESTION).text == expected
        assert "".join(piece.delta or "" for piece in model.stream_chat(messages)) == expected
        assert "".join(piece.delta or "" for piece in model.stream_complete(QUESTION)) == expected


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
class TestCurl:
    def curl(self, gateway: Gateway, path: str, *more: str) -> str:
        command = ["curl", "-sS", "-N", "--max-time", "20", *more, gateway.url + path]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def test_chats(self, gateway: Gateway) -> None:
        body = json.dumps({"model": "support", "messages": [{"role": "user", "content": QUESTION}]})
        got = self.curl(gateway, "/chat/completions", "-i", "-H", "Content-Type: application/json", "-d", body)
        head, _, data = got.partition("\n\n") if "\r\n\r\n" not in got else got.partition("\r\n\r\n")
        answer = json.loads(data)
        assert f"x-ratchet-trace: {answer['id']}" in head
        assert answer["choices"][0]["message"]["content"] == said(gateway, "support")

    def test_streams(self, gateway: Gateway) -> None:
        body = json.dumps({"model": "tutor", "stream": True, "messages": [{"role": "user", "content": QUESTION}]})
        got = self.curl(gateway, "/chat/completions", "-H", "Content-Type: application/json", "-d", body)
        *events, done = [line for line in got.splitlines() if line]
        assert done == "data: [DONE]"
        chunks = [json.loads(event.removeprefix("data: ")) for event in events]
        assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == SAYS
        assert chunks[-1]["ratchet"]["trace_id"] == chunks[0]["id"]

    def test_lists_the_apps(self, gateway: Gateway) -> None:
        found = json.loads(self.curl(gateway, "/models"))
        assert "tutor" in [model["id"] for model in found["data"]]
