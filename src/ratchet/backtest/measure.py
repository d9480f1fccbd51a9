"""Measures on held-out rows and along the stream: accuracy, ranking, repeated mistakes, forgetting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ratchet.backtest.stream import Row
from ratchet.interfaces import Vector
from ratchet.layers.layer import Answer, Bundle, Request, answer

FADING = 0.999
REPEAT = 0.85


@dataclass(frozen=True, slots=True)
class HeldOutScores:
    """Per held-out row: whether it was right, and at which rank the right passage stood (0: not among ten)."""

    right: list[bool]
    rank: list[int]

    @property
    def accuracy(self) -> float:
        """Share of right answers; hit@1 for ``answer``."""
        return sum(self.right) / len(self.right)

    def summary(self, kind: str) -> dict[str, float]:
        """Accuracy, with hit@5 and MRR@10 beside it for ``answer``."""
        found = {"accuracy": round(self.accuracy, 6)}
        if kind == "answer":
            found["hit@5"] = round(sum(0 < rank <= 5 for rank in self.rank) / len(self.rank), 6)
            found["mrr@10"] = round(sum(1 / rank for rank in self.rank if rank) / len(self.rank), 6)
        return found


def served(reply: Answer, kind: str) -> str:
    """What is compared with the truth: the label, or the passage that the answer rests on."""
    return reply.text if kind == "classify" else reply.passage_id


def on_held_out(bundle: Bundle, rows: Sequence[Row], vectors: Vector) -> HeldOutScores:
    """Answer every held-out row with one release."""
    right: list[bool] = []
    ranks: list[int] = []
    kind = bundle.app.kind
    for row, vector in zip(rows, vectors, strict=True):
        reply, _ = answer(bundle, Request(bundle.app, row.text, vector))
        right.append(served(reply, kind) == row.truth)
        order = [hit.passage.id for hit in reply.ranking[:10]]
        ranks.append(order.index(row.truth) + 1 if row.truth in order else 0)
    return HeldOutScores(right, ranks)


@dataclass(slots=True)
class Prequential:
    """Accuracy along the stream, older answers fading (Gama, J. et al. (2013). On evaluating stream learning
    algorithms. Machine Learning 90, 317-346): P = S/B, S = right + f S, B = 1 + f B, with f = 0.999."""

    _sum: float = 0.0
    _weight: float = 0.0

    def add(self, right: bool) -> None:
        """Count one answer, given before anything was learned from its row."""
        self._sum = float(right) + FADING * self._sum
        self._weight = 1 + FADING * self._weight

    @property
    def accuracy(self) -> float:
        """The faded accuracy; 0 before the first answer."""
        return self._sum / self._weight if self._weight else 0.0


@dataclass(slots=True)
class RepeatMistakes:
    """Requests like one whose mistake was corrected before (cosine >= 0.85 to a live correction): how often the bare
    base errs on them, and how often what was served did."""

    asked: int = 0
    base_wrong: int = 0
    served_wrong: int = 0

    def add(self, likeness: float, base_right: bool, served_right: bool) -> None:
        """Count one streamed request."""
        if likeness >= REPEAT:
            self.asked += 1
            self.base_wrong += not base_right
            self.served_wrong += not served_right

    def summary(self) -> dict[str, float | int | None]:
        """The two rates; ``None`` when no request was like a corrected one."""
        if not self.asked:
            return {"before": None, "after": None, "requests": 0}
        before, after = self.base_wrong / self.asked, self.served_wrong / self.asked
        return {"before": round(before, 6), "after": round(after, 6), "requests": self.asked}


@dataclass(slots=True)
class Forgetting:
    """Backward transfer: the mean, over slices, of a slice's accuracy at the end minus its accuracy right after the
    release that first taught it. A slice is the held-out rows of the answers that a release taught first."""

    held_out: Sequence[Row]
    _first_taught: dict[str, int] = field(default_factory=dict)
    _right_then: dict[int, list[bool]] = field(default_factory=dict)

    def released(self, number: int, answers: set[str], scores: HeldOutScores) -> None:
        """Note what a release taught and how it scored."""
        for truth in answers:
            self._first_taught.setdefault(truth, number)
        self._right_then[number] = scores.right

    def backward_transfer(self, final: HeldOutScores) -> float | None:
        """``None`` with fewer than two releases."""
        if len(self._right_then) < 2:
            return None
        slices: dict[int, list[int]] = defaultdict(list)
        for index, row in enumerate(self.held_out):
            if row.truth in self._first_taught:
                slices[self._first_taught[row.truth]].append(index)
        last = max(self._right_then)
        changes = [
            float(np.mean([final.right[i] for i in rows]) - np.mean([self._right_then[number][i] for i in rows]))
            for number, rows in slices.items()
            if number != last
        ]
        return round(float(np.mean(changes)), 6) if changes else None
