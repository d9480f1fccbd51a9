"""Time and identifiers: the real ones, and ones that a replay controls."""

from __future__ import annotations

import random
import secrets
import time


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()


class ReplayClock:
    """A clock that moves when it is told to, for replays and tests."""

    def __init__(self, start: float) -> None:
        self._now = start

    def now(self) -> float:
        """Seconds since the epoch, as last set."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward."""
        self._now += seconds


class RandomIds:
    """Identifiers nobody can guess."""

    def new(self, prefix: str) -> str:
        """``prefix`` and 24 random hexadecimal digits."""
        return f"{prefix}_{secrets.token_hex(12)}"


class SeededIds:
    """The same identifiers in the same order for the same seed, so that a replay can be repeated exactly."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"ids:{seed}")

    def new(self, prefix: str) -> str:
        """``prefix`` and 24 hexadecimal digits."""
        return f"{prefix}_{self._chance.getrandbits(96):024x}"
