"""Keys: make, list and revoke them."""

from __future__ import annotations

from ratchet.errors import UnknownName
from ratchet.records.key import Key
from ratchet.web.access import Caller, make_key, revoke_key
from ratchet.web.routing import Answer, Call
from ratchet.web.tokens import rotate
from ratchet.wire.keys import KeyIn, KeyMade, KeysOut, RotatedOut


def list_keys(call: Call) -> KeysOut:
    """All keys, without their secrets."""
    _refuse_bounded(call.caller)
    return KeysOut(keys=call.service.house.store.keys.all())


def create_key(call: Call) -> Answer:
    """Make a key; its secret is in this answer and nowhere else."""
    _refuse_bounded(call.caller)
    asked: KeyIn = call.body
    key, secret = make_key(
        call.service.house.outside,
        asked.name,
        kind=asked.kind,
        scopes=asked.scopes,
        apps=asked.apps,
        origins=asked.origins,
        expires_at=asked.expires_at,
        actor=call.caller.name,
    )
    call.service.access.forget()
    return Answer(KeyMade(key=key, secret=secret), 201)


def delete_key(call: Call) -> Key:
    """Revoke a key; it is refused from now on."""
    _refuse_bounded(call.caller)
    key = revoke_key(call.service.house.outside, call.path["id"], actor=call.caller.name)
    call.service.access.forget()
    return key


def rotate_tokens(call: Call) -> RotatedOut:
    """Sign feedback tokens with a new secret; those of the last one stay good until they expire."""
    _refuse_bounded(call.caller)
    identity = rotate(call.service.house.outside, actor=call.caller.name)
    call.service.tokens.reload()
    return RotatedOut(secret_id=identity)


def _refuse_bounded(caller: Caller) -> None:
    """A key for some apps could otherwise make itself one for all."""
    if caller.key is not None and caller.key.apps:
        raise UnknownName("There is nothing here for a key of some apps.", "Use a key that is for all apps.")
