"""``ratchet lessons``: what was learned, from whom; and taking it back."""

from __future__ import annotations

from typing import Annotated

import typer

from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json, print_table, when
from ratchet.cli.house import connected
from ratchet.cli.looking import lessons_of

app = typer.Typer(help="List, show and revoke lessons.", no_args_is_help=True)


@app.command("list")
def list_lessons(
    name: Annotated[str | None, typer.Option("--app", help="The app.")] = None,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the lessons of an app, newest first."""
    lessons = lessons_of(store, name)[::-1]
    if as_json:
        print_json([as_dict(lesson) for lesson in lessons])
        return
    rows = [
        (lesson.id, when(lesson.at), lesson.split.replace("_", " "), lesson.status, lesson.reviewer,
         _short(lesson.question), _short(lesson.answer or lesson.passage_id))
        for lesson in lessons
    ]  # fmt: skip
    columns = ("lesson", "learned", "split", "status", "reviewer", "question", "right answer")
    print_table("Lessons", columns, rows, "No lessons yet: run `ratchet review` to decide the first case.")


@app.command("revoke")
def revoke_lesson(
    lesson_id: Annotated[str, typer.Argument(help="The lesson's id.")],
    actor: Annotated[str, typer.Option("--by", help="Who revokes it.")],
    reason: Annotated[str, typer.Option(help="Why; it goes into the audit log.")],
    store: StoreOption = None,
) -> None:
    """Stop a lesson at once, in the release in force and in every earlier one."""
    with connected(store) as loop:
        lesson = loop.revoke(lesson_id, actor=actor, reason=reason)
    console.print(f"{lesson.id} is revoked. The next turn releases {lesson.app} without it.", markup=False)


def _short(text: str, most: int = 48) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
