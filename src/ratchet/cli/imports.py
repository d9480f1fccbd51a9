"""``ratchet import``: brings over what other tools recorded."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ratchet.cli.console import JsonOption, as_dict, console, errors, print_json, print_table, progress
from ratchet.errors import InvalidInput

if TYPE_CHECKING:
    from ratchet.importers.columns import Columns
    from ratchet.importers.deliver import Count, Reason, Report
    from ratchet.importers.files import OnBytes
    from ratchet.importers.row import Row

app = typer.Typer(name="import", help="Bring over traces and feedback from other tools.", no_args_is_help=True)

Files = Annotated[list[Path], typer.Argument(help="Export files, plain or .gz; traces before what was said of them.")]
MaybeFiles = Annotated[list[Path] | None, typer.Argument(help="Export files, plain or .gz; not needed with --url.")]
AppOption = Annotated[str, typer.Option("--app", help="The app to import into. Default: the source's project.")]
StoreOption = Annotated[
    str | None, typer.Option("--store", help="The SQLite file, or the address of a service. Default: RATCHET_STORE.")
]
DryOption = Annotated[bool, typer.Option("--dry-run", help="Read and count everything; store nothing.")]
LimitOption = Annotated[int | None, typer.Option("--limit", min=1, help="Stop after so many usable rows.")]
SinceOption = Annotated[str, typer.Option("--since", help="Leave out what is older: 2026-01-31, or 30d, 12h, 6mo.")]
MapOption = Annotated[
    list[str] | None, typer.Option("--map", help="ROLE=COLUMN, again and again: input=question, score.accuracy=acc.")
]
_BYTES_SHOWN = 1024
_DAYS = {"h": 1 / 24, "d": 1.0, "w": 7.0, "mo": 30.0, "y": 365.0}


@app.command("jsonl")
def jsonl(
    files: Files, app: AppOption = "", maps: MapOption = None, dry_run: DryOption = False, limit: LimitOption = None,
    since: SinceOption = "", store: StoreOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import JSON Lines (or one JSON array) of any shape; say which field is what with --map."""
    _table(files, app, maps, dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json)


@app.command("csv")
def csv(
    files: Files, app: AppOption = "", maps: MapOption = None, dry_run: DryOption = False, limit: LimitOption = None,
    since: SinceOption = "", store: StoreOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import CSV with a header line; say which column is what with --map."""
    from ratchet.importers.files import is_csv

    for path in files:
        if not is_csv(path):
            raise InvalidInput(f"{path} does not end in .csv or .tsv.", "Rename it, or use `ratchet import jsonl`.")
    _table(files, app, maps, dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json)


@app.command("langfuse")
def langfuse(
    files: Files, app: AppOption = "", dry_run: DryOption = False, limit: LimitOption = None, since: SinceOption = "",
    store: StoreOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import Langfuse exports of traces, observations and scores (JSON, JSON Lines, CSV, Parquet)."""
    from ratchet.importers.langfuse import read_langfuse

    _files(
        files, lambda on_bytes: read_langfuse(files, app=app, on_bytes=on_bytes),
        dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json,
    )  # fmt: skip


@app.command("langsmith")
def langsmith(
    files: Files, app: AppOption = "", dry_run: DryOption = False, limit: LimitOption = None, since: SinceOption = "",
    store: StoreOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import LangSmith runs and feedback (JSON Lines; Parquet where pyarrow is installed)."""
    from ratchet.importers.langsmith import read_langsmith

    _files(
        files, lambda on_bytes: read_langsmith(files, app=app, on_bytes=on_bytes),
        dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json,
    )  # fmt: skip


@app.command("mlflow")
def mlflow(
    files: MaybeFiles = None,
    url: Annotated[str, typer.Option("--url", help="A tracking server, such as http://127.0.0.1:5000.")] = "",
    experiment: Annotated[str, typer.Option(help="With --url: one experiment, by name or id. Default: all.")] = "",
    app: AppOption = "", dry_run: DryOption = False, limit: LimitOption = None, since: SinceOption = "",
    store: StoreOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import MLflow traces with their assessments, from files or (--url) from a running server of version 3.

    MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, are sent to the server.
    """
    from ratchet.importers.mlflow import read_mlflow, read_mlflow_server
    from ratchet.importers.server import Server, credentials

    if not _is_live(url, files):
        chosen = files or []
        _files(
            chosen, lambda on_bytes: read_mlflow(chosen, app=app, on_bytes=on_bytes),
            dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json,
        )  # fmt: skip
        return
    server = Server(url, credentials(os.environ, "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING"))
    found = read_mlflow_server(server, experiment=experiment, app=app, since=_moment(since))
    _live(found, dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json)


@app.command("phoenix")
def phoenix(
    files: MaybeFiles = None,
    url: Annotated[str, typer.Option("--url", help="A Phoenix server, such as http://127.0.0.1:6006.")] = "",
    project: Annotated[str, typer.Option(help="With --url: one project, by name or id. Default: all.")] = "",
    app: AppOption = "", dry_run: DryOption = False, limit: LimitOption = None, since: SinceOption = "",
    store: StoreOption = None, as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Import Phoenix spans and annotations, from files or (--url) from a running server.

    PHOENIX_API_KEY is sent to the server.
    """
    from ratchet.importers.phoenix import read_phoenix, read_phoenix_server
    from ratchet.importers.server import Server, credentials

    if not _is_live(url, files):
        chosen = files or []
        _files(
            chosen, lambda on_bytes: read_phoenix(chosen, app=app, on_bytes=on_bytes),
            dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json,
        )  # fmt: skip
        return
    server = Server(url, credentials(os.environ, "PHOENIX_API_KEY", ""))
    found = read_phoenix_server(server, project=project, app=app, since=_moment(since))
    _live(found, dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json)


def _is_live(url: str, files: list[Path] | None) -> bool:
    if bool(url) == bool(files):
        raise InvalidInput(
            "Both files and --url were given." if url else "Nothing was given to import.",
            "Name export files, or the server with --url.",
        )
    return bool(url)


def _table(
    files: list[Path], app: str, maps: list[str] | None, *, dry_run: bool, limit: int | None, since: str,
    store: str | None, as_json: bool,
) -> None:  # fmt: skip
    from ratchet.importers.tables import read_table

    _files(
        files,
        lambda on_bytes: read_table(files, app=app, told=maps or (), on_bytes=on_bytes, on_columns=_say_guess),
        dry_run=dry_run, limit=limit, since=since, store=store, as_json=as_json,
    )  # fmt: skip


def _say_guess(path: Path, columns: Columns) -> None:
    if columns.guessed:
        told = " ".join(f"--map {text}" for text in columns.said())
        errors.print(f"{path.name}: guessed {told}", markup=False, soft_wrap=True)


def _files(
    files: list[Path], read: Callable[[OnBytes], Iterator[Row]], *, dry_run: bool, limit: int | None, since: str,
    store: str | None, as_json: bool,
) -> None:  # fmt: skip
    from ratchet.importers.files import size_of

    total = size_of(files)
    with progress() as report:
        done = 0

        def on_bytes(count: int) -> None:
            nonlocal done
            done += count
            report("reading (KiB)", done // _BYTES_SHOWN, total // _BYTES_SHOWN)

        result = _run(read(on_bytes), dry_run=dry_run, limit=limit, since=since, store=store)
    _print(result, as_json)


def _live(
    found: Iterator[Row], *, dry_run: bool, limit: int | None, since: str, store: str | None, as_json: bool
) -> None:
    with progress() as report:
        result = _run(
            found, dry_run=dry_run, limit=limit, since=since, store=store,
            on_row=lambda rows: report("reading from the server", rows, rows),
        )  # fmt: skip
    _print(result, as_json)


def _run(
    found: Iterator[Row], *, dry_run: bool, limit: int | None, since: str, store: str | None,
    on_row: Callable[[int], None] = lambda rows: None,
) -> Report:  # fmt: skip
    from ratchet.importers.deliver import deliver

    after = _moment(since)
    if dry_run:
        return deliver(found, None, since=after, limit=limit, on_row=on_row)
    from ratchet import Ratchet

    with Ratchet(store) as ratchet:
        return deliver(found, ratchet.deliver, since=after, limit=limit, on_row=on_row)


def _moment(since: str) -> float | None:
    """Seconds since the epoch, from a date or from an age such as 30d."""
    import re
    import time

    if not since:
        return None
    age = re.fullmatch(r"(\d{1,5})(h|d|w|mo|y)", since.strip())
    at = time.time() - int(age[1]) * _DAYS[age[2]] * 86_400 if age else _date(since)
    if at is None:
        raise InvalidInput(f"--since {since!r} is no date and no age.", "Write 2026-01-31, or 30d, 12h, 6mo.")
    return max(at, 0.0)


def _date(text: str) -> float | None:
    """A bare number is more likely an age without its unit than seconds since the epoch."""
    from ratchet.importers.fields import moment

    return None if text.strip().isdecimal() else moment(text)


def _print(report: Report, as_json: bool) -> None:
    if as_json:
        print_json(as_dict(report) | {"usable": report.usable})
    else:
        _print_tables(report)
    if not report.usable:
        raise InvalidInput("Nothing in it could be imported.", "See the reasons, or map its columns with --map.")


def _print_tables(report: Report) -> None:
    title = "Dry run: nothing was stored" if report.dry_run else "Imported"
    print_table(
        title,
        ("", "found", "stored", "duplicate", "refused"),
        [_counted("traces", report.traces), _counted("feedback", report.feedback)],
        "",
    )
    if report.apps:
        console.print(
            "Apps: " + ", ".join(f"{name} ({count:,})" for name, count in sorted(report.apps.items())), markup=False
        )
    for title, reasons in (("Skipped", report.skipped), ("Refused by the store", report.refused)):
        if reasons:
            print_table(title, ("rows", "reason", "first of them"), _reasoned(reasons), "")


def _counted(what: str, count: Count) -> tuple[str, ...]:
    return (what, *(f"{number:,}" for number in (count.found, count.stored, count.duplicate, count.rejected)))


def _reasoned(reasons: dict[str, Reason]) -> list[tuple[str, str, str]]:
    ordered = sorted(reasons.items(), key=lambda pair: -pair[1].count)
    return [(f"{reason.count:,}", text, "; ".join(reason.examples)) for text, reason in ordered]
