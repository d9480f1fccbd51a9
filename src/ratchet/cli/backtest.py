"""``ratchet backtest``: would it have helped us?"""

from __future__ import annotations

import json
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ratchet.cli.console import console, print_table, progress
from ratchet.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from ratchet.backtest.crowd import CrowdRates
    from ratchet.backtest.stream import History


class Kind(StrEnum):
    """Kinds of app that can be replayed."""

    classify = "classify"
    answer = "answer"


class Order(StrEnum):
    """Orders of the stream."""

    file = "file"
    time = "time"
    shuffle = "shuffle"


Share = Annotated[float, typer.Option(min=0.0, max=1.0)]


def backtest(
    stream: Annotated[Path, typer.Argument(help="JSONL (or .gz): id, text, and label or passage_id; maybe split, "
                                                "timestamp, user, segment.")],
    corpus: Annotated[Path | None, typer.Option(help="JSONL of passage_id, title, text, for --kind answer.")] = None,
    kind: Annotated[Kind, typer.Option(help="What rows hold: a label, or the passage that answers.")] = Kind.classify,
    feedback_rate: Annotated[float, typer.Option(min=0, max=1, help="Share of wrong answers that users report.")] = 0.3,
    reviewer_error: Annotated[float, typer.Option(min=0, max=1, help="Share of verdicts that are wrong.")] = 0.0,
    poison: Annotated[float, typer.Option(min=0, max=1, help="Share of users who are malicious.")] = 0.0,
    order: Annotated[Order, typer.Option(help="Order of the stream.")] = Order.file,
    budget: Annotated[int | None, typer.Option(min=0, help="Most reviews in all. Default: 8% of the rows.")] = None,
    layers: Annotated[str, typer.Option(help="Layers that may learn, by commas: retrieval, examples.")] = "",
    seed: Annotated[int, typer.Option(help="Seed of the order and of everybody's behaviour.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="Replay only the first rows.")] = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the result as JSON to this file.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for the curve as HTML and PNG.")] = Path("ratchet-backtest"),
    store: Annotated[Path | None, typer.Option(help="Keep the replay's store in this new file.")] = None,
) -> None:  # fmt: skip
    """Replay a history of requests with known outcomes through the real loop, and show what would have been gained.

    Users report a share of the wrong answers, a reviewer who knows the truth works through what the loop escalates,
    and every change passes the gates. Rows with split "test" are never streamed: they are the measure.
    """
    from ratchet.backtest.crowd import CrowdRates
    from ratchet.backtest.stream import read_history

    if store is not None and store.exists():
        raise Conflict(f"{store} exists already.", "Name a new file: a replay starts from nothing.")
    started = time.monotonic()
    history = read_history(stream, kind=kind.value, corpus=corpus, order=order.value, seed=seed, limit=limit)
    rates = CrowdRates(feedback=feedback_rate, reviewer_error=reviewer_error, poison=poison)
    if store is None:
        with tempfile.TemporaryDirectory(prefix="ratchet-backtest-") as folder:
            result = _play(history, rates, Path(folder) / "backtest.db", _layers(layers), budget, seed, started)
    else:
        result = _play(history, rates, store, _layers(layers), budget, seed, started)
    _deliver(result, json_out, out)


def _layers(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(set(names) - {"retrieval", "examples"})
    if unknown:
        raise InvalidInput(f"There is no layer {unknown[0]!r} to learn with.", "Use retrieval, examples, or both.")
    return names


def _play(
    history: History, rates: CrowdRates, store: Path, layers: tuple[str, ...], budget: int | None, seed: int,
    started: float,
) -> dict[str, Any]:  # fmt: skip
    import os

    from ratchet.backtest.replay import Replay
    from ratchet.backtest.result import to_json
    from ratchet.providers.system import SeededIds
    from ratchet.settings import Settings
    from ratchet.wiring import choose_embedder, open_house

    settings = Settings.read(os.environ, store)
    # A replay is a batch job: it may use a second thread for embedding, which a server does not.
    house = open_house(settings, embedder=choose_embedder(settings, threads=2), ids=SeededIds(seed))
    try:
        house.bundles.use_only(layers)
        with progress() as report:
            played = Replay(house, history, rates, budget=budget, seed=seed, report=report).run()
    finally:
        house.close()
    return to_json(history, played, rates, seed=seed, seconds=time.monotonic() - started)


def _deliver(result: dict[str, Any], json_out: Path | None, out: Path) -> None:
    from ratchet.backtest.curve import title, write_curve

    print_table(
        "What the loop did",
        ("seen", "reviews", "corrections", "releases", "along the stream", "held out"),
        [
            (
                f"{p['seen']:,}",
                p["reviews"],
                p["corrections"],
                p["releases"],
                f"{p['prequential']:.3f}",
                f"{p['heldout']:.3f}",
            )
            for p in _every_so_often(result["curve"])
        ],
        "Nothing was replayed.",
    )
    console.print(f"\n[bold]{title(result)}[/] (ceiling {result['ceiling']['accuracy']:.3f}).")
    repeats = result["repeat_mistakes"]
    if repeats["before"] is not None:
        console.print(
            f"Requests like a corrected mistake ({repeats['requests']:,}): the base errs on {repeats['before']:.1%},"
            f" the loop on {repeats['after']:.1%}."
        )
    if "coverage" in result:
        console.print(
            f"Coverage: {result['coverage']:.1%} of held-out requests ask about a passage that was corrected."
        )
    console.print(
        f"{len(result['releases'])} releases passed their gate, {len(result['stopped'])} candidates were stopped;"
        f" {result['seconds']:.0f} s, {result['peak_memory_mb']:.0f} MB."
    )
    files = write_curve(result, out)
    if json_out is not None:
        json_out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
        files.append(json_out)
    console.print(f"Written: {', '.join(str(file) for file in files)}", markup=False)


def _every_so_often(curve: list[dict[str, Any]], rows: int = 12) -> list[dict[str, Any]]:
    step = max(1, len(curve) // rows)
    chosen = curve[step - 1 :: step]
    return chosen if chosen and chosen[-1] is curve[-1] else [*chosen, curve[-1]]
