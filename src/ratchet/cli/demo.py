"""``ratchet demo``: the main job on invented data, start to finish."""

from __future__ import annotations


def demo() -> None:
    """Placeholder."""
