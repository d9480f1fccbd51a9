"""What an app's function answered before: stands for the function where it is not loaded."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from ratchet.records.canonical import normalised
from ratchet.records.trace import Trace

LOOKED_AT = 20_000
REMEMBERED_S = 30.0


class RecordedOutputs:
    """Finds the newest recorded output for a question among an app's recent traces.

    ``recent`` gives the newest traces of an app, newest first; ``now`` is a clock in seconds. What it found is
    remembered for half a minute: a gate asks for hundreds of questions in a row.
    """

    def __init__(self, recent: Callable[[str, int], Sequence[Trace]], now: Callable[[], float]) -> None:
        self._recent = recent
        self._now = now
        self._known: dict[str, tuple[float, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def __call__(self, app: str, question: str) -> str | None:
        """What the app last answered to this question; ``None`` where it never did."""
        with self._lock:
            at, outputs = self._known.get(app, (float("-inf"), {}))
            if not at <= self._now() < at + REMEMBERED_S:
                outputs = {normalised(trace.input): trace.output for trace in reversed(self._recent(app, LOOKED_AT))}
                self._known[app] = self._now(), outputs
        return outputs.get(normalised(question))
