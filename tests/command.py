"""The real command line in a process of its own, and small histories for it to replay."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-c", "from ratchet.cli.main import run; run()"]
LABELS = ("alpha", "bravo", "castor", "dorado")
WORDS = (
    ("invoice", "receipt", "surcharge"),
    ("parcel", "courier", "tracking"),
    ("password", "username", "passcode"),
    ("guarantee", "repair", "defect"),
)
PLACES = ("Berlin", "Oslo", "Lima", "Cairo", "Quito")
THINGS = ("bicycle", "kettle", "lamp", "radio", "sofa")


def environment(embedder: str = "lexical") -> dict[str, str]:
    """The environment of a command: no store but the one it is told."""
    kept = {name: value for name, value in os.environ.items() if name not in ("RATCHET_STORE", "FORCE_COLOR")}
    return {**kept, "RATCHET_EMBEDDER": embedder, "COLUMNS": "200", "NO_COLOR": "1"}


def ratchet(
    *arguments: object, cwd: Path, typed: str = "", embedder: str = "lexical"
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; ``typed`` is what stands on its standard input."""
    return subprocess.run(
        [*PROGRAM, *map(str, arguments)], cwd=cwd, env=environment(embedder), input=typed, text=True,
        capture_output=True, timeout=900,
    )  # fmt: skip


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """What a refused command said on stderr: exit code 2, what was wrong and a fix, and no traceback."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    first, second = done.stderr.splitlines()[-2:]
    assert first.startswith("error: ")
    assert second.startswith("  fix: ")
    assert len(second) > len("  fix: ")
    return done.stderr


def history(rows: int = 300, *, split: bool = False) -> list[dict[str, Any]]:
    """A history of four labels whose names say nothing about their messages, so that a bare base only guesses."""
    chance = random.Random(5)
    found = []
    for number in range(rows):
        kind = number % 4
        words = " ".join(chance.sample(WORDS[kind], 2))
        text = f"hello {words} {chance.choice(THINGS)} {chance.choice(PLACES)} {number}"
        row = {"id": f"r{number}", "text": text, "label": LABELS[kind], "user": f"u{number % 20}"}
        found.append({**row, "split": "test" if number % 10 < 2 else "train"} if split else row)
    return found


def answer_history(rows: int = 120) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Questions in words that their passages do not use, and the corpus."""
    chance = random.Random(6)
    corpus = [
        {
            "passage_id": f"p-{label}",
            "title": f"Page {label}",
            "text": f"What the {label} page says about item {place}.",
        }
        for place, label in enumerate(LABELS)
    ]
    found = []
    for number in range(rows):
        kind = number % 4
        text = f"question {' '.join(chance.sample(WORDS[kind], 2))} {chance.choice(PLACES)} {number}"
        found.append({"id": f"q{number}", "text": text, "passage_id": f"p-{LABELS[kind]}", "user": f"u{number % 10}"})
    return found, corpus


def write(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """The rows as JSONL."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
