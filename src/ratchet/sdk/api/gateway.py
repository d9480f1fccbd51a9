"""Routes of the gateway in OpenAI's shapes, as plain dictionaries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ratchet.errors import InvalidInput
from ratchet.sdk.api.calling import Caller, part

MODEL_TIMEOUT_S = 120.0


class GatewayRoutes(Caller):
    """``/v1/chat/completions`` and its kin; ``model`` is the name of an app. For streams, use an OpenAI client."""

    def chat_completions(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A chat completion; what Ratchet says of it is under ``ratchet``."""
        return self._ask("/v1/chat/completions", request)

    def responses(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """A response; what Ratchet says of it is under ``ratchet``."""
        return self._ask("/v1/responses", request)

    def embeddings(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Embeddings of the provider behind the app."""
        return self._ask("/v1/embeddings", request)

    def models(self) -> dict[str, Any]:
        """The apps, as models."""
        return self._get(dict[str, Any], "/v1/models")

    def model(self, name: str) -> dict[str, Any]:
        """One app, as a model."""
        return self._get(dict[str, Any], f"/v1/models/{part(name)}")

    def _ask(self, path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        if request.get("stream"):
            fix = f"Point an OpenAI client at {self.url}/v1 for streams, or leave `stream` out."
            raise InvalidInput("This client reads whole answers, not streams.", fix)
        return self._post(dict[str, Any], path, request, timeout_s=max(self.timeout_s, MODEL_TIMEOUT_S))
