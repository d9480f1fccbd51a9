"""``ratchet serve`` and ``ratchet worker``: the service, and background work alone."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.console import StoreOption, console
from ratchet.settings import Settings

ProjectOption = Annotated[
    Path | None, typer.Option("--project", help="Folder with ratchet.toml. Default: RATCHET_PROJECT, or this folder.")
]


def serve(
    project: ProjectOption = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on. Default: 127.0.0.1.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to listen on. Default: 8400.")] = None,
    learn: Annotated[bool, typer.Option("--learn/--no-learn", help="Run turns of the loop in the background.")] = True,
    store: StoreOption = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")] = False,
) -> None:
    """Serve the API and the gateway, and learn in the background.

    Without a ratchet.toml it serves what is in the store, and takes in traces and feedback of any app.
    """
    from ratchet.project.read import project_folder, read_project
    from ratchet.web.logs import log_as_json
    from ratchet.web.server import serve as run

    settings = read_project(os.environ, project_folder(os.environ, project), store)
    service = replace(
        settings.service,
        host=host or settings.service.host,
        port=settings.service.port if port is None else port,
        learn=learn and settings.service.learn,
    )
    log_as_json(logging.INFO if verbose else logging.WARNING)
    run(replace(settings, service=service), lambda url: _greet(settings, url))


def _greet(settings: Settings, url: str) -> None:
    console.print(f"Ratchet serves {url} from {settings.store}.", markup=False)
    for app in settings.apps:
        by = f"the model {app.model}" if app.model else "the nearest label" if app.kind == "classify" else "passages"
        console.print(f"  app {app.name}: answered by {by}", markup=False)
    console.print("  Stop it with Ctrl-C; what was acknowledged is on disk.", markup=False)
    sys.stdout.flush()


def worker(project: ProjectOption = None, store: StoreOption = None) -> None:
    """Run turns of the loop without serving: for a store that no service owns.

    A SQLite store has one owner, and `ratchet serve` brings its own worker: then this says so and stops.
    """
    from ratchet.project.read import project_folder, read_project
    from ratchet.web.logs import log_as_json
    from ratchet.wiring import background_worker, open_project

    log_as_json(logging.INFO)
    house = open_project(read_project(os.environ, project_folder(os.environ, project), store))
    stopped = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda number, frame: stopped.set())
    working = background_worker(house)
    working.start()
    console.print("Working. Stop with Ctrl-C.")
    stopped.wait()
    working.stop()
    house.close()
