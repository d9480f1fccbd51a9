"""Signed feedback tokens: whoever holds one may rate that one answer, for a while, with no key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

import msgspec

from ratchet.errors import InvalidInput, Unauthorized
from ratchet.interfaces import Outside

KEPT_SECRETS = 1
# Whoever reported something may come back months later to see what came of it.
STATUS_S = 400 * 86400.0
Purpose = Literal["feedback", "status"]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token stands for: one trace (or one piece of feedback) of an app, and its user."""

    app: str
    subject: str
    user: str
    expires_at: float


class Tokens:
    """Makes and reads tokens. They are signed with the newest secret in the store, and read with the one before too,
    so that rotating it ends no token early."""

    def __init__(self, outside: Outside, hours: float) -> None:
        self._outside = outside
        self._seconds = hours * 3600
        self._signers: dict[Purpose, _Signer] = {}
        self.reload()

    def reload(self) -> None:
        """Read the secrets anew; the first one is made here."""
        if not self._outside.store.keys.token_secrets():
            rotate(self._outside)
        known = [bytes.fromhex(secret) for _, _, secret in self._outside.store.keys.token_secrets()]
        purposes: tuple[Purpose, ...] = ("feedback", "status")
        self._signers = {purpose: _Signer.of(known, purpose) for purpose in purposes}

    def make(self, app: str, subject: str, user: str = "", *, purpose: Purpose = "feedback") -> str:
        """A token for one trace, or for the status of one piece of feedback."""
        seconds = STATUS_S if purpose == "status" else self._seconds
        payload = msgspec.json.encode([app, subject, user, int(self._outside.clock.now() + seconds)])
        return self._signers[purpose].sign(base64.urlsafe_b64encode(payload).rstrip(b"=")).decode()

    def expires_at(self) -> float:
        """When a token made now ends, in seconds since the epoch."""
        return float(int(self._outside.clock.now() + self._seconds))

    def read(self, token: str, *, purpose: Purpose = "feedback") -> Grant:
        """What the token stands for. Raises ``Unauthorized`` for one that is forged, altered or expired."""
        try:
            payload = self._signers[purpose].unsign(token.encode())
            app, subject, user, expires_at = msgspec.json.decode(
                base64.urlsafe_b64decode(payload + b"=" * (-len(payload) % 4)), type=tuple[str, str, str, float]
            )
        except ValueError:
            raise Unauthorized("The token is not one of ours.", "Use the token that came with the answer.") from None
        if expires_at <= self._outside.clock.now():
            raise Unauthorized("The token has expired.", "Ask again, or have your server make a new one.")
        return Grant(app, subject, user, expires_at)


def rotate(outside: Outside, *, actor: str = "ratchet") -> str:
    """Sign with a new secret from now on; tokens of the last one stay good until they expire. The secret's id."""
    now = outside.clock.now()
    identity = outside.ids.new("ts")
    with outside.store.transaction():
        outside.store.keys.add_token_secret(identity, now, secrets.token_hex(32), keep=KEPT_SECRETS)
        outside.store.audit.append(now, actor, "token_secret.rotated", "", identity, {})
    return identity


@dataclass(frozen=True, slots=True)
class _Signer:
    """Signs with the newest secret and knows those before it. Signatures are compared as text: base64 reads several
    texts as the same bytes, and a token is to have one form only."""

    keys: tuple[bytes, ...]

    @classmethod
    def of(cls, secrets_known: list[bytes], purpose: Purpose) -> _Signer:
        """Signs for one purpose: a token for another has another signature."""
        if not secrets_known:
            raise InvalidInput("There is no secret to sign tokens with.", "Run `ratchet keys rotate-tokens`.")
        return cls(tuple(hmac.digest(secret, f"ratchet.{purpose}".encode(), "sha256") for secret in secrets_known))

    def sign(self, payload: bytes) -> bytes:
        return payload + b"." + _signature(self.keys[-1], payload)

    def unsign(self, token: bytes) -> bytes:
        payload, _, given = token.rpartition(b".")
        if not any(hmac.compare_digest(given, _signature(key, payload)) for key in reversed(self.keys)):
            raise ValueError("the signature is not ours")
        return payload


def _signature(key: bytes, payload: bytes) -> bytes:
    # Keyed BLAKE2b (RFC 7693) needs no second pass, and no set-up in a library: every answer of the gateway is signed.
    return base64.urlsafe_b64encode(hashlib.blake2b(payload, key=key, digest_size=32).digest()).rstrip(b"=")
