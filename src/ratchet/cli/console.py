"""How commands print: tables, JSON, progress bars on a terminal, and errors with their fix."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from ratchet.errors import RatchetError

WIDTH_OF_A_FILE = 160

console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH_OF_A_FILE)
errors = Console(stderr=True, highlight=False)

StoreOption = Annotated[
    str | None, typer.Option("--store", help="The SQLite file. Default: RATCHET_STORE, or ./ratchet.db.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def show_error(error: RatchetError) -> None:
    """Say on stderr what was wrong and how to fix it."""
    errors.print(f"[bold red]error:[/] {_plain(error.what)}", soft_wrap=True)
    errors.print(f"  [bold]fix:[/] {_plain(error.fix)}", soft_wrap=True)


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def print_json(value: object) -> None:
    """Print one JSON document."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> None:
    """Print a table, or what to do when there is nothing to show."""
    if not rows:
        console.print(empty, markup=False)
        return
    table = Table(*columns, title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[_plain(str(value)) for value in row])
    console.print(table)


@contextmanager
def progress() -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows how far each named task is; silent where stderr is no terminal."""
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=errors,
        transient=True,
        disable=not errors.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def report(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = bars.add_task(what, total=total)
        bars.update(tasks[what], completed=done, total=total)

    with bars:
        yield report


def when(at: float) -> str:
    """A time for people, in UTC."""
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M")


def as_dict(record: Any) -> Any:
    """A record as JSON types."""
    import msgspec

    return msgspec.to_builtins(record)
