"""Halves of calls that wait for the rest, in memory and on disk.

An instrumentation may report a question and its answer as log records of their own, and an exporter may send the one
before the other exists. What was acknowledged must be on disk by then.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import time

import msgspec

from ratchet.errors import RatchetError
from ratchet.interfaces import Outside
from ratchet.stages.capture.batch import Intake
from ratchet.web.otlp.receive import Received, Waiting, receive_logs
from ratchet.web.otlp.waiting import LONGEST_S

logger = logging.getLogger("ratchet.web")
REASON = "waits for the rest of its call"
NOBODY = ""


class Kept(msgspec.Struct, frozen=True):
    """A request as it came; ``body`` in base64."""

    body: str
    content_type: str
    encoding: str
    app: str


class Halves:
    """Reads log records and remembers the halves among them, for ten minutes at most."""

    def __init__(self, outside: Outside, intake: Intake) -> None:
        self._outside = outside
        self._intake = intake
        self._waiting = Waiting(time.monotonic)

    def receive(self, body: bytes, content_type: str, encoding: str, app: str) -> Received:
        """What a request of log records holds; its halves are on disk when this returns. Raises ``InvalidInput``."""
        received = receive_logs(body, content_type, encoding, app, waiting=self._waiting)
        if received.held:
            self._keep(Kept(base64.b64encode(body).decode(), content_type, encoding, app))
        return received

    def _keep(self, kept: Kept) -> None:
        now, text = self._outside.clock.now(), msgspec.json.encode(kept).decode()
        name = f"otlp-{hashlib.sha256(text.encode()).hexdigest()[:40]}"
        feedback = self._outside.store.feedback

        def write() -> None:
            feedback.unquarantine(NOBODY, REASON, now - LONGEST_S)
            feedback.quarantine(NOBODY, name, now, REASON, text)

        self._outside.store.submit(write).result()

    def replay(self) -> None:
        """Read again what waited when the last process ended; what was joined meanwhile is a duplicate."""
        oldest = self._outside.clock.now() - LONGEST_S
        for _, at, reason, text in reversed(self._outside.store.feedback.quarantined(NOBODY, 10_000)):
            if reason != REASON or at < oldest:
                continue
            try:
                kept = msgspec.json.decode(text, type=Kept)
                body = base64.b64decode(kept.body)
                received = receive_logs(body, kept.content_type, kept.encoding, kept.app, waiting=self._waiting)
                prepared = self._intake.prepare(received.traces, received.feedback)
                self._outside.store.submit_each(self._intake.write, prepared).result()
            except (RatchetError, ValueError):
                logger.warning("A held request of log records could not be read again.")
