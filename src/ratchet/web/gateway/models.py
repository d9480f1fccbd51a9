"""The names of the apps as models, and embeddings."""

from __future__ import annotations

import base64
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from ratchet.errors import InvalidInput
from ratchet.stages.capture.validate import LONGEST_TEXT
from ratchet.web.gateway.asking import passed_on
from ratchet.web.problems import Refusal
from ratchet.web.routing import Answer, Call

MOST_TEXTS = 2048


class EmbeddingsIn(Struct, kw_only=True, frozen=True):
    """An embeddings request; fields that are not named here go to the model as they are."""

    model: str
    input: str | list[Any]
    encoding_format: str = "float"
    dimensions: int | None = None


def list_models(call: Call) -> dict[str, Any]:
    """The apps that can be asked, as models."""
    return {"object": "list", "data": [_model(name) for name in call.service.models(call.caller)]}


def get_model(call: Call) -> dict[str, Any]:
    """One app as a model."""
    return _model(call.service.app(call.path["id"], call.caller).name)


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": 0, "owned_by": "ratchet"}


async def create_embeddings(call: Call) -> Answer:
    """Embed texts, as OpenAI's API does: with the app's own embedding model, else with the embedder of this service."""
    asked: EmbeddingsIn = call.body
    service = call.service
    app = service.app(asked.model, call.caller)
    settings = service.app_settings(app.name)
    upstream = service.upstream_of(app.name)
    if upstream is not None and settings.embedding_model:
        body = {**call.value, "model": settings.embedding_model}
        response = await upstream.post("/embeddings", msgspec.json.encode(body), _embeddings)
        return passed_on(response.status, response.body, response.content_type, response.headers)
    texts = _texts(asked)
    vectors = await service.in_thread(service.house.outside.vectors.embed, texts)
    if asked.dimensions not in (None, vectors.shape[1]):
        raise InvalidInput(f"This embedder makes {vectors.shape[1]} dimensions.", "Leave `dimensions` out.")
    as_text = asked.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": row,
         "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if as_text else vector.tolist()}
        for row, vector in enumerate(np.asarray(vectors))
    ]  # fmt: skip
    return Answer({"object": "list", "data": data, "model": app.name,
                   "usage": {"prompt_tokens": 0, "total_tokens": 0}})  # fmt: skip


def _embeddings(body: bytes) -> bool | None:
    """Whether the provider's answer holds embeddings; ``None`` when it does not."""
    try:
        return isinstance(msgspec.json.decode(body, type=dict[str, msgspec.Raw])["data"], msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, KeyError):
        return None


def _texts(asked: EmbeddingsIn) -> list[str]:
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    if asked.encoding_format not in ("float", "base64"):
        raise InvalidInput(f"The encoding {asked.encoding_format!r:.40} is unknown.", "Use float or base64.")
    if not all(isinstance(text, str) for text in texts):
        raise InvalidInput("These are tokens, and this embedder reads text.",
                           "Send texts; in LangChain, set check_embedding_ctx_length=False.")  # fmt: skip
    if not texts or not all(text.strip() for text in texts):
        raise InvalidInput("There is no text to embed.", "Send at least one text, none of them empty.")
    if len(texts) > MOST_TEXTS or any(len(text) > LONGEST_TEXT for text in texts):
        raise Refusal(413, "too_large", f"At most {MOST_TEXTS} texts of {LONGEST_TEXT:,} characters.", "Send fewer.")
    return texts
