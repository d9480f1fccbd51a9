"""Feedback: what a person or a program said or did about a trace, as named scores of inferred type."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from ratchet.errors import InvalidInput

ScoreKind = Literal["numeric", "boolean", "categorical", "text"]
Value: TypeAlias = float | bool | str

THUMBS = ("up", "down")
SIGNALS = frozenset(
    {"copy", "dwell_ms", "regenerate", "reformulate", "abandon", "accept", "escalate", "edit", "outcome"}
)
LONGEST_CATEGORY = 100
BAD_STARS = 2


@dataclass(frozen=True, slots=True)
class Score:
    """One named value. Its kind is inferred from the value; nothing must be declared first."""

    name: str
    value: Value
    kind: ScoreKind

    @classmethod
    def infer(cls, name: str, value: object) -> Score:
        """The score for ``value``; raises ``InvalidInput`` for what no score can hold (NaN, lists, nothing)."""
        if not name or len(name) > LONGEST_CATEGORY:
            raise InvalidInput(f"The score name {name!r} is not usable.", "Use 1 to 100 characters.")
        if isinstance(value, bool):
            return cls(name, value, "boolean")
        if isinstance(value, int | float):
            number = _as_float(value)
            if not math.isfinite(number):
                raise InvalidInput(f"The score {name!r} is {number!r}.", "Send a finite number.")
            return cls(name, number, "numeric")
        if isinstance(value, str):
            short = len(value) <= LONGEST_CATEGORY and "\n" not in value
            return cls(name, value, "categorical" if short else "text")
        raise InvalidInput(
            f"The score {name!r} has a value of type {type(value).__name__}.", "Send a number, true/false or text."
        )


def _as_float(value: float) -> float:
    """``value`` as a float; an integer too large for one is infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Everything one user said or did about one trace, in one message.

    ``id`` is the event id: the same id twice is one event. ``scores`` holds the named scores, with thumb, stars,
    flags, signals, correction and comment beside them.
    """

    id: str
    app: str
    trace_id: str
    at: float
    user: str = ""
    scores: tuple[Score, ...] = ()
    thumb: Literal["", "up", "down"] = ""
    stars: int | None = None
    flags: tuple[str, ...] = ()
    correction: str = ""
    comment: str = ""
    signals: Mapping[str, Value] = field(default_factory=dict)

    @property
    def is_negative(self) -> bool:
        """Whether it complains: a thumb down, few stars, a flag or a correction."""
        few = self.stars is not None and self.stars <= BAD_STARS
        return self.thumb == "down" or few or bool(self.flags) or bool(self.correction)

    @property
    def says_something(self) -> bool:
        """Whether there is anything in it besides whom and what it is about."""
        rated = self.thumb or self.stars is not None or self.scores or self.flags
        return bool(rated or self.correction or self.comment or self.signals)

    def as_scores(self) -> tuple[Score, ...]:
        """All of it as named scores, the form in which it is stored and deduplicated."""
        found = list(self.scores)
        if self.thumb:
            found.append(Score("thumb", self.thumb, "categorical"))
        if self.stars is not None:
            found.append(Score("stars", float(self.stars), "numeric"))
        found += [Score(f"flag:{flag}", True, "boolean") for flag in self.flags]
        found += [Score.infer(f"signal:{name}", value) for name, value in sorted(self.signals.items())]
        for name, text in (("correction", self.correction), ("comment", self.comment)):
            if text:
                found.append(Score(name, text, "text"))
        return tuple(found)
