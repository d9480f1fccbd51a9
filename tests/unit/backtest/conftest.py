"""Replays of small invented histories, each played once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ratchet.backtest.crowd import CrowdRates
from ratchet.backtest.replay import Replay
from ratchet.backtest.result import to_json
from ratchet.backtest.stream import History, read_history
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import SeededIds
from ratchet.settings import Settings
from ratchet.wiring import open_house
from tests.command import answer_history, history, write


@dataclass(frozen=True, slots=True)
class Run:
    """One replay: what went in, what came out, and the store it left."""

    history: History
    result: dict[str, Any]
    store: Path


Play = Callable[..., Run]


@pytest.fixture(scope="session")
def play(tmp_path_factory: pytest.TempPathFactory) -> Play:
    """Replays ``rows`` of an invented history the way the command does."""

    def run(rows: int, *, kind: Any = "classify", budget: int | None = None, seed: int = 0, **rates: float) -> Run:
        folder = tmp_path_factory.mktemp("replay")
        corpus = None
        if kind == "answer":
            streamed, passages = answer_history(rows)
            corpus = write(folder / "corpus.jsonl", passages)
        else:
            streamed = history(rows, split=True)
        found = read_history(write(folder / "rows.jsonl", streamed), kind=kind, corpus=corpus)
        behaviour = CrowdRates(**rates)
        house = open_house(Settings(store=folder / "backtest.db"), embedder=LexicalEmbedder(), ids=SeededIds(seed))
        try:
            replay = Replay(house, found, behaviour, budget=budget, seed=seed, report=lambda *_: None)
            result = to_json(found, replay.run(), behaviour, seed=seed, seconds=1.25)
        finally:
            house.close()
        return Run(found, result, folder / "backtest.db")

    return run


@pytest.fixture(scope="session")
def classified(play: Play) -> Run:
    """A history of four labels that the bare base can only guess."""
    return play(300, budget=80)


@pytest.fixture(scope="session")
def answered(play: Play) -> Run:
    """A history of questions whose words their passages do not use."""
    return play(120, kind="answer", budget=100, feedback=0.8)


@pytest.fixture(scope="session")
def spoiled(play: Play) -> Run:
    """A history with attackers among the users, and a reviewer who is mostly wrong."""
    return play(110, budget=70, feedback=0.9, poison=0.3, reviewer_error=0.6)
