"""An audit entry: who did what to which record, chained by hash to the entry before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ratchet.errors import InvalidInput
from ratchet.records.canonical import Json, content_hash

GENESIS = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One change. ``at`` is in microseconds since the epoch, so that the entry holds no floating-point number.

    ``hash`` covers every field and the ``previous`` hash; details hold ids, figures and
    the reason an operator stated, never a user's text.
    """

    sequence: int
    at: int
    actor: str
    action: str
    app: str
    subject: str
    details: Mapping[str, Json]
    previous: str
    hash: str

    @classmethod
    def chained(
        cls,
        *,
        sequence: int,
        at: int,
        actor: str,
        action: str,
        app: str,
        subject: str,
        details: Mapping[str, Json],
        previous: str,
    ) -> AuditEntry:
        """The entry that follows ``previous``, with its hash."""
        fields: dict[str, Json] = {
            "sequence": sequence,
            "at": at,
            "actor": actor,
            "action": action,
            "app": app,
            "subject": subject,
            "details": details,
            "previous": previous,
        }
        digest = content_hash(fields)
        return cls(
            sequence=sequence,
            at=at,
            actor=actor,
            action=action,
            app=app,
            subject=subject,
            details=details,
            previous=previous,
            hash=digest,
        )

    def is_intact(self, previous: str) -> bool:
        """Whether the entry follows ``previous`` and none of its fields were altered."""
        try:
            again = AuditEntry.chained(
                sequence=self.sequence,
                at=self.at,
                actor=self.actor,
                action=self.action,
                app=self.app,
                subject=self.subject,
                details=self.details,
                previous=self.previous,
            )
        except InvalidInput:  # altered into something that no entry can hold
            return False
        return self.previous == previous and again.hash == self.hash
