"""``ratchet audit``: who did what, and whether the record is whole."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json, print_table, when
from ratchet.cli.house import opened
from ratchet.records.audit import GENESIS

app = typer.Typer(help="Read and verify the audit log.", no_args_is_help=True)


@app.command("show")
def show(
    name: Annotated[str | None, typer.Option("--app", help="Only this app.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many of the newest entries.")] = 30,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the newest entries."""
    with opened(store, read_only=True) as house:
        entries = house.store.audit.entries(name)[-last:]
    if as_json:
        print_json([as_dict(entry) for entry in entries])
        return
    rows = [
        (entry.sequence, when(entry.at / 1_000_000), entry.actor, entry.action, entry.app, entry.subject)
        for entry in entries
    ]
    print_table("Audit log", ("entry", "when", "who", "what", "app", "subject"), rows, "The audit log is empty.")


@app.command("verify")
def verify(store: StoreOption = None) -> None:
    """Check every entry and the chain between them; exit code 1 and the entry's number when something was altered."""
    with opened(store, read_only=True) as house:
        try:
            entries = house.store.audit.entries()
        except ValueError:  # details that are not even JSON any more
            console.print("The details of an entry were altered: they cannot be read.")
            raise typer.Exit(1) from None
    previous = GENESIS
    for place, entry in enumerate(entries, start=1):
        if entry.sequence != place or not entry.is_intact(previous):
            console.print(f"Entry {place} was altered, removed or moved; {place - 1} entries before it are intact.")
            raise typer.Exit(1)
        previous = entry.hash
    console.print(f"{len(entries)} entries, all intact.")
