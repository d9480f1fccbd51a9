"""Reads the invented shop: its knowledge, questions, change of policy and comments."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ratchet.demo.people import Asked

CUSTOMERS = 60


@dataclass(frozen=True, slots=True)
class PolicyChange:
    """A passage as it reads after the policy changed; ``old_fact`` and ``new_fact`` tell the two apart."""

    passage_id: str
    title: str
    text: str
    old_fact: str
    new_fact: str


@dataclass(frozen=True, slots=True)
class Shop:
    """Everything the demo plays with; ``twins`` are other wordings of ``questions``, not asked before the release."""

    knowledge: Path
    passage_ids: list[str]
    questions: list[Asked]
    twins: list[Asked]
    changes: list[PolicyChange]
    comments: list[Asked]
    labels: dict[str, str]


def open_shop(folder: Path, seed: int = 7) -> Shop:
    """The shop; its knowledge is written to ``folder``, where a team would keep it."""
    chance = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    knowledge = folder / "knowledge.jsonl"
    knowledge.write_text(_words("knowledge.jsonl"), encoding="utf-8")
    rows = _rows("questions.jsonl")
    chance.shuffle(rows)
    asked = {1: list[Asked](), 2: list[Asked]()}
    for row in rows:
        customer = f"customer-{chance.randrange(CUSTOMERS):02d}"
        asked[row["phase"]].append(Asked(row["text"], row["passage_id"], customer, row["role"], row["topic"]))
    comments = [
        Asked(row["text"], row["label"], f"reader-{chance.randrange(CUSTOMERS):02d}", segment=row["segment"])
        for row in _rows("moderation.jsonl")
    ]
    chance.shuffle(comments)
    changes = [
        PolicyChange(row["passage_id"], row["title"], row["text"], row["old_fact"], row["new_fact"])
        for row in _rows("policy_change.jsonl")
    ]
    ids = [row["passage_id"] for row in _rows("knowledge.jsonl")]
    return Shop(knowledge, ids, asked[1], asked[2], changes, comments, json.loads(_words("labels.json")))


def _words(name: str) -> str:
    return files("ratchet.demo.content").joinpath(name).read_text(encoding="utf-8")


def _rows(name: str) -> list[dict]:  # type: ignore[type-arg]
    return [json.loads(line) for line in _words(name).splitlines() if line.strip()]
