"""Captures traces and feedback until it is killed, and prints each id once it was acknowledged.

Started as ``python -m tests.faults.capturing FILE PREFIX [ID ...]``; the ids are sent again first, as a client would
that never heard of their acknowledgement.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.records.feedback import Feedback
from ratchet.records.trace import Trace
from ratchet.settings import Settings
from ratchet.stages.capture.intake import record_feedback, record_trace
from ratchet.wiring import House, open_house

APP = "captured"
IN_FLIGHT = 20


def send(house: House, number: str) -> list[tuple[str, object]]:
    """One trace and one feedback on it, as (id, future)."""
    trace = Trace(id=f"t{number}", app=APP, at=1.0, input=f"question {number} " * 20, output="answer")
    given = Feedback(id=f"f{number}", app=APP, trace_id=trace.id, at=2.0, user="u", thumb="down", comment="no " * 20)
    return [
        (trace.id, house.store.submit(lambda: record_trace(house.outside, trace))),
        (given.id, house.store.submit(lambda: record_feedback(house.outside, given))),
    ]


def acknowledged(sent: list[tuple[str, object]]) -> None:
    for key, future in sent:
        outcome = future.result()
        print(key, outcome, flush=True)


def main(path: str, prefix: str, *again: str) -> None:
    house = open_house(Settings(store=Path(path)), embedder=LexicalEmbedder())
    print("READY", flush=True)
    for number in again:
        acknowledged(send(house, number))
    for start in itertools.count(0, IN_FLIGHT):
        waiting = [pair for number in range(start, start + IN_FLIGHT) for pair in send(house, f"{prefix}-{number}")]
        acknowledged(waiting)


if __name__ == "__main__":
    main(*sys.argv[1:])
