"""Who calls, and what they may do: secret keys, browser keys, and open mode on this machine alone."""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ratchet.errors import InvalidInput, Unauthorized
from ratchet.interfaces import Outside
from ratchet.records.key import SCOPES, Key, KeyKind, Scope
from ratchet.web.problems import Refusal

REMEMBERED_S = 5.0
LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
DEFAULT_SCOPES: tuple[Scope, ...] = ("write", "answer", "read")
_PREFIX = {"secret": "rk_sk", "browser": "rk_pk"}
_DIGITS = string.digits + string.ascii_letters
_SECRET_LENGTH = 43


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request. ``name`` is for limits and logs; ``key`` is absent in open mode and for bare tokens."""

    name: str
    scopes: Collection[Scope]
    key: Key | None = None
    origin: str = ""

    def may(self, scope: Scope) -> bool:
        """Whether the caller holds that scope."""
        return scope in self.scopes

    def may_use(self, app: str) -> bool:
        """Whether the caller may touch that app."""
        return self.key is None or not self.key.apps or app in self.key.apps


class Access:
    """Checks keys against the store, remembering each for a few seconds.

    While the store never had a key and the service listens on this machine only, everybody on it may do everything:
    *open mode*. A web page of another origin may not, for it would act for whoever looks at it.
    """

    def __init__(self, outside: Outside, *, loopback: bool) -> None:
        self._outside = outside
        self._loopback = loopback
        self._found: dict[str, tuple[float, Key | None]] = {}
        self._open: tuple[float, bool] = (0.0, False)
        self._pages: tuple[float, list[tuple[str, ...]]] = (0.0, [])

    def caller(self, headers: Mapping[str, str], address: str) -> Caller:
        """The caller, from a request's headers. Raises ``Unauthorized`` for a key that is not good."""
        secret = _presented(headers)
        origin = headers.get("origin", "")
        if secret:
            return self.holder(secret, origin)
        if not self.is_open():
            return Caller(address, (), origin=origin)
        self._refuse_rebound(headers.get("host", ""))
        return Caller(address, () if _is_foreign(headers, origin) else SCOPES, origin=origin)

    def holder(self, secret: str, origin: str) -> Caller:
        """Who holds this key. Raises ``Unauthorized`` for one that is unknown, revoked, expired or used elsewhere."""
        key = self._key(secret)
        now = self._outside.clock.now()
        if key is None or key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
            raise Unauthorized("The key is unknown, revoked or expired.", "Make one with `ratchet keys create NAME`.")
        if key.kind == "browser" and origin and key.origins and not allows(key.origins, origin):
            raise Unauthorized(f"The key {key.id} is not for pages of {origin}.", "Add the origin to a new key.")
        return Caller(key.id, key.scopes, key, origin)

    def is_open(self) -> bool:
        """Whether no key is needed."""
        if not self._loopback:
            return False
        now = self._outside.clock.now()
        checked, is_open = self._open
        if not checked <= now < checked + REMEMBERED_S:
            # A revoked key counts too: taking the last one away must not let everybody in.
            is_open = not self._outside.store.keys.all()
            self._open = now, is_open
        return is_open

    def pages(self) -> list[tuple[str, ...]]:
        """The origins of each live browser key; none for one that may be used anywhere."""
        now = self._outside.clock.now()
        checked, found = self._pages
        if not checked <= now < checked + REMEMBERED_S:
            keys = self._outside.store.keys.all()
            found = [key.origins for key in keys if key.kind == "browser" and key.revoked_at is None]
            self._pages = now, found
        return found

    def forget(self) -> None:
        """Look every key up anew: one was made or revoked."""
        self._found.clear()
        self._open = (0.0, False)
        self._pages = (0.0, [])

    def _key(self, secret: str) -> Key | None:
        if not is_whole(secret):
            return None
        now = self._outside.clock.now()
        digest = hash_of(secret)
        at, key = self._found.get(digest, (0.0, None))
        if not at <= now < at + REMEMBERED_S:
            key = self._outside.store.keys.by_hash(digest)
            if len(self._found) > 10_000:
                self._found.clear()
            self._found[digest] = now, key
        return key

    def _refuse_rebound(self, host: str) -> None:
        """A page may have its own name point at this machine; only the machine's own names may be open."""
        name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
        if name and name not in LOOPBACK:
            raise Refusal(421, "wrong_host", f"Without keys, this service is not called {name}.", "Use 127.0.0.1.")


def make_key(
    outside: Outside,
    name: str,
    *,
    kind: KeyKind = "secret",
    scopes: Sequence[Scope] = (),
    apps: Sequence[str] = (),
    origins: Sequence[str] = (),
    expires_at: float | None = None,
    actor: str = "ratchet",
) -> tuple[Key, str]:
    """A new key and its secret, which only its holder will ever have. Raises ``InvalidInput``."""
    if not name.strip():
        raise InvalidInput("The key has no name.", "Say what it is for.")
    if kind == "browser" and scopes:
        raise InvalidInput("A browser key has no scopes.", "It may send feedback with a token, and nothing else.")
    for origin in origins:
        if origin != "*" and not origin.startswith(("http://", "https://")):
            raise InvalidInput(f"{origin!r} is not an origin.", "Write it as https://shop.example, with no path.")
    identity = "".join(secrets.choice(_DIGITS) for _ in range(8))
    body = f"{_PREFIX[kind]}_{identity}_{''.join(secrets.choice(_DIGITS) for _ in range(_SECRET_LENGTH))}"
    secret = f"{body}_{_checksum(body)}"
    now = outside.clock.now()
    key = Key(
        id=f"key_{identity}",
        name=name.strip(),
        kind=kind,
        scopes=() if kind == "browser" else tuple(dict.fromkeys(scopes or DEFAULT_SCOPES)),
        apps=tuple(apps),
        origins=tuple(origin.rstrip("/") for origin in origins),
        at=now,
        expires_at=expires_at,
    )
    with outside.store.transaction():
        outside.store.keys.add(key, hash_of(secret))
        details = {"kind": kind, "scopes": list(key.scopes), "apps": list(key.apps), "name": key.name}
        outside.store.audit.append(now, actor, "key.created", "", key.id, details)
    return key, secret


def revoke_key(outside: Outside, key_id: str, *, actor: str = "ratchet") -> Key:
    """Revoke a key. Raises ``UnknownName``."""
    now = outside.clock.now()
    with outside.store.transaction():
        key = outside.store.keys.revoke(key_id, now)
        outside.store.audit.append(now, actor, "key.revoked", "", key.id, {"name": key.name})
    return key


def allows(origins: Sequence[str], origin: str) -> bool:
    """Whether pages of ``origin`` are among ``origins``."""
    return "*" in origins or origin.rstrip("/") in origins


def hash_of(secret: str) -> str:
    """What is stored of a secret. SHA-256 is enough: the secret itself is 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def is_whole(secret: str) -> bool:
    """Whether the secret's own checksum fits: a mistyped one is refused without a look into the store."""
    body, _, check = secret.rpartition("_")
    return body.startswith(tuple(_PREFIX.values())) and check == _checksum(body)


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'replace')) & 0xFFFFFF:06x}"


def _presented(headers: Mapping[str, str]) -> str:
    given = headers.get("authorization", "")
    secret = given[7:].strip() if given[:7].lower() == "bearer " else headers.get("x-api-key", "")
    # Clients that insist on a key send a made-up one; only what looks like ours is a claim to be checked.
    return secret if secret.startswith("rk_") else ""


def _is_foreign(headers: Mapping[str, str], origin: str) -> bool:
    if origin:
        return origin.partition("://")[2] != headers.get("host", "")
    return headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
