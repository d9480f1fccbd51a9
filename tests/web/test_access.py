"""Keys and callers: what a key is, whom it stands for, when none is needed."""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

import pytest

from ratchet.errors import InvalidInput, Unauthorized, UnknownName
from ratchet.providers.system import ReplayClock
from ratchet.records.key import SCOPES
from ratchet.web.access import (
    DEFAULT_SCOPES,
    REMEMBERED_S,
    Access,
    allows,
    hash_of,
    is_whole,
    make_key,
    revoke_key,
)
from ratchet.web.problems import Refusal
from ratchet.wiring import House

ADDRESS = "127.0.0.1"


@pytest.fixture
def access(house: House) -> Access:
    return Access(house.outside, loopback=True)


def bearer(secret: str, **more: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {secret}", **more}


class TestMakingAKey:
    def test_stores_a_hash_of_the_secret_and_nothing_more(self, house: House, tmp_path: Path) -> None:
        key, secret = make_key(house.outside, "web", apps=["support"])
        assert house.store.keys.by_hash(hash_of(secret)) == key
        assert key.scopes == DEFAULT_SCOPES
        house.store.close()
        written = b"".join(path.read_bytes() for path in tmp_path.glob("ratchet.db*"))
        assert key.id.encode() in written
        assert secret.split("_")[3].encode() not in written

    def test_gives_it_a_shape_that_scanners_find(self, house: House) -> None:
        for kind, prefix in (("secret", "rk_sk"), ("browser", "rk_pk")):
            _, secret = make_key(house.outside, "web", kind=kind)  # type: ignore[arg-type]
            start, middle, identity, body, check = secret.split("_")
            assert f"{start}_{middle}" == prefix
            assert (len(identity), len(body), len(check)) == (8, 43, 6)
            assert set(identity + body) <= set(string.ascii_letters + string.digits)

    def test_makes_another_one_each_time(self, house: House) -> None:
        assert len({make_key(house.outside, "web")[1] for _ in range(50)}) == 50

    def test_is_in_the_audit_log_and_so_is_its_end(self, house: House) -> None:
        key, secret = make_key(house.outside, "web", actor="ana")
        revoke_key(house.outside, key.id, actor="ben")
        entries = [(entry.actor, entry.action, entry.subject) for entry in house.store.audit.entries(None)]
        assert entries[-2:] == [("ana", "key.created", key.id), ("ben", "key.revoked", key.id)]
        assert secret not in str(house.store.audit.entries(None))

    def test_refuses_what_no_key_can_have(self, house: House) -> None:
        for bad in (
            {"name": " "},
            {"name": "a", "kind": "browser", "scopes": ["read"]},
            {"name": "a", "origins": ["shop.example"]},
            {"name": "a", "origins": ["javascript:alert(1)"]},
        ):
            with pytest.raises(InvalidInput):
                make_key(house.outside, **bad)  # type: ignore[arg-type]
        assert house.store.keys.all() == []

    def test_revoking_one_that_is_not_there_is_refused(self, house: House) -> None:
        with pytest.raises(UnknownName):
            revoke_key(house.outside, "key_unknown")


class TestAMistypedSecret:
    def test_is_told_by_its_checksum(self, house: House) -> None:
        _, secret = make_key(house.outside, "web")
        assert is_whole(secret)
        for place in range(len(secret)):
            other = "x" if secret[place] != "x" else "y"
            assert not is_whole(secret[:place] + other + secret[place + 1 :])
            assert not is_whole(secret[:place])

    @pytest.mark.parametrize("text", ["", "_", "rk_sk", "rk_sk_", "Bearer", "ключ", "rk_sk_é_é", "\x00"])
    def test_may_be_anything(self, text: str) -> None:
        assert not is_whole(text)


class TestTheCaller:
    def test_is_the_key_that_was_presented(self, house: House, access: Access) -> None:
        key, secret = make_key(house.outside, "web", scopes=["read"])
        for headers in (bearer(secret), {"authorization": f"bearer  {secret} "}, {"x-api-key": secret}):
            caller = access.caller(headers, ADDRESS)
            assert caller.key == key
            assert caller.may("read")
            assert not caller.may("write")

    def test_may_use_the_apps_of_its_key_alone(self, house: House, access: Access) -> None:
        _, one = make_key(house.outside, "one", apps=["support"])
        _, every = make_key(house.outside, "every")
        assert access.caller(bearer(one), ADDRESS).may_use("support")
        assert not access.caller(bearer(one), ADDRESS).may_use("triage")
        assert access.caller(bearer(every), ADDRESS).may_use("triage")

    def test_is_refused_with_a_key_that_is_not_good(self, house: House, clock: ReplayClock, access: Access) -> None:
        key, secret = make_key(house.outside, "web", expires_at=clock.now() + 10)
        _, revoked = make_key(house.outside, "old")
        revoke_key(house.outside, access.caller(bearer(revoked), ADDRESS).key.id)  # type: ignore[union-attr]
        access.forget()
        assert access.caller(bearer(secret), ADDRESS).key == key
        clock.advance(10)
        unknown = make_key(house.outside, "gone")[1][:-7]
        for bad in (secret, revoked, unknown, "rk_sk_", "rk_pk_x", "rk_é"):
            with pytest.raises(Unauthorized):
                access.caller(bearer(bad), ADDRESS)

    def test_notices_a_revocation_by_another_program_within_seconds(
        self, house: House, clock: ReplayClock, access: Access
    ) -> None:
        key, secret = make_key(house.outside, "web")
        access.caller(bearer(secret), ADDRESS)
        revoke_key(house.outside, key.id)
        clock.advance(REMEMBERED_S)
        with pytest.raises(Unauthorized):
            access.caller(bearer(secret), ADDRESS)

    def test_keeps_a_bounded_number_of_guesses_in_mind(self, house: House, access: Access) -> None:
        from ratchet.web.access import _checksum

        make_key(house.outside, "web")
        for number in range(12_000):
            body = f"rk_sk_{number:08d}_{'a' * 43}"
            with pytest.raises(Unauthorized):
                access.caller(bearer(f"{body}_{_checksum(body)}"), ADDRESS)
        assert len(access._found) <= 10_001

    def test_of_a_browser_key_comes_from_its_pages(self, house: House, access: Access) -> None:
        key, secret = make_key(house.outside, "page", kind="browser", origins=["https://shop.example/"])
        assert access.caller(bearer(secret, origin="https://shop.example"), ADDRESS).key == key
        assert access.caller(bearer(secret), ADDRESS).scopes == ()
        for origin in ("https://evil.example", "http://shop.example", "https://shop.example.evil.example", "null"):
            with pytest.raises(Unauthorized):
                access.caller(bearer(secret, origin=origin), ADDRESS)


class TestOpenMode:
    def test_lets_this_machine_do_everything(self, access: Access) -> None:
        for host in ("127.0.0.1:8400", "localhost:8400", "[::1]:8400", "localhost", "[::1]", ""):
            assert access.caller({"host": host}, ADDRESS).scopes == SCOPES

    def test_ends_with_the_first_key(self, house: House, access: Access) -> None:
        assert access.is_open()
        make_key(house.outside, "page", kind="browser")
        access.forget()
        assert not access.is_open()
        assert access.caller({"host": "127.0.0.1"}, ADDRESS).scopes == ()

    def test_is_not_for_other_machines(self, house: House) -> None:
        assert not Access(house.outside, loopback=False).is_open()

    def test_is_not_for_pages_of_others(self, access: Access) -> None:
        own = {"host": "127.0.0.1:8400"}
        for foreign in ({"origin": "https://evil.example"}, {"origin": "null"}, {"origin": "http://127.0.0.1:9000"},
                        {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-site"}):  # fmt: skip
            assert access.caller({**own, **foreign}, ADDRESS).scopes == ()
        for native in (
            {"origin": "http://127.0.0.1:8400"},
            {"sec-fetch-site": "same-origin"},
            {"sec-fetch-site": "none"},
        ):
            assert access.caller({**own, **native}, ADDRESS).scopes == SCOPES

    @pytest.mark.parametrize("host", ["evil.example", "evil.example:8400", "127.0.0.1.evil.example", "192.168.1.4"])
    def test_is_not_for_a_name_that_points_here(self, access: Access, host: str) -> None:
        with pytest.raises(Refusal) as refused:
            access.caller({"host": host}, ADDRESS)
        assert refused.value.status == 421

    def test_takes_no_notice_of_keys_that_clients_make_up(self, access: Access) -> None:
        assert access.caller(bearer("none", host="127.0.0.1"), ADDRESS).scopes == SCOPES
        assert access.caller({"x-api-key": "none", "host": "127.0.0.1"}, ADDRESS).scopes == SCOPES
        with pytest.raises(Unauthorized):
            access.caller(bearer("rk_sk_made_up", host="127.0.0.1"), ADDRESS)


@pytest.mark.parametrize(
    ("origins", "origin", "allowed"),
    [
        (["*"], "https://a.example", True),
        (["https://a.example"], "https://a.example/", True),
        ([], "https://a.example", False),
        (["https://a.example"], "https://b.example", False),
        (["https://a.example"], "https://a.example:8443", False),
    ],
)
def test_an_origin_is_allowed_to_the_letter(origins: list[str], origin: str, allowed: bool) -> None:
    assert allows(origins, origin) is allowed
