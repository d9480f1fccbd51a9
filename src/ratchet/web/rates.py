"""Bounds how often one caller may call: a bucket each that refills evenly."""

from __future__ import annotations

from collections import OrderedDict

from ratchet.interfaces import Clock
from ratchet.web.problems import Refusal

MOST_CALLERS = 10_000


class TooMany(Refusal):
    """The caller has used up its share; ``retry_after`` is in seconds."""

    def __init__(self, per_minute: int, retry_after: float) -> None:
        super().__init__(429, "rate_limit", f"More than {per_minute} requests a minute.", "Wait, then go on.")
        self.retry_after = retry_after


class Rates:
    """At most ``per_minute`` requests for each caller (0: no bound); a whole minute's share may come at once."""

    def __init__(self, clock: Clock, per_minute: int) -> None:
        self._clock = clock
        self._per_minute = per_minute
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def spend(self, caller: str) -> None:
        """Count one request. Raises :class:`TooMany`."""
        if not self._per_minute:
            return
        now = self._clock.now()
        at, left = self._left.pop(caller, (now, float(self._per_minute)))
        left = min(float(self._per_minute), left + max(0.0, now - at) * self._per_minute / 60)
        self._left[caller] = now, left - 1 if left >= 1 else left
        while len(self._left) > MOST_CALLERS:
            self._left.popitem(last=False)
        if left < 1:
            raise TooMany(self._per_minute, (1 - left) * 60 / self._per_minute)
