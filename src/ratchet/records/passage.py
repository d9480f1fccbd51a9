"""A passage: a piece of the team's knowledge that an answer may rest on."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.records.canonical import content_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """``since`` and ``until`` are knowledge versions: the passage is in force from ``since`` up to before ``until``."""

    id: str
    app: str
    title: str
    text: str
    since: int = 1
    until: int | None = None

    def words(self) -> str:
        """Title and text together, as searched and embedded."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    def content(self) -> str:
        """Hash of what the passage says."""
        return content_hash({"id": self.id, "title": self.title, "text": self.text})
