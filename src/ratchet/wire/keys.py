"""Keys on the wire; the secret itself is shown once, when the key is made."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct, field

from ratchet.records.key import Key, KeyKind, Scope
from ratchet.wire.limits import Seconds

Origin = Annotated[str, Meta(min_length=1, max_length=300)]


class KeyIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Asks for a key. A ``browser`` key may only write feedback, with a token, from its ``origins``."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    kind: KeyKind = "secret"
    scopes: list[Scope] = field(default_factory=list)
    apps: list[str] = field(default_factory=list)
    origins: list[Origin] = field(default_factory=list)
    expires_at: Seconds | None = None


class KeyMade(Struct, kw_only=True, frozen=True):
    """A new key; ``secret`` is not stored and cannot be shown again."""

    key: Key
    secret: str


class KeysOut(Struct, kw_only=True, frozen=True):
    """All keys, without their secrets."""

    keys: list[Key]


class RotatedOut(Struct, kw_only=True, frozen=True):
    """Names the secret that signs tokens from now on."""

    secret_id: str


class ErrorBody(Struct, kw_only=True, frozen=True):
    """What was wrong, and what to do about it. ``code`` is stable; ``param`` names the field, where there is one."""

    message: str
    type: str
    code: str
    param: str | None
    fix: str


class ErrorOut(Struct, kw_only=True, frozen=True):
    """Every refusal, in the shape that OpenAI's clients understand."""

    error: ErrorBody
