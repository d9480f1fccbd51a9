"""Checks of port, service and providers, against real sockets on this machine."""

from __future__ import annotations

import os
import socket

import pytest

from ratchet.cli.checks import network
from ratchet.cli.checks.finding import Finding
from ratchet.settings import AppSettings, ProviderSettings, ServiceSettings, Settings
from tests.unit.cli.checks.serving import HEALTHY, Answers, serving

SECRET = "sk-not-to-be-shown"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


class TestThePort:
    def test_that_is_free_is_fine(self) -> None:
        assert network.port(ServiceSettings(port=free_port())).state == "ok"
        assert network.port(ServiceSettings(port=0)).state == "ok"

    @pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
    def test_where_a_ratchet_service_runs_is_fine(self, host: str) -> None:
        with serving({"/healthz": (200, HEALTHY)}) as (_, number):
            found = network.port(ServiceSettings(host=host, port=number))
        assert (found.state, found.what) == ("ok", f"A Ratchet service runs at {host}:{number}.")

    @pytest.mark.parametrize(
        "answers", [{}, {"/healthz": (200, {"status": "ok"})}, {"/healthz": (503, HEALTHY)}, {"/healthz": (200, [])}]
    )
    def test_where_another_program_listens_fails(self, answers: Answers) -> None:
        with serving(answers) as (_, number):
            found = network.port(ServiceSettings(port=number))
        assert (found.state, "Another program" in found.what) == ("fail", True)
        assert "RATCHET_PORT" in found.fix

    def test_where_a_program_listens_that_says_nothing_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(network, "PATIENCE_S", 0.2)
        with socket.create_server(("127.0.0.1", 0)) as mute:
            assert network.port(ServiceSettings(port=mute.getsockname()[1])).state == "fail"

    @pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
    def test_on_an_address_that_is_not_this_machine_fails(self, host: str) -> None:
        found = network.port(ServiceSettings(host=host))
        assert (found.state, "Correct host" in found.fix) == ("fail", True)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may listen anywhere")
    def test_that_only_root_may_use_fails(self) -> None:
        assert network.port(ServiceSettings(port=1)).state == "fail"


class TestTheServiceElsewhere:
    def test_is_not_looked_for_unless_it_is_named(self) -> None:
        assert list(network.remote({})) == []
        (found,) = network.remote({"RATCHET_API_KEY": SECRET})
        assert found.state == "warn"

    @pytest.mark.parametrize(
        ("answers", "key", "states"),
        [
            ({"/healthz": (200, HEALTHY), f"/v1/apps {SECRET}": (200, [])}, SECRET, ["ok", "ok"]),
            ({"/healthz": (200, HEALTHY), f"/v1/apps {SECRET}": (200, [])}, "other", ["ok", "fail"]),
            ({"/healthz": (200, HEALTHY), f"/v1/apps {SECRET}": (200, [])}, "", ["ok", "fail"]),
            ({"/healthz": (200, HEALTHY), f"/v1/apps {SECRET}": (403, {})}, SECRET, ["ok", "ok"]),
            ({"/healthz": (200, HEALTHY), "/v1/apps": (200, [])}, "", ["ok", "ok"]),
            ({"/healthz": (200, HEALTHY), "/v1/apps": (500, {})}, "", ["ok", "fail"]),
            ({"/healthz": (200, {})}, SECRET, ["fail"]),
        ],
    )
    def test_must_answer_and_take_the_key(self, answers: Answers, key: str, states: list[str]) -> None:
        with serving(answers) as (url, _):
            found = list(network.remote({"RATCHET_URL": f"{url}/", "RATCHET_API_KEY": key}))
        assert [finding.state for finding in found] == states
        assert SECRET not in repr(found)

    @pytest.mark.parametrize("url", ["ftp://x", "x", "http://", f"http://u:{SECRET}@x", "http://[x"])
    def test_must_have_an_address(self, url: str) -> None:
        (found,) = network.remote({"RATCHET_URL": url})
        assert (found.state, SECRET in found.what) == ("fail", False)

    def test_must_be_reachable(self) -> None:
        (found,) = network.remote({"RATCHET_URL": f"http://127.0.0.1:{free_port()}"})
        assert found.state == "fail"


class TestProviders:
    def of(self, url: str, key: str = "", *, online: bool) -> list[Finding]:
        settings = Settings(
            providers=(ProviderSettings(name="p", base_url=url, key_variable="TEAM_KEY"),),
            apps=(AppSettings(name="a", model="small", provider="p"),),
        )
        return list(network.providers(settings, {"TEAM_KEY": key}, online=online))

    def test_without_a_key_are_a_warning_and_are_not_called_unless_asked(self) -> None:
        url = f"http://127.0.0.1:{free_port()}/v1"
        (found,) = self.of(url, online=False)
        assert (found.state, "TEAM_KEY is not set" in found.what) == ("warn", True)
        (found,) = self.of(url, SECRET, online=False)
        assert (found.state, "--online" in found.what) == ("ok", True)

    @pytest.mark.parametrize(
        ("answers", "state", "said"),
        [
            ({f"/v1/models {SECRET}": (200, {"data": [{"id": "small"}, {"id": "big"}]})}, "ok", "offers 2 models"),
            ({"/v1/models": (200, {"data": [{"id": "big"}]})}, "warn", "does not list small"),
            ({}, "warn", "lists no models"),
            ({"/v1/models other": (200, {})}, "fail", "401"),
            ({"/v1/models": (500, {})}, "fail", "500"),
        ],
    )
    def test_are_asked_for_their_models(self, answers: Answers, state: str, said: str) -> None:
        with serving(answers) as (url, _):
            (found,) = self.of(f"{url}/v1", SECRET, online=True)
        assert (found.state, said in found.what) == (state, True), found
        assert SECRET not in repr(found)

    def test_that_cannot_be_reached_fail(self) -> None:
        url = f"http://127.0.0.1:{free_port()}/v1"
        assert [finding.state for finding in self.of(url, online=True)] == ["warn", "fail"]
        assert [finding.state for finding in self.of(url, "two\nlines", online=True)] == ["fail"]
