"""What the tests of readers need: the samples, and what a reader found in them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ratchet.importers.row import Imported, Row, Skipped
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.traces import TraceIn

SAMPLES = Path(__file__).parent / "samples"


@dataclass(slots=True)
class Read:
    """Traces by id, feedback by trace id, and what was skipped."""

    traces: dict[str, TraceIn] = field(default_factory=dict)
    feedback: dict[str, list[FeedbackIn]] = field(default_factory=dict)
    skipped: list[tuple[str, str]] = field(default_factory=list)

    @property
    def reasons(self) -> set[str]:
        return {reason for _, reason in self.skipped}

    def said(self, trace_id: str) -> FeedbackIn:
        """The only feedback on a trace."""
        (message,) = self.feedback[trace_id]
        return message


def gathered(rows: Iterable[Row]) -> Read:
    found = Read()
    for row in rows:
        if isinstance(row, Skipped):
            found.skipped.append((row.where, row.reason))
            continue
        assert isinstance(row, Imported)
        if row.trace is not None:
            found.traces[row.trace.id] = row.trace
        for message in row.feedback:
            found.feedback.setdefault(message.id, []).append(message)
    return found


def samples(*names: str) -> list[Path]:
    return [SAMPLES / name for name in names]
