"""``ratchet learn`` and ``ratchet reembed``: one turn of the loop, and a move to another embedder."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json, progress
from ratchet.cli.house import app_of, connected, opened, opened_project, service_address, the_app


def learn(
    app: Annotated[str | None, typer.Option(help="The app; not needed when there is one.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Ask reviewers to compare even when little is new.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run one turn: draft a candidate from the new lessons, gate it, release it if it passes.

    Exit code 1 when the gate rejected the candidate.
    """
    if service_address(store):
        with connected(store) as loop:
            turn = loop.learn(app_of(loop, app).name, now=now)
    else:
        with opened_project(store) as house:
            name = house.reopen(the_app(house, app)).name
            with progress() as report:
                turn = house.loop.turn(name, lambda done: report("answering held-out cases", done, done), now=now)
    if as_json:
        print_json(as_dict(turn))
    else:
        console.print(turn.summary(), markup=False)
    if turn.gate is not None and turn.gate.decision == "reject":
        raise typer.Exit(1)


def reembed(store: StoreOption = None) -> None:
    """Embed everything anew with the configured embedder, and release every app on it.

    Earlier releases keep their embedder; going back to one needs that embedder configured.
    """
    from ratchet.reembedding import reembed as run

    with opened(store) as house, progress() as report:
        done = run(house, report)
    for name, texts, number in done:
        console.print(f"{name}: {texts:,} texts embedded; release {number} is in force.", markup=False)
    if not done:
        console.print("Every app uses the configured embedder already.")
