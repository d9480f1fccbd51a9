"""Commands beside a running service: they talk to it, however it was named, and change nothing behind its back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_commands import refused
from tests.web.routes.conftest import complain, correct, quiet, release
from tests.web.running import Running, running

WAYS = ("lock file", "RATCHET_URL", "--store URL")


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A service with two lessons in two releases."""
    with running(quiet(tmp_path_factory.mktemp("service") / "p")) as service:
        service.service.house.store.announce(service.url)
        correct(service, "May I return a kettle?", "Yes, within 60 days.")
        release(service)
        correct(service, "Where is the shop in Oslo?", "At the harbour.")
        release(service)
        yield service


@pytest.fixture(params=WAYS)
def beside(request: pytest.FixtureRequest, taught: Running, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Runs a command on the service's store, with the service named in one of three ways."""
    options: tuple[object, ...] = ()
    if request.param == "RATCHET_URL":
        monkeypatch.setenv("RATCHET_URL", taught.url)
    elif request.param == "lock file":
        options = ("--store", taught.service.settings.store)
    else:
        options = ("--store", taught.url)
    return lambda *arguments, typed="": cli(*arguments, *options, typed=typed)


def test_cases_are_listed_and_decided(taught: Running, beside: Cli) -> None:
    trace_id, case, _ = complain(taught, "May I return a harp?")
    assert case in beside("review", "--app", "support", "--list").out
    found = json.loads(beside("review", "--app", "support", "--count", "500", "--json").out)
    assert trace_id in [item["trace"]["id"] for item in found]
    done = beside("review", "--app", "support", "--as", "bea", "--count", "500", typed="r\n" * 500)
    assert done.code == 0, done
    decided = taught.get(f"/v1/cases/{case}").json()["case"]
    assert (decided["status"], decided["reserved_by"]) == ("decided", "bea")


def test_a_turn_runs_in_the_service(taught: Running, beside: Cli) -> None:
    before = taught.get("/v1/apps/support").json()["release"]
    correct(taught, f"May I return item {before}?", "Yes.")
    done = beside("learn", "--app", "support", "--now")
    assert done.code == 0, done
    assert done.out.startswith(f"Release {before + 1} is live")
    assert taught.get("/v1/apps/support").json()["release"] == before + 1
    assert json.loads(beside("learn", "--app", "triage", "--json").out)["release"] is None
    refused(beside("learn"), "2 apps", "--app NAME")
    refused(beside("learn", "--app", "nowhere"), "nowhere")


def test_lessons_are_listed_and_revoked(taught: Running, beside: Cli) -> None:
    lesson = correct(taught, "May I return a drum?", "Yes.")
    listed = json.loads(beside("lessons", "list", "--app", "support", "--json").out)
    assert listed == taught.get("/v1/apps/support/lessons").json()["lessons"][::-1]
    assert lesson in beside("lessons", "list", "--app", "support").out
    done = beside("lessons", "revoke", lesson, "--by", "ines", "--reason", "wrong")
    assert done.code == 0, done
    assert taught.get(f"/v1/lessons/{lesson}").json()["status"] == "revoked"
    refused(beside("lessons", "revoke", "ls_none", "--by", "ines", "--reason", "wrong"), "ls_none")


def test_releases_are_listed_shown_and_moved(taught: Running, beside: Cli) -> None:
    app, who = ("--app", "support"), ("--by", "ines", "--reason", "a check")
    found = json.loads(beside("release", "list", *app, "--json").out)
    of_service = taught.get("/v1/apps/support/releases").json()["releases"]
    assert found["active"] == next(row["number"] for row in of_service if row["live"])
    assert [(row["number"], row["id"], row["lessons"]) for row in found["releases"]] == [
        (row["number"], row["id"], row["lessons"]) for row in of_service
    ]
    assert f"* {found['active']}" in beside("release", "list", *app).out
    shown = json.loads(beside("release", "show", "2", *app, "--json").out)
    assert (shown["release"]["number"], shown["candidate"]["parent"], len(shown["gates"])) == (2, 1, 1)
    refused(beside("release", "show", "99", *app), "support has no release")
    assert beside("release", "rollback", "--to", "1", *who, *app).out == "Release 1 is in force.\n"
    assert taught.get("/v1/apps/support").json()["release"] == 1
    assert beside("release", "promote", "2", *who, *app).out == "Release 2 is in force.\n"
    assert beside("release", "promote", str(found["active"]), *who, *app).code in (0, 2)
    assert taught.get("/v1/apps/support").json()["release"] == found["active"]


def test_a_service_that_is_away_is_said_with_a_fix(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RATCHET_URL", "http://127.0.0.1:9")
    for command in (("review", "--list"), ("learn",), ("lessons", "list"), ("release", "list")):
        refused(cli(*command), "127.0.0.1:9")


def test_a_store_that_is_named_goes_before_the_environment(
    cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RATCHET_URL", "http://127.0.0.1:9")
    assert cli("lessons", "list", "--store", store).code == 0
    assert cli("learn", "--store", store).out == "Nothing new to learn.\n"
