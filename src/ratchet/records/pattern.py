"""A pattern: a cluster of failing traces with a name, a priority and a status."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PatternStatus = Literal["open", "fixing", "fixed", "regressed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """Failing traces that share a cause; ``segments`` names where they concentrate."""

    id: str
    app: str
    name: str
    at: float
    trace_ids: tuple[str, ...]
    failure_mode: str = ""
    segments: tuple[str, ...] = ()
    priority: float = 0.0
    status: PatternStatus = "open"
