"""``ratchet keys``: in a store, and at the service that owns it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_commands import refused, rows
from tests.web.running import Running, make_project, running

SECRET = re.compile(r"rk_(sk|pk)_[0-9A-Za-z]{8}_[0-9A-Za-z]{43}_[0-9a-f]{6}")


class TestInAStore:
    def test_a_secret_is_shown_once_and_never_stored(self, cli: Cli, tmp_path: Path) -> None:
        done = cli("keys", "create", "the shop")
        assert done.code == 0, done
        found = SECRET.search(done.out)
        assert found
        assert "cannot be shown again" in done.out
        listed = cli("keys", "list").out
        assert "the shop" in listed
        assert "write, answer, read" in listed
        assert "never" in listed
        assert found[0] not in listed + cli("keys", "list", "--json").out
        for file in tmp_path.glob("ratchet.db*"):
            assert found[0].encode() not in file.read_bytes()

    def test_what_a_key_may_do_is_as_it_was_asked_for(self, cli: Cli) -> None:
        cli("keys", "create", "a", "--scope", "read", "--scope", "review", "--app", "support", "--days", "1")
        cli("keys", "create", "b", "--kind", "browser", "--origin", "https://shop.example/")
        one, other = json.loads(cli("keys", "list", "--json").out)
        assert (one["scopes"], one["apps"]) == (["read", "review"], ["support"])
        assert 86_000 < one["expires_at"] - time.time() <= 86_400
        assert (other["kind"], other["scopes"], other["origins"]) == ("browser", [], ["https://shop.example"])

    def test_can_be_made_for_a_program(self, cli: Cli) -> None:
        made = json.loads(cli("keys", "create", "a", "--json").out)
        assert SECRET.fullmatch(made["secret"])
        assert made["key"] == json.loads(cli("keys", "list", "--json").out)[0]

    def test_a_key_is_revoked_by_its_id(self, cli: Cli) -> None:
        key, last = (json.loads(cli("keys", "create", name, "--json").out)["key"]["id"] for name in "ab")
        assert cli("keys", "revoke", key).out == f"{key} is revoked.\n"
        assert "It was the last key" in cli("keys", "revoke", last).out
        assert "revoked" in cli("keys", "list").out
        refused(cli("keys", "revoke", "key_none"), "There is no key 'key_none'", "ratchet keys list")

    def test_the_secret_of_tokens_is_changed(self, cli: Cli, tmp_path: Path) -> None:
        seen = [cli("keys", "rotate-tokens").out for _ in range(3)]
        assert len(set(seen)) == 3
        assert rows(tmp_path / "ratchet.db", "SELECT count(*) FROM token_secrets") == [(2,)]

    def test_who_made_and_revoked_stands_in_the_audit_log(self, cli: Cli, tmp_path: Path) -> None:
        key = json.loads(cli("keys", "create", "a", "--json").out)["key"]["id"]
        cli("keys", "revoke", key)
        acted = rows(tmp_path / "ratchet.db", "SELECT action, subject, actor != '' FROM audit ORDER BY sequence")
        assert acted == [("key.created", key, 1), ("key.revoked", key, 1)]

    def test_no_key_says_what_that_means(self, cli: Cli) -> None:
        assert "the service needs none" in cli("keys", "list").out

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ((" ",), "no name"),
            (("a", "--kind", "browser", "--scope", "read"), "no scopes"),
            (("a", "--kind", "browser", "--origin", "shop.example"), "not an origin"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, cli: Cli, options: tuple[str, ...], said: str) -> None:
        refused(cli("keys", "create", *options), said)
        assert json.loads(cli("keys", "list", "--json").out) == []

    @pytest.mark.parametrize("options", [(), ("a", "--scope", "all"), ("a", "--days", "0"), ("a", "--kind", "gold")])
    def test_bad_use_is_explained(self, cli: Cli, options: tuple[str, ...]) -> None:
        done = cli("keys", "create", *options)
        assert done.code == 2
        assert "Usage: " in done.err


def test_keys_are_managed_at_the_service_that_owns_the_store(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = make_project(tmp_path / "p")
    with running(settings) as service:
        service.service.house.store.announce(service.url)
        store = ("--store", settings.store)
        boss = json.loads(cli("keys", "create", "boss", "--scope", "admin", "--json", *store).out)
        assert service.get("/healthz").json()["open"] is False
        refused(cli("keys", "list", *store), "needs a key")
        monkeypatch.setenv("RATCHET_API_KEY", boss["secret"])
        other = json.loads(cli("keys", "create", "other", "--json", *store).out)
        assert f"{other['key']['id']}" in cli("keys", "list", *store).out
        assert cli("keys", "rotate-tokens", *store).code == 0
        assert cli("keys", "revoke", other["key"]["id"], *store).code == 0
        assert _status(service, other["secret"]) == 401
        monkeypatch.setenv("RATCHET_API_KEY", other["secret"])
        refused(cli("keys", "list", *store), "revoked")


def _status(service: Running, secret: str) -> int:
    return service.get("/v1/apps", key=secret).status
