"""A release: a numbered, immutable manifest whose id is the hash of its canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ratchet.errors import Conflict, InvalidInput
from ratchet.records.canonical import Json, canonical_json, content_hash

ReleaseStatus = Literal["live", "retired", "rolled_back"]


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that decides how a release answers, by content hash; holds no time, so that a rebuild is equal.

    Keys: ``app``, ``number``, ``parent``, ``base``, ``prompt``, ``examples``, ``retrieval``, ``validators``,
    ``weights``, ``embedder``, ``knowledge``, ``suites``.
    """

    content: Mapping[str, Json]

    @property
    def id(self) -> str:
        """SHA-256 of the canonical JSON: the release's id."""
        return content_hash(self.content)

    def to_json(self) -> str:
        """The canonical JSON, as stored."""
        return canonical_json(self.content).decode()

    @classmethod
    def from_json(cls, text: str, *, expected_id: str) -> Manifest:
        """Read a stored manifest; raises ``Conflict`` when its bytes no longer have the hash they were stored under."""
        try:
            manifest = cls(json.loads(text))
            found = manifest.id[:12]
        except (ValueError, InvalidInput):
            manifest, found = cls({}), "of no manifest at all"
        if manifest.id != expected_id:
            raise Conflict(
                f"The manifest stored as {expected_id[:12]} has the hash {found}.",
                "It was altered after release: restore the database from a backup, or roll back to another release.",
            )
        return manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A manifest that went live once. ``lessons`` is how many lessons its bank holds."""

    app: str
    number: int
    id: str
    manifest: Manifest
    candidate_id: str
    at: float
    bank_version: int
    lessons: int
    status: ReleaseStatus
