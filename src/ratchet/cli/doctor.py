"""``ratchet doctor``: what is wrong with a set-up, and how to fix it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.checks.finding import Finding, fail
from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json
from ratchet.errors import RatchetError
from ratchet.settings import Settings

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def doctor(
    project: Annotated[
        Path | None, typer.Option(help="The project's folder. Default: RATCHET_PROJECT, or the current folder.")
    ] = None,
    online: Annotated[bool, typer.Option("--online", help="Also ask each provider for its models.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check the set-up: each check is ok, warn or fail, with the fix. The store is only looked at.

    Exit code 1 when something fails; warnings do not fail.
    """
    found: list[Finding] = []
    for finding in examine(os.environ, project, store=store, online=online):
        found.append(finding)
        if not as_json:
            _show(finding)
    failed, warned = (sum(finding.state == state for finding in found) for state in ("fail", "warn"))
    if as_json:
        print_json({"ok": not failed, "checks": [as_dict(finding) for finding in found]})
    else:
        console.print(f"\n{len(found)} checks: {failed} failed, {warned} warned.")
    if failed:
        raise typer.Exit(1)


def examine(
    environment: Mapping[str, str], project: Path | None = None, *, store: str | None = None, online: bool = False
) -> Iterator[Finding]:
    """All checks, one after the other; those of the project end where ratchet.toml cannot be used."""
    from ratchet.cli.checks import machine, network
    from ratchet.project.read import FILE, project_folder, read_project

    module = machine.sqlite_module()
    yield machine.python()
    yield machine.packages(machine.own_requirements())
    yield machine.sqlite(module.__name__, module.sqlite_version)
    yield machine.open_files()
    try:
        folder = project_folder(environment, project)
        settings = read_project(environment, folder, store)
    except RatchetError as error:
        yield fail(FILE, error.what, f"{error.fix} Apps, store, embedder and port are checked once it can be read.")
    else:
        yield from _examine_project(environment, folder, settings, online=online)
    yield from network.remote(environment)


def _examine_project(
    environment: Mapping[str, str], folder: Path, settings: Settings, *, online: bool
) -> Iterator[Finding]:
    from ratchet.cli.checks import machine, network, project, store

    yield project.file(folder, settings)
    yield from project.apps(settings)
    finding, fingerprint = project.embedder(settings)
    yield finding
    yield from store.check(settings.store)
    yield from project.against_store(settings, fingerprint)
    yield from store.access(settings.store, settings.service.host)
    yield machine.disk(settings.store.parent)
    yield machine.clock(settings.store)
    yield from network.providers(settings, environment, online=online)
    yield network.port(settings.service)


def _show(finding: Finding) -> None:
    style = STYLES[finding.state]
    console.print(f"[{style}]{finding.state:<4}[/]  {finding.check:<20} ", end="")
    console.print(finding.what, markup=False, soft_wrap=True)
    if finding.fix:
        console.print(f"      {'fix:':<20} {finding.fix}", markup=False, soft_wrap=True)
