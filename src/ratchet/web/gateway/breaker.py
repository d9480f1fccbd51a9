"""Holds calls back from a provider that keeps failing, and lets one through now and then to see."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

OPEN_S = 10.0
IN_A_ROW = 5
LOOKED_AT = 20
FAILING_SHARE = 0.5
PROBE_WAIT_S = 1.0


class Breaker:
    """Opens at 5 failures in a row, or when half of the last 20 calls failed; after 10 s one call may try again.

    ``now`` is a clock in seconds that never goes back; ``jitter`` gives a share in [0, 1) by which the wait is longer.
    """

    def __init__(self, now: Callable[[], float], jitter: Callable[[], float]) -> None:
        self._now = now
        self._jitter = jitter
        self._outcomes: deque[bool] = deque(maxlen=LOOKED_AT)
        self._in_a_row = 0
        self._until = 0.0
        self._is_open = False
        self._trying_since: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether calls are held back."""
        return self._is_open

    def wait_s(self) -> float:
        """Seconds until a call may be tried; 0 lets this one through (when open: this one alone)."""
        if not self._is_open:
            return 0.0
        now = self._now()
        if self._until > now:
            return self._until - now
        # A try that is never heard of again must not hold everybody back for ever.
        if self._trying_since is not None and now - self._trying_since < OPEN_S:
            return PROBE_WAIT_S
        self._trying_since = now
        return 0.0

    def began(self) -> None:
        """A long answer has begun: that is enough to let others through, and too little to forget what was."""
        if self._is_open:
            self._outcomes.clear()
        self._is_open, self._trying_since = False, None

    def succeeded(self) -> None:
        """A call was answered, whatever the answer said."""
        self.began()
        self._outcomes.append(True)
        self._in_a_row = 0

    def failed(self) -> None:
        """A call was not answered, or the provider said that it failed."""
        self._outcomes.append(False)
        self._in_a_row += 1
        many = len(self._outcomes) == LOOKED_AT and self._outcomes.count(False) >= LOOKED_AT * FAILING_SHARE
        if self._is_open or self._in_a_row >= IN_A_ROW or many:
            self._is_open = True
            self._until = self._now() + OPEN_S * (1 + 0.2 * self._jitter())
        self._trying_since = None

    def gave_up(self) -> None:
        """The call was abandoned by its caller: it says nothing about the provider."""
        self._trying_since = None
