"""``ratchet release``: list, show, verify, promote, roll back."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json, print_table, when
from ratchet.cli.house import app_of, connected, opened, the_app
from ratchet.cli.looking import release_of, releases_of

app = typer.Typer(help="List, show, verify, promote and roll back releases.", no_args_is_help=True)
AppOption = Annotated[str | None, typer.Option("--app", help="The app; not needed when there is one.")]
ByOption = Annotated[str, typer.Option("--by", help="Who does it.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes into the audit log.")]


@app.command("list")
def list_releases(name: AppOption = None, store: StoreOption = None, as_json: JsonOption = False) -> None:
    """List the releases of an app and the candidates that were stopped."""
    active, releases, candidates = releases_of(store, name)
    stopped = [item for item in candidates if item.status in ("rejected", "held")]
    if as_json:
        print_json(
            {
                "active": active,
                "releases": [as_dict(item) for item in releases],
                "stopped": [as_dict(c) for c in stopped],
            }
        )
        return
    rows = [
        (
            f"{'*' if item.number == active else ' '} {item.number}",
            item.id[:12],
            when(item.at),
            item.lessons,
            item.status,
        )
        for item in releases
    ]
    print_table(
        "Releases (* in force)", ("number", "id", "made", "lessons", "status"), rows,
        "No releases yet: the bare base answers. Run `ratchet learn` once there are lessons.",
    )  # fmt: skip
    if stopped:
        console.print()
        why = [(item.id, when(item.at), item.status, item.reason) for item in stopped]
        print_table("Stopped candidates", ("candidate", "drafted", "status", "reason"), why, "")


@app.command("show")
def show_release(
    number: Annotated[int, typer.Argument(help="The release's number.")],
    name: AppOption = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a release is made of, what its gate found, and which answers it changed."""
    release, candidate, reports = release_of(store, name, number)
    if as_json:
        print_json(
            {"release": as_dict(release), "candidate": as_dict(candidate), "gates": [as_dict(r) for r in reports]}
        )
        return
    console.print(f"[bold]Release {release.number}[/] {release.id}")
    console.print(f"{release.status}, made {when(release.at)}, {release.lessons} lessons")
    if candidate is not None:
        console.print(
            f"{len(candidate.added)} lessons added, {len(candidate.removed)} removed,"
            f" on top of release {candidate.parent}"
        )
    for report in reports:
        rows = [(check.name, check.outcome.replace("_", " "), check.message) for check in report.checks]
        print_table(f"\nGate {report.gate}: {report.decision}", ("check", "outcome", "what it found"), rows, "")
        flips = [
            (
                flip.suite,
                _right(flip.old_right),
                _right(flip.new_right),
                ", ".join(flip.because[:3]) or "unexplained",
            )
            for flip in report.flips[:20]
        ]
        if flips:
            title = f"\nAnswers that changed ({len(report.flips)})"
            print_table(title, ("suite", "before", "after", "because of"), flips, "")


@app.command("verify")
def verify_releases(name: AppOption = None, store: StoreOption = None) -> None:
    """Load every release and check it against its manifest; exit code 1 when one is not what was released."""
    from ratchet.errors import Conflict

    with opened(store) as house:
        known = house.reopen(the_app(house, name), to_answer=False)
        damaged = 0
        numbers = house.store.releases.numbers(known.name)
        for number in numbers:
            try:
                house.bundles.of_release(known, number)
            except Conflict as error:
                damaged += 1
                console.print(f"release {number}: {error}", markup=False)
    console.print(f"{len(numbers) - damaged} of {len(numbers)} releases verified.")
    if damaged:
        raise typer.Exit(1)


@app.command("rollback")
def roll_back(
    by: ByOption,
    reason: ReasonOption,
    to: Annotated[int | None, typer.Option("--to", help="Release to go back to. Default: the one before.")] = None,
    name: AppOption = None,
    store: StoreOption = None,
) -> None:
    """Put the release before the present one in force again. Revoked lessons stay revoked."""
    with connected(store) as loop:
        number = loop.rollback(app_of(loop, name).name, actor=by, reason=reason, to=to)
    console.print(f"Release {number} is in force." if number else "The bare base is in force.")


@app.command("promote")
def promote_release(
    number: Annotated[int, typer.Argument(help="The release's number.")],
    by: ByOption,
    reason: ReasonOption,
    name: AppOption = None,
    store: StoreOption = None,
) -> None:
    """Put a release that passed its gate before in force again."""
    with connected(store) as loop:
        loop.promote(app_of(loop, name).name, number, actor=by, reason=reason)
    console.print(f"Release {number} is in force.")


def _right(right: bool) -> str:
    return "right" if right else "wrong"
