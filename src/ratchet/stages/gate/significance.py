"""Statistics of the gates: paired tests, exact bounds, sample sizes and Holm's correction.

Every function is pure. Rates, margins and differences are proportions (0.02 is two points); all counts are cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from ratchet.errors import InvalidInput

_HALVINGS = 52  # from an interval of width 1 or 2, every midpoint is an exact float short of the ends
_SMALLEST_GAP = 1e-9  # between difference and -margin; to tell them apart would take more than 10^16 cases
_NEGLIGIBLE = 1e-17  # a term this small beside the sum so far no longer changes it


@dataclass(frozen=True, slots=True)
class Paired:
    """Counts of one old and one new release on the same ``total`` cases.

    ``gained``: the old one wrong, the new one right. ``lost``: the old one right, the new one wrong.
    Raises InvalidInput for a negative or fractional count, or when ``gained + lost > total``.
    """

    gained: int
    lost: int
    total: int

    def __post_init__(self) -> None:
        for name, count in (("gained", self.gained), ("lost", self.lost), ("total", self.total)):
            _require_count(name, count)
        if self.gained + self.lost > self.total:
            raise InvalidInput(
                f"{self.gained} gained and {self.lost} lost cases are more than the total of {self.total}.",
                "Count every case once.",
            )

    @classmethod
    def of(cls, old: Sequence[bool], new: Sequence[bool]) -> Paired:
        """Count two lists of verdicts (true = right), the i-th of both about the same case.

        Raises InvalidInput when the lists differ in length.
        """
        if len(old) != len(new):
            raise InvalidInput(
                f"There are {len(old)} old and {len(new)} new verdicts.",
                "Give one old and one new verdict for each case, in the same order.",
            )
        gained = sum(1 for before, after in zip(old, new, strict=True) if after and not before)
        lost = sum(1 for before, after in zip(old, new, strict=True) if before and not after)
        return cls(gained, lost, len(old))

    @property
    def difference(self) -> float:
        """New minus old share of right cases, in [-1, 1]; 0.0 without cases."""
        return (self.gained - self.lost) / self.total if self.total else 0.0

    @property
    def discordant(self) -> float:
        """Share of cases on which the two disagree, in [0, 1]; 0.0 without cases."""
        return (self.gained + self.lost) / self.total if self.total else 0.0


def tango_z(paired: Paired, margin: float) -> float:
    """Score statistic of H0: the new release is worse by at least ``margin``, true difference <= -margin.

    Standard normal at the edge of H0, large when the data speak against it; rises with ``margin``.
    0.0 (no evidence either way) without cases, and at margin 0 without discordant cases.

    Raises InvalidInput unless -1 < margin < 1.
    Source: Tango, T. (1998). Equivalence test and confidence interval for the difference in proportions for the
    paired-sample design. Statistics in Medicine 17, 891-908.
    """
    _require_between("margin", margin, -1, 1)
    if paired.total == 0:
        return 0.0
    variance = _null_variance(paired.gained / paired.total, paired.lost / paired.total, margin)
    if variance == 0:  # only at margin 0 without discordant cases
        return 0.0
    return (paired.difference + margin) * math.sqrt(paired.total) / math.sqrt(variance)


def non_inferiority_p(paired: Paired, margin: float) -> float:
    """One-sided p-value, in [0, 1], against "worse by at least ``margin``": small means not that much worse.

    0.5 without cases. Raises InvalidInput unless -1 < margin < 1. Source: Tango (1998), see `tango_z`.
    """
    return normal_tail(tango_z(paired, margin))


def tango_interval(paired: Paired, confidence: float = 0.90) -> tuple[float, float]:
    """Score interval (lowest, highest) for the true difference, within [-1, 1].

    At the default of 90 %, the lowest lies above -margin exactly when `non_inferiority_p` is below 5 %.
    (-1.0, 1.0) without cases. Raises InvalidInput unless 0 < confidence < 1.
    Source: Tango (1998), see `tango_z`; found by bisection.
    """
    _require_between("confidence", confidence, 0, 1)
    z = normal_quantile((1 + confidence) / 2)
    swapped = Paired(gained=paired.lost, lost=paired.gained, total=paired.total)
    return _lowest_difference(paired, z), -_lowest_difference(swapped, z)


def mcnemar_p(paired: Paired) -> float:
    """Exact one-sided p-value, in [0, 1], against "not better": P(Binomial(gained + lost, 1/2) >= gained).

    1.0 without discordant cases. Source: McNemar, Q. (1947), Psychometrika 12, 153-157, in its exact binomial form.
    """
    return _binomial_tail(paired.gained, paired.gained + paired.lost, 0.5)


def cases_needed(margin: float, difference: float, discordant: float, alpha: float = 0.05, power: float = 0.8) -> int:
    """Fewest cases to show non-inferiority within ``margin`` at level ``alpha`` with chance ``power``; at least 1.

    ``difference`` and ``discordant`` are the true values expected (see `Paired`). The answer is
    (z_alpha + z_power)^2 (discordant - difference^2) / (difference + margin)^2, and never so few that even the
    expected outcome would fail `tango_z`. An approximation for large samples, a little hopeful: a power of 80 %
    is really 78-80 % where ``discordant`` is at least three times ``margin``, 75-78 % at twice and only 45-73 % at
    once ``margin``. Ask for more power there.

    Raises InvalidInput when difference <= -margin, or no more than 1e-9 above it (no number of cases would do),
    when the rates are impossible, unless 0 < alpha <= 0.5 and unless alpha < power < 1.
    Source: Connor, R. J. (1987). Sample size for testing differences in proportions for the paired-sample design.
    Biometrics 43, 207-211, with the margin added to the difference; the floor is Tango's (1998) null variance.
    """
    _require_design(difference, discordant, margin)
    z_alpha, z_power = _normal_quantiles(alpha, power)
    wanted = (z_alpha + z_power) ** 2 * (discordant - difference**2)
    floor = z_alpha**2 * _null_variance((discordant + difference) / 2, (discordant - difference) / 2, margin)
    return max(1, math.ceil(max(wanted, floor) / (difference + margin) ** 2))


def smallest_visible_drop(total: int, discordant: float, alpha: float = 0.05, power: float = 0.8) -> float:
    """Smallest margin, in (0, 1], for which ``total`` cases are enough when the releases are equally good.

    Inverse of `cases_needed` at difference 0; 1.0 when the cases could show nothing.

    Raises InvalidInput for a negative total, a rate outside [0, 1], unless 0 < alpha <= 0.5 and alpha < power < 1.
    Source: `cases_needed` solved for the margin, in closed form.
    """
    _require_count("total", total)
    _require_rate("discordant", discordant)
    z_alpha, z_power = _normal_quantiles(alpha, power)
    if total == 0:
        return 1.0
    wanted = (z_alpha + z_power) * math.sqrt(discordant / total)
    share = z_alpha**2 / (total + z_alpha**2)
    floor = math.sqrt(discordant * share + (1 - discordant) * share**2)
    return min(1.0, max(wanted, floor))


def clopper_pearson(successes: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact two-sided interval (lowest, highest) for a rate, within [0, 1]; (0.0, 1.0) without cases.

    Raises InvalidInput unless 0 <= successes <= total and 0 < confidence < 1.
    Source: Clopper, C. J. & Pearson, E. S. (1934). The use of confidence or fiducial limits illustrated in the case
    of the binomial. Biometrika 26, 404-413.
    """
    _require_between("confidence", confidence, 0, 1)
    highest = upper_bound(successes, total, (1 + confidence) / 2)
    if successes == 0:
        return 0.0, highest
    return _beta_quantile((1 - confidence) / 2, successes, total - successes + 1), highest


def upper_bound(successes: int, total: int, confidence: float = 0.95) -> float:
    """Exact one-sided upper bound for a rate, in (0, 1]: the true rate lies above it with chance <= 1 - confidence.

    1.0 without cases. Raises InvalidInput unless 0 <= successes <= total and 0 < confidence < 1.
    Source: Clopper & Pearson (1934), see `clopper_pearson`.
    """
    _require_between("confidence", confidence, 0, 1)
    _require_count("successes", successes)
    _require_count("total", total)
    if successes > total:
        raise InvalidInput(f"{successes} successes are more than the total of {total}.", "Count every case once.")
    return 1.0 if successes == total else _beta_quantile(confidence, successes + 1, total - successes)


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Which hypotheses to reject, in the order given, with chance <= ``alpha`` of even one false rejection.

    Raises InvalidInput for a p-value outside [0, 1], and unless 0 < alpha < 1.
    Source: Holm, S. (1979). A simple sequentially rejective multiple test procedure. Scandinavian Journal of
    Statistics 6, 65-70.
    """
    _require_between("alpha", alpha, 0, 1)
    for p_value in p_values:
        _require_rate("p-value", p_value)
    rejected = [False] * len(p_values)
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        if p_values[index] > alpha / (len(p_values) - rank):
            break
        rejected[index] = True
    return rejected


def normal_quantile(p: float) -> float:
    """The z below which a standard normal falls with chance ``p``. Raises InvalidInput unless 0 < p < 1."""
    _require_between("p", p, 0, 1)
    return NormalDist().inv_cdf(p)


def normal_tail(z: float) -> float:
    """Chance, in [0, 1], that a standard normal exceeds ``z``; precise far out too. Raises InvalidInput for NaN."""
    if math.isnan(z):
        raise InvalidInput("z is not a number.", "Give a number; the infinities are allowed.")
    return math.erfc(z / math.sqrt(2)) / 2


def _null_variance(gained: float, lost: float, margin: float) -> float:
    """Variance per case of gained minus lost, if the true difference were -margin.

    ``gained`` and ``lost`` are observed shares; ``most_likely`` is the lost share that fits them best under H0,
    the larger root of 2 q^2 - b q + lost margin (1 + margin) = 0 (Tango 1998). No outcome of -1, 0 or 1 with mean
    -margin varies less than |margin| (1 - |margin|); holding to that undoes rounding.
    """
    b = lost * (1 + margin) + gained * (1 - margin) + 2 * margin
    most_likely = (b + math.sqrt(max(0.0, b * b - 8 * lost * margin * (1 + margin)))) / 4
    return max(abs(margin) * (1 - abs(margin)), 2 * most_likely - margin * (1 + margin))


def _lowest_difference(paired: Paired, z: float) -> float:
    """The lower end of Tango's interval: minus the margin at which the statistic reaches ``z``."""
    return -_crossing(lambda margin: tango_z(paired, margin), z, -1.0, 1.0)


def _beta_quantile(p: float, successes: int, failures: int) -> float:
    """The ``p`` quantile of Beta(successes, failures), both >= 1, in [0, 1].

    It is the rate at which ``successes`` or more out of ``successes + failures - 1`` cases have chance ``p``.
    """
    return _crossing(lambda rate: _binomial_tail(successes, successes + failures - 1, rate), p, 0.0, 1.0)


def _crossing(rising: Callable[[float], float], level: float, low: float, high: float) -> float:
    """Where a rising function reaches ``level``, by bisection of the open interval; ``high`` if it never does."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if rising(middle) < level:
            low = middle
        else:
            high = middle
    return high


def _binomial_tail(least: int, cases: int, rate: float) -> float:
    """P(Binomial(cases, rate) >= least) for 0 < rate < 1.

    Summed outwards from ``least`` relative to its first term, on the side where the terms shrink; that first term
    is taken in log space, so that nothing overflows or underflows on the way.
    """
    if least <= 0:
        return 1.0
    if least <= cases * rate:
        return 1.0 - _binomial_tail(cases - least + 1, cases, 1 - rate)
    odds, term, total = rate / (1 - rate), 1.0, 0.0
    for count in range(least, cases + 1):
        total += term
        term *= (cases - count) / (count + 1) * odds
        if term < _NEGLIGIBLE * total:
            break
    return total * math.exp(_log_binomial(least, cases, rate))


def _log_binomial(count: int, cases: int, rate: float) -> float:
    """Natural logarithm of P(Binomial(cases, rate) = count)."""
    ways = math.lgamma(cases + 1) - math.lgamma(count + 1) - math.lgamma(cases - count + 1)
    return ways + count * math.log(rate) + (cases - count) * math.log1p(-rate)


def _normal_quantiles(alpha: float, power: float) -> tuple[float, float]:
    """The z of a one-sided level and of a power, after checking both."""
    if not 0 < alpha <= 0.5:
        raise InvalidInput(f"alpha is {alpha!r}.", "Give a number above 0, at most 0.5; usually 0.05.")
    _require_between("power", power, alpha, 1)
    return normal_quantile(1 - alpha), normal_quantile(power)


def _require_design(difference: float, discordant: float, margin: float) -> None:
    """Raise InvalidInput unless the rates can occur and lie inside the margin."""
    _require_between("margin", margin, -1, 1)
    _require_rate("discordant", discordant)
    if not abs(difference) <= discordant:
        raise InvalidInput(
            f"A difference of {difference!r} cannot come from a discordant rate of {discordant!r}.",
            "Give a discordant rate at least as large as the difference.",
        )
    if difference + margin < _SMALLEST_GAP:
        raise InvalidInput(
            f"The expected difference {difference!r} is no better than minus the margin {margin!r}.",
            "Widen the margin or expect a better release: no number of cases shows otherwise.",
        )


def _require_between(what: str, value: float, low: float, high: float) -> None:
    """Raise InvalidInput unless ``low < value < high``."""
    if not low < value < high:
        raise InvalidInput(f"{what} is {value!r}.", f"Give a number between {low} and {high}, both excluded.")


def _require_rate(what: str, value: float) -> None:
    """Raise InvalidInput unless ``0 <= value <= 1``."""
    if not 0 <= value <= 1:
        raise InvalidInput(f"{what} is {value!r}.", "Give a number from 0 to 1.")


def _require_count(what: str, value: float) -> None:
    """Raise InvalidInput unless ``value`` is a whole number of at least 0."""
    if not value >= 0 or value % 1:
        raise InvalidInput(f"{what} is {value!r}.", "Give a whole number, 0 or more.")
