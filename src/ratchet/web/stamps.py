"""The headers that every answer carries: its trace, its release, and the token to rate it with."""

from __future__ import annotations

TOKEN_HEADER = "x-ratchet-feedback-token"


def answer_headers(trace_id: str, release: int, token: str) -> dict[str, str]:
    """The headers of one answer."""
    return {"x-ratchet-trace": trace_id, "x-ratchet-release": str(release), TOKEN_HEADER: token}
