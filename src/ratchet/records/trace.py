"""A trace: one request and its answer, stamped with the release that gave it and what shaped it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

InfluenceKind = Literal["lesson", "passage", "guideline", "validator"]
Source = Literal["base", "learned", "reviewed", "abstained", "fallback"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Who asked, where and during what; every field may be empty."""

    user: str = ""
    role: str = ""
    task_type: str = ""
    session: str = ""
    environment: str = ""
    segment: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Influence:
    """A learned item that took part in an answer; ``weight`` is its share of the decision, in [0, 1]."""

    kind: InfluenceKind
    id: str
    weight: float


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation; ``role`` is ``system``, ``user``, ``assistant`` or ``tool``."""

    role: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One request and its answer.

    ``release`` is the number of the release that answered, 0 for the bare base. ``confidence`` is in [0, 1].
    ``source`` says which part of the system decided: the base, what was learned, a reviewed answer served
    directly, nobody (the app abstained), or the fallback after learning failed. ``history`` holds the turns of the
    conversation before ``input``. ``model`` is what answered, with its token counts where they are known.
    """

    id: str
    app: str
    at: float
    input: str
    output: str
    context: Context = field(default_factory=Context)
    release: int = 0
    source: Source = "base"
    confidence: float | None = None
    passage_id: str = ""
    influences: tuple[Influence, ...] = ()
    latency_ms: float | None = None
    cost: float | None = None
    history: tuple[Turn, ...] = ()
    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
