"""A circuit breaker: after failures in a row the service is left alone, and then probed once."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable

FAILURES = 5
PAUSE_S = 10.0
JITTER = 0.2


class Breaker:
    """Opens after ``failures`` in a row. Once open, one probe is due every ``pause_s`` seconds or so (they vary by a
    fifth, so that many clients do not come back as one); a success closes it. ``now`` and ``chance`` are for tests."""

    def __init__(
        self,
        *,
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
        now: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._most = failures
        self._pause_s = pause_s
        self._now = now
        self._chance = chance
        self._lock = threading.Lock()
        self._failures = 0
        self._probe_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the service should not be waited for."""
        return self._failures >= self._most

    @property
    def probe_is_due(self) -> bool:
        """Whether it is time to try whether the service is back."""
        return self._failures >= self._most and self._now() >= self._probe_at

    def take_probe(self) -> bool:
        """Whether the caller should try whether the service is back; of all who ask, one is told so."""
        with self._lock:
            if not self.probe_is_due:
                return False
            self._pause()
            return True

    def failed(self) -> None:
        """The service did not answer, or not in time."""
        with self._lock:
            self._failures += 1
            if self._failures == self._most:
                self._pause()

    def succeeded(self) -> None:
        """The service answered."""
        with self._lock:
            self._failures = 0

    def _pause(self) -> None:
        self._probe_at = self._now() + self._pause_s * (1 + JITTER * (2 * self._chance() - 1))
