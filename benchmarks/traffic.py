"""Invented traffic, the same on every run, and its shapes on the wire."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

SUBJECTS = ("refund", "invoice", "parcel", "password", "voucher", "warranty", "address", "subscription")
SEGMENTS = ("guest", "member", "trade")
SENTENCE = (
    "since last week the order shows another state than the mail said and nobody could tell me which of them holds "
    "so please look at both pages again and say what the shop will do about it before the month ends"
)
FILLER = SENTENCE.split()
FIRST = 1_750_000_000.0
BETWEEN_S = 20.0


def rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Requests with their answers, about a kilobyte each, with a thumb each and a correction on the bad fifth."""
    chance = random.Random(seed)
    for number in range(count):
        good = chance.random() < 0.8
        yield {
            "trace_id": f"{chance.getrandbits(128):032x}",
            "ts": FIRST + number * BETWEEN_S,
            "segment": chance.choice(SEGMENTS),
            "user": f"u{chance.randrange(4000)}",
            "model": "gpt-4o-mini",
            "latency_ms": 200 + chance.randrange(1500),
            "tin": chance.randrange(50, 500),
            "tout": chance.randrange(50, 300),
            "input": f"What about my {chance.choice(SUBJECTS)} {number}? {_words(chance, 50)}",
            "output": _words(chance, 75),
            "up": good,
            "score": float(good),
            "correction": None if good else _words(chance, 30),
        }


def trace_in(row: dict[str, Any], app: str) -> dict[str, Any]:
    """The row as the service takes a trace."""
    return {
        "id": row["trace_id"],
        "app": app,
        "at": row["ts"],
        "input": row["input"],
        "output": row["output"],
        "context": {"user": row["user"], "segment": row["segment"]},
        "model": row["model"],
        "latency_ms": row["latency_ms"],
        "input_tokens": row["tin"],
        "output_tokens": row["tout"],
    }


def feedback_in(row: dict[str, Any], app: str, event_id: str) -> dict[str, Any]:
    """The row's feedback as the service takes it."""
    return {
        "id": row["trace_id"],
        "app": app,
        "event_id": event_id,
        "at": row["ts"],
        "user": row["user"],
        "thumb": "up" if row["up"] else "down",
        "scores": {"score": row["score"]},
        "correction": row["correction"] or "",
    }


def chat_in(model: str) -> dict[str, Any]:
    """A chat request of half a kilobyte."""
    policy = "You answer for a small shop. Use the policy alone, and say so when it does not help."
    return {
        "model": model,
        "messages": [{"role": "system", "content": policy}, {"role": "user", "content": SENTENCE}],
        "temperature": 0.2,
        "max_tokens": 200,
    }


def _words(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(FILLER, k=count))
