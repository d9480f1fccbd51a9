"""A key: who may call the service, and what with; only a hash of its secret is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

KeyKind = Literal["secret", "browser"]
Scope = Literal["write", "answer", "read", "review", "release", "admin"]
SCOPES: tuple[Scope, ...] = ("write", "answer", "read", "review", "release", "admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A credential without its secret.

    ``scopes``: ``write`` sends traces and feedback, ``answer`` asks apps and uses the gateway, ``read`` reads,
    ``review`` decides cases, ``release`` learns, promotes, rolls back and revokes, ``admin`` manages keys. A
    ``browser`` key has none: with a feedback token, from one of its ``origins``, it may send feedback. ``apps`` limits
    it to those apps (all when empty). Times are in seconds since the epoch; ``None`` for never.
    """

    id: str
    name: str
    kind: KeyKind
    scopes: tuple[Scope, ...]
    apps: tuple[str, ...]
    origins: tuple[str, ...]
    at: float
    expires_at: float | None = None
    revoked_at: float | None = None
