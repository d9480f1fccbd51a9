"""BM25 over a few thousand passages in memory, on a light English stemmer.

Robertson, S. and Zaragoza, H. (2009). The probabilistic relevance framework: BM25 and beyond. Foundations and Trends
in Information Retrieval 3(4), 333-389; with k1 = 1.2, b = 0.75.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ratchet.interfaces import Vector

K1 = 1.2
B = 0.75
_WORD = re.compile(r"\w+")
_ENDINGS = ("ing", "ed", "es", "s")


def words(text: str) -> list[str]:
    """Lower-case words with common English endings removed."""
    return [_stem(word) for word in _WORD.findall(text.casefold())]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return word[: -len(ending)]
    return word


class LexicalIndex:
    """Texts ready for word search."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts], np.float32)
        self._norm = K1 * (1 - B + B * lengths / max(float(lengths.mean()) if len(lengths) else 1.0, 1.0))
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for row, count in enumerate(counts):
            for word, times in count.items():
                postings[word].append((row, times))
        self._size = len(texts)
        self._postings: dict[str, tuple[NDArray[np.intp], Vector]] = {
            word: (np.array([row for row, _ in found], np.intp), np.array([times for _, times in found], np.float32))
            for word, found in postings.items()
        }

    def scores(self, query: str) -> Vector:
        """BM25 of every text, divided by the most that this query could reach: each in [0, 1]."""
        found = np.zeros(self._size, np.float32)
        reachable = 0.0
        for word in set(words(query)):
            rows, times = self._postings.get(word, (None, None))
            weight = math.log(
                1 + (self._size - (0 if rows is None else len(rows)) + 0.5) / (0.5 + (0 if rows is None else len(rows)))
            )
            reachable += weight * (K1 + 1)
            if rows is not None and times is not None:
                found[rows] += weight * times * (K1 + 1) / (times + self._norm[rows])
        return found / reachable if reachable else found
