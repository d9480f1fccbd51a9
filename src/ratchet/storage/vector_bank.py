"""The embedder with its memory: recent vectors in memory, those of lasting texts in the database."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np

from ratchet.interfaces import Embedder, Vector, VectorStore

REMEMBERED = 50_000


class StoredVectors:
    """Embeds each text once. Every vector passes through float16, so that memory and database agree exactly."""

    def __init__(self, embedder: Embedder, store: VectorStore, remembered: int = REMEMBERED) -> None:
        self._embedder = embedder
        self._store = store
        self._remembered = remembered
        self._memory: OrderedDict[str, Vector] = OrderedDict()
        # Texts whose vectors went to the database: asking it again for each of them is what would take the time.
        self._stored: set[str] = set()
        self._lock = threading.Lock()

    @property
    def fingerprint(self) -> str:
        """The embedder's fingerprint."""
        return self._embedder.fingerprint

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vector:
        """Unit vectors of passing texts (texts x dimensions), computed at most once while remembered."""
        with self._lock:
            found = {text: self._memory[text] for text in texts if text in self._memory}
        missing = [text for text in dict.fromkeys(texts) if text not in found]
        if missing:
            computed = _rounded(self._embedder.embed(missing, progress))
            found.update(zip(missing, computed, strict=True))
            self._remember({text: found[text] for text in missing})
        return self._stack(texts, found)

    def keep(self, texts: Sequence[str]) -> Vector:
        """Unit vectors of texts that stay; read from the database, or computed and stored there."""
        wanted = list(dict.fromkeys(texts))
        with self._lock:
            found = {text: self._memory[text] for text in wanted if text in self._memory}
            unsure = [text for text in wanted if text not in found or text not in self._stored]
        stored = self._store.get(self.fingerprint, unsure)
        found.update(stored)
        missing = [text for text in wanted if text not in found]
        if missing:
            found.update(zip(missing, self.embed(missing), strict=True))
        new = {text: found[text] for text in unsure if text not in stored}
        if new:
            self._store.put(self.fingerprint, new)
        self._remember(found)
        with self._lock:
            # Only what was read back counts as stored: a write of just now may yet be rolled back.
            self._stored.update(stored)
        return self._stack(texts, found)

    def _remember(self, vectors: dict[str, Vector]) -> None:
        with self._lock:
            self._memory.update(vectors)
            while len(self._memory) > self._remembered:
                self._memory.popitem(last=False)

    def _stack(self, texts: Sequence[str], found: dict[str, Vector]) -> Vector:
        if not texts:
            return np.zeros((0, self._embedder.dimensions), np.float32)
        return np.stack([found[text] for text in texts])


def _rounded(vectors: Vector) -> Vector:
    return vectors.astype(np.float16).astype(np.float32)
