"""Routes of keys."""

from __future__ import annotations

from ratchet.records.key import Key
from ratchet.sdk.api.calling import Caller, part
from ratchet.wire.keys import KeyIn, KeyMade, KeysOut, RotatedOut


class KeyRoutes(Caller):
    """``/v1/keys``."""

    def keys(self) -> KeysOut:
        """All keys, without their secrets."""
        return self._get(KeysOut, "/v1/keys")

    def make_key(self, wanted: KeyIn) -> KeyMade:
        """A new key; its secret is shown this once."""
        return self._post(KeyMade, "/v1/keys", wanted)

    def revoke_key(self, key_id: str) -> Key:
        """End a key at once."""
        return self._read(Key, self._send("DELETE", f"/v1/keys/{part(key_id)}"))

    def rotate_tokens(self) -> RotatedOut:
        """Sign feedback tokens with a new secret."""
        return self._read(RotatedOut, self._send("POST", "/v1/keys/rotate-tokens"))
