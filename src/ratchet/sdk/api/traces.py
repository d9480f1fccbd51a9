"""Routes of traces: batches, OpenTelemetry, and reading them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from ratchet.sdk.api.calling import Caller, part
from ratchet.wire.feedback import BatchAck
from ratchet.wire.gaps import GapIn, GapOut
from ratchet.wire.traces import OtlpAck, TraceBatchIn, TraceDetail, TracePage


class TraceRoutes(Caller):
    """``/v1/traces`` and ``/v1/logs``. Times are in seconds since the epoch."""

    def send_traces(self, batch: TraceBatchIn) -> BatchAck:
        """Send traces, and feedback beside them; each row is accepted or refused by itself, traces first."""
        return self._post(BatchAck, "/v1/traces/batch", batch)

    def report_gap(self, gap: GapIn) -> GapOut:
        """Say what was lost while the service was away; it goes into the audit log."""
        return self._post(GapOut, "/v1/gaps", gap)

    def otlp_traces(self, request: Mapping[str, Any]) -> OtlpAck:
        """Send an ``ExportTraceServiceRequest`` in OTLP's JSON form."""
        return self._post(OtlpAck, "/v1/traces", request)

    def otlp_logs(self, request: Mapping[str, Any]) -> OtlpAck:
        """Send an ``ExportLogsServiceRequest`` in OTLP's JSON form."""
        return self._post(OtlpAck, "/v1/logs", request)

    def traces_page(
        self,
        *,
        app: str = "",
        user: str = "",
        session: str = "",
        segment: str = "",
        words: str = "",
        since: float | None = None,
        until: float | None = None,
        limit: int | None = None,
        cursor: str = "",
    ) -> TracePage:
        """Traces that fit, newest first; ``words`` stand in input or output, ``cursor`` is the last page's ``next``."""
        query = {
            "app": app, "user": user, "session": session, "segment": segment, "q": words, "since": since,
            "until": until, "limit": limit, "cursor": cursor,
        }  # fmt: skip
        return self._get(TracePage, "/v1/traces", query)

    def export_traces(
        self,
        format: Literal["jsonl", "csv"] = "jsonl",
        *,
        app: str = "",
        user: str = "",
        since: float | None = None,
        until: float | None = None,
    ) -> str:
        """Traces that fit, as JSON Lines or CSV."""
        query = {"format": format, "app": app, "user": user, "since": since, "until": until}
        return self._send("GET", "/v1/traces", query=query).text()

    def trace(self, trace_id: str) -> TraceDetail:
        """One trace with everything known of it."""
        return self._get(TraceDetail, f"/v1/traces/{part(trace_id)}")
