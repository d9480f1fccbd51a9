"""All routes of the service in one typed client."""

from __future__ import annotations

from typing import Any

from ratchet.sdk.api.apps import AppRoutes
from ratchet.sdk.api.calling import json_or_text
from ratchet.sdk.api.feedback import FeedbackRoutes
from ratchet.sdk.api.gateway import GatewayRoutes
from ratchet.sdk.api.keys import KeyRoutes
from ratchet.sdk.api.releases import ReleaseRoutes
from ratchet.sdk.api.review import ReviewRoutes
from ratchet.sdk.api.traces import TraceRoutes


class Api(AppRoutes, FeedbackRoutes, TraceRoutes, ReviewRoutes, ReleaseRoutes, KeyRoutes, GatewayRoutes):
    """A typed client of the service at ``url``: one method for each route, one request for each call.

    For answering and feedback in an application use ``Ratchet(url)``, which never slows or breaks its caller; this is
    for scripts and tools that want to know what became of each call.
    """

    def healthz(self) -> dict[str, Any]:
        """Whether the process lives."""
        return json_or_text(self._send("GET", "/healthz"))

    def readyz(self) -> dict[str, Any]:
        """Whether it takes requests; raises ``Unavailable`` while it does not."""
        return json_or_text(self._send("GET", "/readyz"))

    def metrics(self) -> str:
        """Figures in Prometheus' text form."""
        return self._send("GET", "/metrics").text()

    def openapi(self) -> dict[str, Any]:
        """The description of all routes."""
        return self._get(dict[str, Any], "/openapi.json")

    def browser_script(self) -> str:
        """The script that gives a web page its feedback buttons."""
        return self._send("GET", "/ratchet.js").text()
