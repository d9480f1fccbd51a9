"""``ratchet review``: decide cases in the terminal, by keyboard."""

from __future__ import annotations

import getpass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.panel import Panel
from rich.text import Text

from ratchet.cli.console import JsonOption, StoreOption, as_dict, console, print_json, print_table, when
from ratchet.cli.house import app_of, connected, service_address
from ratchet.errors import Conflict, RatchetError

if TYPE_CHECKING:
    from ratchet.records.app import App
    from ratchet.records.case import Case
    from ratchet.records.trace import Trace
    from ratchet.sdk.client import Ratchet
    from ratchet.wire.review import CaseDetail

LEASE_S = 600.0
KEYS = "[r]ight  [w]rong  [s]kip  [q]uit"
FAILURE_MODES = ("wrong_fact", "outdated", "wrong_tone", "too_long", "off_policy", "unsafe", "missed_context", "format")


def review(
    name: Annotated[str | None, typer.Option("--app", help="The app; not needed when there is one.")] = None,
    reviewer: Annotated[str | None, typer.Option("--as", help="Your name; lessons carry it.")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="At most so many cases.")] = 20,
    list_only: Annotated[bool, typer.Option("--list", help="Only list what waits.")] = False,
    store: StoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Decide the cases whose verdict would teach most, one after the other: did the app err, and what is right?

    While a service owns the store, this talks to the service.
    """
    with connected(store) as loop:
        app = app_of(loop, name)
        cases = loop.queue(app.name, count)
        if as_json or list_only:
            _list([loop.case(case.id) for case in cases], as_json)
            return
        who = reviewer or getpass.getuser()
        decided = _work_through(loop, app, cases, who)
    next_step = "The service learns from it by itself." if service_address(store) else "Run `ratchet learn` to release."
    console.print(f"{decided} decided. {next_step}" if decided else "Nothing decided.", markup=False)


def _list(cases: list[CaseDetail], as_json: bool) -> None:
    if as_json:
        print_json([{"case": as_dict(item.case), "trace": as_dict(item.trace)} for item in cases])
        return
    rows = [(item.case.id, when(item.case.at), ", ".join(item.case.reasons), item.trace.input if item.trace else "")
            for item in cases]  # fmt: skip
    print_table("Waiting", ("case", "opened", "why", "question"), rows, "Nothing waits for review.")


def _work_through(loop: Ratchet, app: App, cases: list[Case], who: str) -> int:
    decided = 0
    for place, case in enumerate(cases, start=1):
        detail = loop.case(case.id)
        if detail.trace is None or not _reserved(loop, case, who):
            continue
        _show(detail, detail.trace, f"{place} of {len(cases)}")
        answer = _key()
        if answer == "q":
            break
        if answer in "rw":
            decided += _decide(loop, app, case, who, erred=answer == "w")
    return decided


def _reserved(loop: Ratchet, case: Case, who: str) -> bool:
    try:
        loop.reserve(case.id, who, LEASE_S)
    except Conflict:
        return False
    return True


def _show(detail: CaseDetail, trace: Trace, title: str) -> None:
    body = Text()
    body.append("Question  ", "bold").append(f"{trace.input}\n")
    body.append("Answer    ", "bold").append(f"{trace.output}\n")
    if trace.passage_id:
        body.append("Source    ", "bold").append(f"{trace.passage_id}\n")
    for event in detail.feedback:
        said = ", ".join(f"{score.name}={score.value}" for score in event.as_scores())
        body.append(f"{event.user or 'somebody'} said  ", "bold").append(f"{said}\n")
    body.append("Why here  ", "bold").append(", ".join(detail.case.reasons))
    console.print(Panel(body, title=title, title_align="left"))


def _key() -> str:
    while True:
        typed = str(typer.prompt(KEYS, default="s", show_default=False)).strip().lower()[:1]
        if typed in ("r", "w", "s", "q"):
            return typed
        console.print("Type r, w, s or q.")


def _decide(loop: Ratchet, app: App, case: Case, who: str, *, erred: bool) -> bool:
    while True:
        answer = passage = mode = ""
        if erred:
            answer, passage = _right_answer(app)
            mode = str(typer.prompt(f"Failure mode ({', '.join(FAILURE_MODES)})", default="", show_default=False))
        try:
            done = loop.decide(case.id, reviewer=who, erred=erred, answer=answer, passage_id=passage, failure_mode=mode)
        except RatchetError as error:
            console.print(f"{error.what} {error.fix}", markup=False)
            if not erred:
                return False
            continue
        console.print("Learned." if done.lesson else "Noted.", style="green")
        return True


def _right_answer(app: App) -> tuple[str, str]:
    if app.kind == "classify":
        console.print(f"Labels: {', '.join(app.labels)}", markup=False)
        return str(typer.prompt("Right label", default="", show_default=False)), ""
    answer = str(typer.prompt("Right answer (empty: only say where it stands)", default="", show_default=False))
    passage = str(typer.prompt("Id of the passage that answers (empty: none)", default="", show_default=False))
    return answer, passage
