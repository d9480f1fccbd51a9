"""The change plan: the written rules by which a candidate may become a release."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePlan:
    """Limits of the evaluate gate. Shares are in [0, 1]; one point is 0.01.

    ``anchor_margin``: the largest loss on recent traffic that the paired test must exclude.
    ``anchor_sample``: at most so many recent requests are answered by both releases.
    ``flip_reviews``: at most so many of the answers that differ are put to reviewers, who say what is right.
    ``review_growth``: reviewers are asked about a new candidate only once the lessons have grown by this share, and by
    ``review_minimum``, since they were last asked; a contained change does not wait for that.
    ``lost_praise``: the largest share of praised and confirmed answers that a candidate may lose.
    ``significance``: the error probability of each test.
    ``power``: the chance with which a drop is meant to be seen, when the number of missing cases is stated.
    ``negative_flip_rate``: the largest share of anchor cases that may turn from right to wrong.
    ``negative_flip_ratio``: more losses are tolerated while they are at most this share of the gains.
    ``unexplained_flip_rate``: the largest share of answers that may change with no new lesson behind them.
    ``segment_minimum``: segments with at least this many cases are tested on their own.
    ``segment_margin``: the largest loss of such a segment.
    ``contained_releases``: whether a change too small for the suites to judge may go live when every answer that
    changes on recent traffic is explained by a new lesson and none of the known-right ones is lost.
    ``contained_share``: the largest share of recent answers that such a change may touch (three answers always may).
    """

    anchor_margin: float = 0.01
    anchor_sample: int = 500
    flip_reviews: int = 24
    review_growth: float = 0.25
    review_minimum: int = 30
    lost_praise: float = 0.2
    significance: float = 0.05
    power: float = 0.8
    negative_flip_rate: float = 0.01
    negative_flip_ratio: float = 0.67
    unexplained_flip_rate: float = 0.02
    segment_minimum: int = 50
    segment_margin: float = 0.03
    contained_releases: bool = True
    contained_share: float = 0.03

    def __post_init__(self) -> None:
        for name in self.__slots__:
            value = getattr(self, name)
            if name in ("segment_minimum", "anchor_sample", "flip_reviews", "review_minimum"):
                if value < 1:
                    raise InvalidInput(f"The change plan has {name} = {value}.", "Use a whole number of at least 1.")
            elif not isinstance(value, bool) and not 0 <= value <= 1:
                raise InvalidInput(f"The change plan has {name} = {value}.", "Use a share between 0 and 1.")
