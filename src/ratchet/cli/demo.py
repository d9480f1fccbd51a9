"""``ratchet demo``: the main job on invented data, start to finish."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from ratchet.cli.console import JsonOption, console, print_json
from ratchet.errors import Conflict

MARK = ".ratchet-demo"


def demo(
    folder: Annotated[Path, typer.Option(help="Where the demo keeps its store; made anew each time.")] = Path(
        "ratchet-demo"
    ),
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page of the result.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Play an invented shop's support bot and moderation step through the whole loop, in under two minutes."""
    from rich.console import Console

    from ratchet.demo.page import write_page
    from ratchet.demo.story import Story

    _fresh(folder)
    screen = Console(quiet=True) if as_json else console
    screen.print("[bold]Ratchet demo[/]: an invented bicycle shop. Every figure below is measured in this run.")
    figures = Story(folder, screen).play()
    page = write_page(folder, figures)
    if as_json:
        print_json(figures)
        return
    console.print(f"\n[bold]Done in {figures['seconds']:.0f} s.[/] The store is {folder / 'ratchet.db'}. Try next:")
    store = f"--store {folder / 'ratchet.db'}"
    for command in (
        f"ratchet release list --app support {store}",
        f"ratchet release show 1 --app support {store}",
        f"ratchet review --app support --as YOU {store}",
        f"ratchet audit verify {store}",
        "ratchet backtest YOUR_HISTORY.jsonl --kind classify",
    ):
        console.print(f"  {command}", markup=False)
    if not no_open and console.is_terminal:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


def _fresh(folder: Path) -> None:
    """An empty folder for the demo; one that is not the demo's own is never touched."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise Conflict(f"{folder} is not empty and not the demo's.", "Name another one with --folder.")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).touch()
