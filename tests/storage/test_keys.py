"""Keys, the secrets that sign tokens, and leases."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from ratchet.errors import StorageError, UnknownName
from ratchet.interfaces import Store
from ratchet.records.key import Key
from tests.storage.conftest import SqlitePlace


def a_key(number: int = 1, **fields: Any) -> Key:
    given: dict[str, Any] = {"id": f"key_{number}", "name": "shop", "kind": "secret", "scopes": ("write", "read")}
    return Key(**{**given, "apps": ("support",), "origins": (), "at": float(number), **fields})


class TestKeys:
    def test_are_found_by_the_hash_of_their_secret_and_by_nothing_else(self, store: Store, place: SqlitePlace) -> None:
        key = a_key(kind="browser", scopes=(), origins=("https://shop.example",), expires_at=99.5)
        store.keys.add(key, "hash-1")
        assert store.keys.by_hash("hash-1") == key
        for other in ("", "hash", "hash-2", key.id, "HASH-1"):
            assert store.keys.by_hash(other) is None
        assert place.open().keys.by_hash("hash-1") == key

    def test_are_listed_oldest_first_without_anything_of_the_secret(self, store: Store) -> None:
        for number in (2, 1, 3):
            store.keys.add(a_key(number), f"hash-{number}")
        assert store.keys.all() == [a_key(1), a_key(2), a_key(3)]
        assert "hash" not in repr(store.keys.all())

    def test_cannot_share_an_id_or_a_secret(self, store: Store) -> None:
        store.keys.add(a_key(1), "hash-1")
        for key, digest in ((a_key(1), "hash-2"), (a_key(2), "hash-1")):
            with pytest.raises(StorageError):
                store.keys.add(key, digest)
        assert store.keys.all() == [a_key(1)]

    def test_are_revoked_once_and_stay_visible(self, store: Store) -> None:
        store.keys.add(a_key(1), "hash-1")
        store.keys.add(a_key(2), "hash-2")
        revoked = replace(a_key(1), revoked_at=50.0)
        assert store.keys.revoke("key_1", 50.0) == revoked
        assert store.keys.revoke("key_1", 60.0) == revoked, "the first time stands"
        assert store.keys.all() == [revoked, a_key(2)]
        assert store.keys.by_hash("hash-1") == revoked

    def test_that_are_not_there_cannot_be_revoked(self, store: Store) -> None:
        with pytest.raises(UnknownName, match="'key_9'"):
            store.keys.revoke("key_9", 1.0)


class TestTokenSecrets:
    def test_the_newest_signs_and_one_older_is_kept(self, store: Store, place: SqlitePlace) -> None:
        assert store.keys.token_secrets() == []
        for number in range(1, 5):
            store.keys.add_token_secret(f"ts_{number}", float(number), f"secret-{number}", keep=1)
            kept = [(f"ts_{n}", float(n), f"secret-{n}") for n in range(max(1, number - 1), number + 1)]
            assert store.keys.token_secrets() == kept
        assert place.sql("SELECT count(*) FROM token_secrets") == [(2,)], (
            "older secrets are gone from the file's tables"
        )

    def test_without_any_kept_older_ones_end_at_once(self, store: Store) -> None:
        for number in (1, 2):
            store.keys.add_token_secret(f"ts_{number}", float(number), "s", keep=0)
        assert [identity for identity, _, _ in store.keys.token_secrets()] == ["ts_2"]


class TestLeases:
    def test_keep_everybody_else_out_until_their_time_is_over(self, store: Store) -> None:
        assert store.leases.take("turn", "a", now=0.0, until=10.0) == 1
        assert store.leases.take("turn", "b", now=9.9, until=20.0) is None
        assert store.leases.take("turn", "b", now=10.0, until=20.0) == 2
        assert store.leases.take("turn", "a", now=11.0, until=21.0) is None

    def test_are_renewed_by_their_owner_with_the_same_fence(self, store: Store) -> None:
        assert store.leases.take("turn", "a", now=0.0, until=10.0) == 1
        assert store.leases.take("turn", "a", now=9.0, until=19.0) == 1
        assert store.leases.take("turn", "b", now=12.0, until=30.0) is None

    def test_that_ran_out_have_a_higher_fence_for_the_same_owner_too(self, store: Store) -> None:
        assert store.leases.take("turn", "a", now=0.0, until=10.0) == 1
        assert store.leases.take("turn", "a", now=10.0, until=20.0) == 2

    def test_are_given_back_by_their_owner_alone(self, store: Store) -> None:
        store.leases.take("turn", "a", now=0.0, until=10.0)
        store.leases.give_back("turn", "b")
        assert store.leases.take("turn", "b", now=1.0, until=11.0) is None
        store.leases.give_back("turn", "a")
        assert store.leases.take("turn", "b", now=1.0, until=11.0) == 2
        store.leases.give_back("never taken", "b")

    def test_of_other_names_do_not_matter(self, store: Store) -> None:
        assert store.leases.take("turn:a", "a", now=0.0, until=10.0) == 1
        assert store.leases.take("turn:b", "b", now=0.0, until=10.0) == 1

    def test_outlive_the_process(self, place: SqlitePlace) -> None:
        place.open().leases.take("turn", "a", now=0.0, until=10.0)
        again = place.open()
        assert again.leases.take("turn", "b", now=5.0, until=15.0) is None
        assert again.leases.take("turn", "b", now=10.0, until=15.0) == 2

    def test_have_one_winner_among_many_who_ask_at_once(self, store: Store) -> None:
        won: list[int | None] = []
        barrier = threading.Barrier(8)

        def ask(owner: str) -> None:
            barrier.wait()
            won.append(store.leases.take("turn", owner, now=0.0, until=10.0))

        threads = [threading.Thread(target=ask, args=(f"owner-{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(won, key=lambda fence: fence or 0) == [None] * 7 + [1]
