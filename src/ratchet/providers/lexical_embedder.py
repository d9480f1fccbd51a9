"""An embedder that needs no weights: hashed words and letter groups, coarser than an encoder.

Features are hashed to signed dimensions (Weinberger, K. et al. (2009). Feature hashing for large scale multitask
learning. ICML), so there is nothing to fit and the fingerprint never changes.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from ratchet.interfaces import Vector
from ratchet.layers.lexical import words

DIMENSIONS = 512


class LexicalEmbedder:
    """Unit vectors from the words of a text and the groups of four letters in them."""

    fingerprint = f"lexical-hash-{DIMENSIONS}:v1"
    dimensions = DIMENSIONS

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vector:
        """float32 array (texts x 512); a text without words gets a fixed vector of its own."""
        result = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            for feature, count in _features(text).items():
                place, sign = _place(feature)
                result[row, place] += sign * (1 + math.log(count)) * (1.0 if feature[0] == "w" else 0.4)
            if progress is not None and row % 100 == 99:
                progress(row + 1)
        norms = np.linalg.norm(result, axis=1, keepdims=True)
        result[norms[:, 0] == 0, 0] = 1.0
        unit: Vector = (result / np.where(norms == 0, 1.0, norms)).astype(np.float32)
        return unit


def _features(text: str) -> Counter[str]:
    found: Counter[str] = Counter()
    for word in words(text):
        found[f"w{word}"] += 1
        padded = f"<{word}>"
        for start in range(max(len(padded) - 3, 1)):
            found[f"g{padded[start : start + 4]}"] += 1
    return found


@lru_cache(maxsize=200_000)
def _place(feature: str) -> tuple[int, float]:
    digest = hashlib.blake2b(feature.encode(), digest_size=4).digest()
    return int.from_bytes(digest[:3]) % DIMENSIONS, 1.0 if digest[3] & 1 else -1.0
