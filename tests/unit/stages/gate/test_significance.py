"""The gates' statistics against oracles, published numbers, properties and simulated releases."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from ratchet.errors import InvalidInput
from ratchet.stages.gate.significance import (
    Paired,
    cases_needed,
    clopper_pearson,
    holm,
    mcnemar_p,
    non_inferiority_p,
    normal_quantile,
    normal_tail,
    smallest_visible_drop,
    tango_interval,
    tango_z,
    upper_bound,
)

Z95 = NormalDist().inv_cdf(0.95)
SIMULATIONS = 20_000
NO_RATE = (-0.1, 1.1, math.nan, math.inf)
NOT_BETWEEN_0_AND_1 = (0.0, 1.0, *NO_RATE)


@st.composite
def tables(draw: st.DrawFn, most: int = 2_000, least: int = 1) -> Paired:
    total = draw(st.integers(least, most))
    gained = draw(st.integers(0, total))
    return Paired(gained, draw(st.integers(0, total - gained)), total)


margins = st.floats(-0.95, 0.95)
confidences = st.floats(0.5, 0.999)


class TestPairedCounts:
    def test_are_read_off_two_lists_of_verdicts(self) -> None:
        old = [True, True, False, False, True, False]
        new = [True, False, True, True, True, False]
        assert Paired.of(old, new) == Paired(gained=2, lost=1, total=6)

    def test_give_the_difference_and_the_discordant_rate(self) -> None:
        paired = Paired(gained=30, lost=10, total=1000)
        assert paired.difference == 0.02
        assert paired.discordant == 0.04

    def test_of_no_cases_are_all_zero(self) -> None:
        paired = Paired.of([], [])
        assert (paired.total, paired.difference, paired.discordant) == (0, 0.0, 0.0)

    def test_refuse_lists_of_different_lengths(self) -> None:
        with pytest.raises(InvalidInput, match="3 old and 2 new verdicts"):
            Paired.of([True, True, False], [True, False])

    @pytest.mark.parametrize("counts", [(-1, 0, 5), (0, -1, 5), (0, 0, -5), (3, 3, 5), (0.5, 0, 5), (0, 0, math.nan)])
    def test_refuse_counts_that_cannot_be(self, counts: tuple[Any, Any, Any]) -> None:
        with pytest.raises(InvalidInput):
            Paired(*counts)

    @given(st.lists(st.tuples(st.booleans(), st.booleans())))
    def test_differ_by_exactly_what_the_two_scores_differ(self, verdicts: list[tuple[bool, bool]]) -> None:
        old, new = [before for before, _ in verdicts], [after for _, after in verdicts]
        paired = Paired.of(old, new)
        assert paired.gained - paired.lost == sum(new) - sum(old)
        assert Paired.of(new, old) == Paired(paired.lost, paired.gained, paired.total)


def tango_z_by_maximum_likelihood(paired: Paired, margin: float) -> float:
    """The score statistic with the nuisance rate found numerically, not by the closed form."""
    same = paired.total - paired.gained - paired.lost
    low, high = max(margin, 0.0), (1 + margin) / 2  # of the lost share; the gained share is that minus the margin

    def slope(lost: float) -> float:
        return paired.lost / lost + paired.gained / (lost - margin) - 2 * same / (1 + margin - 2 * lost)

    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) > 0 else (low, middle)
    variance = low + (low - margin) - margin**2
    return (paired.gained - paired.lost + paired.total * margin) / math.sqrt(paired.total * variance)


class TestTangosTest:
    def test_has_a_closed_form_that_maximises_the_likelihood(self) -> None:
        for paired in (Paired(25, 28, 618), Paired(3, 9, 100), Paired(40, 20, 160), Paired(1, 1, 21)):
            for margin in (-0.3, -0.02, 0.01, 0.02, 0.1, 0.5):
                expected = tango_z_by_maximum_likelihood(paired, margin)
                assert tango_z(paired, margin) == pytest.approx(expected, rel=1e-6)

    def test_at_margin_zero_is_mcnemars_z(self) -> None:
        assert tango_z(Paired(gained=30, lost=10, total=500), 0.0) == pytest.approx(20 / math.sqrt(40))

    def test_without_discordant_cases_is_the_score_test_of_one_rate(self) -> None:
        # q = margin, so that Z^2 = n margin / (1 - margin)
        assert tango_z(Paired(0, 0, 300), 0.02) == pytest.approx(math.sqrt(300 * 0.02 / 0.98))

    def test_is_zero_when_the_difference_sits_on_the_margin(self) -> None:
        assert tango_z(Paired(gained=10, lost=30, total=1000), 0.02) == 0.0

    def test_knows_nothing_without_cases_or_without_disagreement_at_margin_zero(self) -> None:
        assert tango_z(Paired(0, 0, 0), 0.02) == 0.0
        assert tango_z(Paired(0, 0, 100), 0.0) == 0.0
        assert non_inferiority_p(Paired(0, 0, 0), 0.02) == 0.5

    @pytest.mark.parametrize("margin", [5e-324, 1e-200, 1e-17, math.nextafter(1, 0)])
    def test_keeps_its_variance_where_rounding_would_lose_it(self, margin: float) -> None:
        expected = math.sqrt(margin) * math.sqrt(10 / (1 - margin))
        assert tango_z(Paired(0, 0, 10), margin) == pytest.approx(expected, rel=1e-9)
        assert tango_z(Paired(0, 0, 10), -margin) == pytest.approx(-expected, rel=1e-9)

    def test_passes_a_neutral_release_only_with_enough_cases(self) -> None:
        assert non_inferiority_p(Paired(30, 30, 1000), 0.02) < 0.05
        assert non_inferiority_p(Paired(6, 6, 200), 0.02) > 0.05

    @pytest.mark.parametrize("margin", [-1.0, 1.0, 1.5, math.nan, math.inf])
    def test_refuses_a_margin_no_difference_can_reach(self, margin: float) -> None:
        with pytest.raises(InvalidInput, match="margin"):
            tango_z(Paired(1, 2, 10), margin)

    @given(tables(), margins, margins)
    def test_rises_with_the_margin(self, paired: Paired, one: float, other: float) -> None:
        small, large = sorted((one, other))
        assert tango_z(paired, small) <= tango_z(paired, large) + 1e-9

    @given(tables(), margins)
    def test_changes_sign_when_the_releases_swap(self, paired: Paired, margin: float) -> None:
        swapped = Paired(paired.lost, paired.gained, paired.total)
        assert tango_z(swapped, -margin) == pytest.approx(-tango_z(paired, margin), rel=1e-6, abs=1e-6)

    @given(tables(least=0), margins)
    def test_gives_a_probability(self, paired: Paired, margin: float) -> None:
        assert 0 <= non_inferiority_p(paired, margin) <= 1

    @given(tables(), st.floats(0.001, 0.5))
    def test_rewards_a_case_gained_instead_of_lost(self, paired: Paired, margin: float) -> None:
        assume(paired.lost > 0)
        better = Paired(paired.gained + 1, paired.lost - 1, paired.total)
        assert non_inferiority_p(better, margin) <= non_inferiority_p(paired, margin) + 1e-12


class TestTangosInterval:
    @pytest.mark.parametrize(
        ("gained", "lost", "total", "confidence", "published"),
        [
            (28, 25, 618, 0.90, (-0.0148, 0.0247)),  # R, PropCIs 0.3-0: scoreci.mp(25, 28, 618, .90)
            (48, 41, 549, 0.90, (-0.0157, 0.0414)),  # R, PropCIs: scoreci.mp(41, 48, 549, .90)
        ],
    )
    def test_agrees_with_published_output_of_r(
        self, gained: int, lost: int, total: int, confidence: float, published: tuple[float, float]
    ) -> None:
        interval = tango_interval(Paired(gained, lost, total), confidence)
        assert tuple(round(end, 4) for end in interval) == published

    def test_without_discordant_cases_has_a_closed_form(self) -> None:
        end = Z95**2 / (400 + Z95**2)
        assert tango_interval(Paired(0, 0, 400)) == pytest.approx((-end, end), abs=1e-12)

    def test_is_everything_without_cases(self) -> None:
        assert tango_interval(Paired(0, 0, 0)) == (-1.0, 1.0)

    def test_reaches_the_end_of_the_scale_when_every_case_moves_the_same_way(self) -> None:
        assert tango_interval(Paired(0, 20, 20))[0] == -1.0
        assert tango_interval(Paired(20, 0, 20))[1] == 1.0

    @pytest.mark.parametrize("confidence", NOT_BETWEEN_0_AND_1)
    def test_refuses_an_impossible_confidence(self, confidence: float) -> None:
        with pytest.raises(InvalidInput, match="confidence"):
            tango_interval(Paired(1, 2, 10), confidence)

    @given(tables(), confidences)
    def test_contains_the_observed_difference(self, paired: Paired, confidence: float) -> None:
        lowest, highest = tango_interval(paired, confidence)
        assert -1 <= lowest <= paired.difference <= highest <= 1

    @given(tables(), confidences)
    def test_mirrors_when_the_releases_swap(self, paired: Paired, confidence: float) -> None:
        lowest, highest = tango_interval(paired, confidence)
        assert tango_interval(Paired(paired.lost, paired.gained, paired.total), confidence) == (-highest, -lowest)

    @given(tables(), confidences, confidences)
    def test_widens_with_confidence(self, paired: Paired, one: float, other: float) -> None:
        less, more = sorted((one, other))
        narrow, wide = tango_interval(paired, less), tango_interval(paired, more)
        assert wide[0] <= narrow[0] + 1e-9
        assert narrow[1] <= wide[1] + 1e-9

    @given(tables(), st.floats(0.001, 0.5))
    def test_decides_like_the_test(self, paired: Paired, margin: float) -> None:
        p_value = non_inferiority_p(paired, margin)
        if abs(p_value - 0.05) > 1e-6:
            assert (tango_interval(paired)[0] > -margin) == (p_value < 0.05)


class TestMcNemarsTest:
    def test_counts_the_ways_by_hand(self) -> None:
        # of 10 discordant cases 8, 9 or 10 gained: (45 + 10 + 1) / 1024
        assert mcnemar_p(Paired(gained=8, lost=2, total=50)) == pytest.approx(56 / 1024, rel=1e-12)

    def test_is_one_without_discordant_cases(self) -> None:
        assert mcnemar_p(Paired(0, 0, 10)) == 1.0
        assert mcnemar_p(Paired(0, 0, 0)) == 1.0

    def test_agrees_with_exact_fractions(self) -> None:
        for discordant in (1, 7, 60):
            for gained in range(discordant + 1):
                ways = sum(math.comb(discordant, count) for count in range(gained, discordant + 1))
                exact = float(Fraction(ways, 2**discordant))
                assert mcnemar_p(Paired(gained, discordant - gained, 100)) == pytest.approx(exact, rel=1e-12)

    @pytest.mark.parametrize(("gained", "lost"), [(60, 40), (520, 480), (3_000, 2_000), (50_500, 49_500), (0, 30)])
    def test_agrees_with_scipy(self, gained: int, lost: int) -> None:
        oracle = stats.binomtest(gained, gained + lost, 0.5, alternative="greater").pvalue
        assert mcnemar_p(Paired(gained, lost, 100_000)) == pytest.approx(oracle, rel=1e-9)

    @given(tables())
    def test_and_its_mirror_share_only_the_observed_outcome(self, paired: Paired) -> None:
        discordant = paired.gained + paired.lost
        both = mcnemar_p(paired) + mcnemar_p(Paired(paired.lost, paired.gained, paired.total))
        assert 0 <= mcnemar_p(paired) <= 1
        assert both == pytest.approx(1 + stats.binom.pmf(paired.gained, discordant, 0.5), abs=1e-9)


class TestCasesNeeded:
    @pytest.mark.parametrize(
        ("margin", "difference", "discordant", "cases"),
        [(0.02, 0.0, 0.06, 928), (0.02, 0.01, 0.06, 412), (0.02, 0.02, 0.06, 231), (0.01, 0.0, 0.04, 2_474)],
    )
    def test_are_the_worked_examples(self, margin: float, difference: float, discordant: float, cases: int) -> None:
        assert cases_needed(margin, difference, discordant) == cases

    def test_are_never_so_few_that_a_spotless_replay_fails(self) -> None:
        cases = cases_needed(0.02, 0.0, 0.0)
        assert non_inferiority_p(Paired(0, 0, cases), 0.02) < 0.05
        assert non_inferiority_p(Paired(0, 0, cases - 1), 0.02) > 0.05

    @pytest.mark.parametrize("gain", [0.0005, 0.001, 0.003])
    def test_are_never_so_few_that_a_release_with_only_rare_gains_fails(self, gain: float) -> None:
        # with nothing lost, the null variance is (1 - margin) (gain + margin)
        assert cases_needed(0.02, gain, gain) == math.ceil(Z95**2 * 0.98 / (gain + 0.02))

    def test_are_at_least_one(self) -> None:
        assert cases_needed(0.0, 1.0, 1.0, alpha=0.5, power=0.9) == 1

    @pytest.mark.parametrize("difference", [-0.02, -0.03, -0.02 + 1e-12])
    def test_do_not_exist_for_a_release_at_or_beyond_the_margin(self, difference: float) -> None:
        with pytest.raises(InvalidInput, match="no better than minus the margin"):
            cases_needed(0.02, difference, 0.06)

    @pytest.mark.parametrize(("difference", "discordant"), [(0.05, 0.04), (-0.01, 0.0), (math.nan, 0.1), (0.0, 1.5)])
    def test_refuse_rates_that_cannot_be(self, difference: float, discordant: float) -> None:
        with pytest.raises(InvalidInput):
            cases_needed(0.02, difference, discordant)

    @pytest.mark.parametrize(
        ("alpha", "power"), [(0.0, 0.8), (0.6, 0.8), (math.nan, 0.8), (0.05, 1.0), (0.05, 0.05), (0.05, math.nan)]
    )
    def test_refuse_an_impossible_level_or_power(self, alpha: float, power: float) -> None:
        with pytest.raises(InvalidInput):
            cases_needed(0.02, 0.0, 0.06, alpha, power)
        with pytest.raises(InvalidInput):
            smallest_visible_drop(100, 0.06, alpha, power)

    @given(st.floats(0.005, 0.2), st.floats(0.0, 0.5), st.floats(0.5, 0.95), st.floats(1.0, 3.0))
    def test_grow_with_power_and_shrink_with_the_margin(
        self, margin: float, discordant: float, power: float, wider: float
    ) -> None:
        cases = cases_needed(margin, 0.0, discordant, power=power)
        assert cases_needed(margin, 0.0, discordant, power=min(0.99, power + 0.04)) >= cases
        assert cases_needed(margin * wider, 0.0, discordant, power=power) <= cases


class TestSmallestVisibleDrop:
    def test_is_the_margin_whose_cases_were_asked_for(self) -> None:
        assert smallest_visible_drop(928, 0.06) == pytest.approx(0.02, abs=1e-5)
        assert smallest_visible_drop(2_474, 0.04) == pytest.approx(0.01, abs=1e-5)

    def test_is_not_zero_when_the_releases_never_disagreed(self) -> None:
        assert smallest_visible_drop(400, 0.0) == pytest.approx(Z95**2 / (400 + Z95**2))

    @pytest.mark.parametrize(("each_way", "total"), [(0, 50), (1, 60), (10, 400), (30, 1_000)])
    def test_at_even_odds_is_where_tangos_interval_of_an_even_outcome_ends(self, each_way: int, total: int) -> None:
        paired = Paired(each_way, each_way, total)
        drop = smallest_visible_drop(total, paired.discordant, power=0.5)
        assert drop == pytest.approx(-tango_interval(paired)[0], rel=1e-9)

    def test_is_everything_without_cases(self) -> None:
        assert smallest_visible_drop(0, 0.06) == 1.0
        assert smallest_visible_drop(2, 1.0) == 1.0

    @pytest.mark.parametrize(("total", "discordant"), [(-1, 0.06), (100, -0.1), (100, 1.1), (100, math.nan)])
    def test_refuses_impossible_numbers(self, total: int, discordant: float) -> None:
        with pytest.raises(InvalidInput):
            smallest_visible_drop(total, discordant)

    @given(total=st.integers(50, 100_000), discordant=st.floats(0.0, 1.0))
    def test_undoes_cases_needed(self, total: int, discordant: float) -> None:
        margin = smallest_visible_drop(total, discordant)
        assert abs(cases_needed(margin, 0.0, discordant) - total) <= 1

    @given(st.integers(1, 100_000), st.integers(1, 1_000), st.floats(0.0, 0.9), st.floats(0.0, 0.1))
    def test_shrinks_with_cases_and_grows_with_disagreement(
        self, total: int, more: int, discordant: float, noise: float
    ) -> None:
        drop = smallest_visible_drop(total, discordant)
        assert smallest_visible_drop(total + more, discordant) <= drop
        assert smallest_visible_drop(total, discordant + noise) >= drop


def beta_oracle(successes: int, total: int, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    lowest = stats.beta.ppf(tail, successes, total - successes + 1) if successes else 0.0
    highest = stats.beta.ppf(1 - tail, successes + 1, total - successes) if successes < total else 1.0
    return float(lowest), float(highest)


class TestClopperPearson:
    def test_of_no_failures_follows_the_rule_of_three(self) -> None:
        assert upper_bound(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100), abs=1e-13)
        assert clopper_pearson(0, 100)[1] == pytest.approx(1 - 0.025 ** (1 / 100), abs=1e-13)
        assert clopper_pearson(100, 100) == pytest.approx((0.025 ** (1 / 100), 1.0), abs=1e-13)

    def test_of_one_in_two_solves_a_quadratic(self) -> None:
        # P(X >= 1) = 2p - p^2 = .025 and, by symmetry, the mirror image above
        end = 1 - math.sqrt(0.975)
        assert clopper_pearson(1, 2) == pytest.approx((end, 1 - end), abs=1e-13)

    def test_knows_nothing_without_cases(self) -> None:
        assert clopper_pearson(0, 0) == (0.0, 1.0)
        assert upper_bound(0, 0) == 1.0

    @pytest.mark.parametrize("total", [1, 2, 10, 137, 1_000, 10_000, 100_000])
    def test_agrees_with_scipy_to_nine_digits(self, total: int) -> None:
        for successes in sorted({0, 1, total // 100, total // 10, total // 3, total // 2, total - 1, total}):
            for confidence in (0.5, 0.95, 0.999):
                ours = clopper_pearson(successes, total, confidence)
                assert ours == pytest.approx(beta_oracle(successes, total, confidence), abs=1e-9)

    @settings(deadline=None)
    @given(st.integers(1, 100_000), st.floats(0, 1), st.floats(0.01, 0.9999))
    def test_agrees_with_scipy_anywhere(self, total: int, share: float, confidence: float) -> None:
        successes = round(total * share)
        ours = clopper_pearson(successes, total, confidence)
        assert ours == pytest.approx(beta_oracle(successes, total, confidence), abs=1e-9)

    @given(st.integers(1, 2_000), st.floats(0, 1), confidences)
    def test_contains_the_observed_rate_and_mirrors(self, total: int, share: float, confidence: float) -> None:
        successes = round(total * share)
        lowest, highest = clopper_pearson(successes, total, confidence)
        assert 0 <= lowest <= successes / total <= highest <= 1
        mirrored = clopper_pearson(total - successes, total, confidence)
        assert mirrored == pytest.approx((1 - highest, 1 - lowest), abs=1e-12)

    @given(st.integers(1, 2_000), st.floats(0, 1), st.floats(0.51, 0.998))
    def test_bounds_from_above_like_the_two_sided_interval_of_twice_the_error(
        self, total: int, share: float, confidence: float
    ) -> None:
        successes = round(total * share)
        two_sided = clopper_pearson(successes, total, 2 * confidence - 1)[1]
        assert upper_bound(successes, total, confidence) == pytest.approx(two_sided, abs=1e-12)

    @pytest.mark.parametrize("total", [5, 30, 100])
    def test_covers_the_true_rate_at_least_as_often_as_promised(self, total: int) -> None:
        counts = np.arange(total + 1)
        intervals = np.array([clopper_pearson(int(count), total) for count in counts])
        uppers = np.array([upper_bound(int(count), total) for count in counts])
        for rate in np.linspace(0.001, 0.999, 400):
            chances = stats.binom.pmf(counts, total, rate)
            assert chances[(intervals[:, 0] <= rate) & (rate <= intervals[:, 1])].sum() >= 0.95 - 1e-12
            assert chances[rate <= uppers].sum() >= 0.95 - 1e-12

    @pytest.mark.parametrize(("successes", "total"), [(-1, 5), (6, 5), (0, -1), (2.5, 5), (math.nan, 5)])
    def test_refuses_impossible_counts(self, successes: Any, total: int) -> None:
        with pytest.raises(InvalidInput):
            clopper_pearson(successes, total)
        with pytest.raises(InvalidInput):
            upper_bound(successes, total)

    @pytest.mark.parametrize("confidence", NOT_BETWEEN_0_AND_1)
    def test_refuses_an_impossible_confidence(self, confidence: float) -> None:
        with pytest.raises(InvalidInput, match="confidence is"):
            clopper_pearson(1, 5, confidence)
        with pytest.raises(InvalidInput, match="confidence is"):
            upper_bound(1, 5, confidence)


p_values = st.lists(st.floats(0, 1) | st.floats(0, 0.05), max_size=20)


class TestHolm:
    def test_steps_down_from_the_smallest_and_keeps_the_order(self) -> None:
        # sorted .005 <= .05/4, .010 <= .05/3, .030 > .05/2, and then it stops, although .040 <= .05
        assert holm([0.010, 0.040, 0.030, 0.005]) == [True, False, False, True]

    def test_rejects_everything_or_nothing_at_the_edges(self) -> None:
        assert holm([]) == []
        assert holm([0.05]) == [True]
        assert holm([0.0, 0.0]) == [True, True]
        assert holm([1.0, 0.051]) == [False, False]

    def test_with_a_wider_alpha_rejects_more(self) -> None:
        assert holm([0.04, 0.06], alpha=0.05) == [False, False]
        assert holm([0.04, 0.06], alpha=0.10) == [True, True]

    @pytest.mark.parametrize("bad", NO_RATE)
    def test_refuses_what_is_no_probability(self, bad: float) -> None:
        with pytest.raises(InvalidInput, match="p-value"):
            holm([0.01, bad])

    @pytest.mark.parametrize("alpha", NOT_BETWEEN_0_AND_1)
    def test_refuses_an_impossible_alpha(self, alpha: float) -> None:
        with pytest.raises(InvalidInput, match="alpha"):
            holm([0.01], alpha)

    @given(p_values)
    def test_rejects_all_that_bonferroni_does_and_nothing_above_alpha(self, values: list[float]) -> None:
        for value, rejected in zip(values, holm(values), strict=True):
            assert rejected or value > 0.05 / len(values)
            assert not rejected or value <= 0.05

    @given(p_values, st.randoms())
    def test_does_not_care_about_the_order(self, values: list[float], random: Any) -> None:
        order = list(range(len(values)))
        random.shuffle(order)
        rejected = holm(values)
        assert holm([values[index] for index in order]) == [rejected[index] for index in order]

    def test_keeps_the_chance_of_any_false_rejection(self) -> None:
        rng = np.random.default_rng(7)
        false = sum(any(holm(list(row))) for row in rng.random((SIMULATIONS, 5)))
        assert false / SIMULATIONS == pytest.approx(0.05, abs=0.006)


class TestTheNormalDistribution:
    def test_has_its_familiar_quantiles(self) -> None:
        assert normal_quantile(0.95) == pytest.approx(1.6448536269514722)
        assert normal_quantile(0.5) == 0.0

    @pytest.mark.parametrize("p", NOT_BETWEEN_0_AND_1)
    def test_has_no_quantile_outside_its_range(self, p: float) -> None:
        with pytest.raises(InvalidInput):
            normal_quantile(p)

    def test_has_a_tail_that_stays_precise_far_out(self) -> None:
        for z in (-8.0, -1.0, 0.0, 1.6448536269514722, 5.0, 30.0):
            assert normal_tail(z) == pytest.approx(float(stats.norm.sf(z)), rel=1e-12)
        assert (normal_tail(-math.inf), normal_tail(math.inf)) == (1.0, 0.0)

    def test_has_no_tail_beyond_what_is_no_number(self) -> None:
        with pytest.raises(InvalidInput):
            normal_tail(math.nan)

    @given(st.floats(1e-9, 1 - 1e-9))
    def test_has_a_tail_that_undoes_the_quantile(self, p: float) -> None:
        assert normal_tail(normal_quantile(p)) == pytest.approx(1 - p, rel=1e-6)


@cache
def passes(gained: int, lost: int, total: int, margin: float) -> bool:
    return non_inferiority_p(Paired(gained, lost, total), margin) < 0.05


def share_passing(total: int, difference: float, discordant: float, margin: float, seed: int) -> float:
    """How many simulated replays of a release with these true rates pass the gate."""
    gained, lost = (discordant + difference) / 2, (discordant - difference) / 2
    draws = np.random.default_rng(seed).multinomial(total, [gained, lost, 1 - discordant], size=SIMULATIONS)
    pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    decisions = [passes(int(c), int(b), total, margin) for c, b in pairs]
    return float(counts[decisions].sum()) / SIMULATIONS


class TestTheGateOverManyReleases:
    @pytest.mark.parametrize("total", [500, 1_000])
    @pytest.mark.parametrize("discordant", [0.04, 0.08])
    def test_lets_a_release_at_the_margin_pass_about_one_time_in_twenty(self, total: int, discordant: float) -> None:
        assert 0.03 <= share_passing(total, -0.02, discordant, margin=0.02, seed=total) <= 0.06

    @pytest.mark.parametrize(
        ("margin", "difference", "discordant"),
        [(0.02, 0.0, 0.06), (0.02, 0.01, 0.06), (0.02, 0.02, 0.06), (0.01, 0.0, 0.04), (0.03, 0.0, 0.15)],
    )
    def test_lets_the_expected_release_pass_four_times_in_five(
        self, margin: float, difference: float, discordant: float
    ) -> None:
        cases = cases_needed(margin, difference, discordant)
        assert share_passing(cases, difference, discordant, margin, seed=3) == pytest.approx(0.80, abs=0.03)

    def test_has_less_power_than_asked_where_disagreement_is_as_rare_as_the_margin(self) -> None:
        """The known limit of the formula, so that its docstring stays true."""
        assert share_passing(cases_needed(0.02, 0.0, 0.02), 0.0, 0.02, 0.02, seed=4) == pytest.approx(0.67, abs=0.02)

    def test_keeps_the_promise_of_its_interval(self) -> None:
        rng = np.random.default_rng(5)
        draws = rng.multinomial(300, [0.05, 0.03, 0.92], size=SIMULATIONS)[:, :2]
        pairs, counts = np.unique(draws, axis=0, return_counts=True)
        intervals = np.array([tango_interval(Paired(int(c), int(b), 300)) for c, b in pairs])
        covered = (intervals[:, 0] <= 0.02) & (intervals[:, 1] >= 0.02)
        assert counts[covered].sum() / SIMULATIONS == pytest.approx(0.90, abs=0.015)
