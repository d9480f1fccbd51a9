"""The ``ratchet`` command: parses, calls one function, prints."""

from __future__ import annotations

import logging
import sys

import typer

from ratchet.cli import audit, backtest, demo, doctor, imports, init, keys, learn, lessons, release, review, serve
from ratchet.cli.console import errors, show_error
from ratchet.errors import RatchetError

app = typer.Typer(
    name="ratchet",
    help="Makes LLM applications better over time from what their users do and say, and never lets them slip back.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command("init")(init.init)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)
app.command("backtest")(backtest.backtest)
app.command("review")(review.review)
app.command("learn")(learn.learn)
app.command("reembed")(learn.reembed)
app.add_typer(lessons.app, name="lessons")
app.add_typer(release.app, name="release")
app.add_typer(audit.app, name="audit")
app.add_typer(keys.app, name="keys")
app.add_typer(imports.app, name="import")


def _version(asked: bool) -> None:
    if asked:
        from ratchet import __version__

        typer.echo(f"ratchet {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Log what happens."),
) -> None:
    """Makes LLM applications better over time from what their users do and say, and never lets them slip back."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


def run() -> None:
    """Run the command; exit code 0 is fine, 1 a gate that failed, 2 bad use."""
    try:
        app()
    except RatchetError as error:
        show_error(error)
        sys.exit(2)
    except KeyboardInterrupt:
        errors.print("Interrupted; nothing acknowledged was lost.")
        sys.exit(130)
