"""A candidate: a proposed new version of one or several layers, with the lessons behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LayerName = Literal["retrieval", "examples", "prompt", "validators", "weights"]
CandidateStatus = Literal["draft", "evaluating", "held", "rejected", "released"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What the loop proposes to change.

    ``bank_version`` is the version of the lesson bank that the layers would read; ``added`` are the lessons that
    the active release (number ``parent``, 0 for the bare base) does not have, ``removed`` those it would lose.
    ``knowledge`` is the version of the team's knowledge it would read.
    ``sampled`` are the recent traces on which the gate compares it with the release in force.
    """

    id: str
    app: str
    at: float
    parent: int
    bank_version: int
    layers: tuple[LayerName, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...] = ()
    knowledge: int = 0
    sampled: tuple[str, ...] = ()
    status: CandidateStatus = "draft"
    reason: str = ""
