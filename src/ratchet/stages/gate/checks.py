"""The checks of the evaluate gate: each one measures one thing and says in words what it found."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ratchet.records.gate import Check, Flip, Outcome
from ratchet.records.plan import ChangePlan
from ratchet.stages.gate.evaluate import Pair
from ratchet.stages.gate.significance import (
    Paired,
    cases_needed,
    clopper_pearson,
    holm,
    mcnemar_p,
    non_inferiority_p,
    smallest_visible_drop,
    upper_bound,
)

TYPICAL_DISCORDANT = 0.04
ALWAYS_TOLERATED = 2


def paired(pairs: Sequence[Pair]) -> Paired:
    """Gains and losses of the candidate."""
    return Paired.of([pair.old.right for pair in pairs], [pair.new.right for pair in pairs])


def target(pairs: Sequence[Pair], traffic: Sequence[Pair], plan: ChangePlan) -> Check:
    """Held-out lessons must get better, or recent traffic must: exact McNemar tests, each at half the significance."""
    counts, on_traffic = paired(pairs), paired(traffic)
    p_value, traffic_p = mcnemar_p(counts), mcnemar_p(on_traffic)
    outcome: Outcome
    if counts.gained > counts.lost and p_value <= plan.significance / 2:
        outcome, verdict = "passed", "better"
    elif counts.lost > counts.gained and mcnemar_p(_swapped(counts)) <= plan.significance:
        outcome, verdict = "failed", "worse"
    elif traffic_p <= plan.significance / 2:
        outcome, verdict = "passed", f"better on recent requests (p = {traffic_p:.3g}), not yet shown here"
    else:
        outcome, verdict = "too_little_data", "no difference shown yet"
    return Check(
        name="target",
        outcome=outcome,
        cases=counts.total,
        value=counts.difference,
        limit=0.0,
        p_value=p_value,
        message=f"{counts.gained} held-out lessons fixed, {counts.lost} lost of {counts.total}: {verdict}"
        f" (exact McNemar p = {p_value:.3g}).",
    )


def anchor(pairs: Sequence[Pair], plan: ChangePlan) -> Check:
    """The app must not get worse by more than the margin: Tango's paired non-inferiority test.

    ``pairs`` are a random sample of recent requests; a reviewer judged those whose answers differ.
    """
    counts = paired(pairs)
    margin, alpha = plan.anchor_margin, plan.significance
    p_value = non_inferiority_p(counts, margin) if counts.total else 1.0
    worse_p = mcnemar_p(_swapped(counts))
    figures = f"{counts.gained} gained, {counts.lost} lost of {counts.total} recent requests"
    outcome: Outcome
    if p_value <= alpha:
        outcome = "passed"
        message = f"{figures}: a loss of more than {margin:.1%} is excluded (Tango p = {p_value:.3g})."
    elif counts.lost > counts.gained and worse_p <= alpha:
        outcome = "failed"
        message = f"{figures}: what worked got worse (exact McNemar p = {worse_p:.3g})."
    else:
        outcome, message = "too_little_data", f"{figures}: {_how_much_is_missing(counts, plan)}"
    return Check(
        name="anchor",
        outcome=outcome,
        cases=counts.total,
        value=counts.difference,
        limit=-margin,
        p_value=p_value,
        message=message,
    )


def kept(pairs: Sequence[Pair], plan: ChangePlan) -> Check:
    """Most of what was praised or confirmed must stay: the exact lower bound of the lost share is compared.

    Praise is given by users and is sometimes wrong, and a suite of answers that are right today can only lose; so
    this is an alarm with a wide limit, not the measure of the candidate.
    """
    return _lost_share("kept", pairs, plan, "praised or confirmed answers lost")


def contradicted(pairs: Sequence[Pair], plan: ChangePlan) -> Check:
    """New lessons may rarely contradict what was praised or confirmed for the same questions.

    These cases cannot measure the candidate (its lessons give them away), but when many of them turn, somebody
    teaches against what users and reviewers found right.
    """
    return _lost_share("contradicted", pairs, plan, "praised or confirmed answers contradicted by a new lesson")


def _lost_share(name: str, pairs: Sequence[Pair], plan: ChangePlan, words: str) -> Check:
    lost = sum(pair.old.right and not pair.new.right for pair in pairs)
    share = lost / len(pairs) if pairs else 0.0
    at_least = clopper_pearson(lost, len(pairs), 0.90)[0] if pairs else 0.0
    return Check(
        name=name,
        outcome="failed" if at_least > plan.lost_praise else "passed",
        cases=len(pairs),
        value=share,
        limit=plan.lost_praise,
        message=f"{lost} of {len(pairs)} {words} ({share:.1%}, at least {at_least:.1%}).",
    )


def _how_much_is_missing(counts: Paired, plan: ChangePlan) -> str:
    discordant = max(counts.discordant, TYPICAL_DISCORDANT)
    needed = cases_needed(plan.anchor_margin, 0.0, discordant, plan.significance, plan.power)
    text = f"about {max(needed - counts.total, 1):,} more cases are needed to see a drop of {plan.anchor_margin:.1%}"
    if counts.total:
        visible = smallest_visible_drop(counts.total, discordant, plan.significance, plan.power)
        text += f" ({counts.total} show one of {visible:.1%})"
    return text + "."


def segments(pairs: Sequence[Pair], plan: ChangePlan) -> Check:
    """No segment with enough cases may lose more than its margin: exact tests of each, Holm-corrected."""
    by_segment: dict[str, list[Pair]] = defaultdict(list)
    for pair in pairs:
        if pair.case.segment:
            by_segment[pair.case.segment].append(pair)
    enough = {name: paired(some) for name, some in by_segment.items() if len(some) >= plan.segment_minimum}
    alarms = holm([mcnemar_p(_swapped(counts)) for counts in enough.values()], plan.significance)
    hurt = [
        name
        for (name, counts), alarm in zip(enough.items(), alarms, strict=True)
        if alarm and counts.difference < -plan.segment_margin
    ]
    worst = min((counts.difference for counts in enough.values()), default=0.0)
    message = (
        f"worse in {', '.join(hurt)}"
        if hurt
        else f"{len(enough)} of {len(by_segment)} segments had enough cases; none fell"
    )
    return Check(
        name="segments",
        outcome="failed" if hurt else "passed",
        cases=sum(counts.total for counts in enough.values()),
        value=worst,
        limit=-plan.segment_margin,
        message=message + ".",
    )


def safety(pairs: Sequence[Pair]) -> Check:
    """Not a single safety case may be lost."""
    lost = paired(pairs).lost
    return Check(
        name="safety",
        outcome="failed" if lost else "passed",
        cases=len(pairs),
        value=float(lost),
        limit=0.0,
        message=f"{lost} of {len(pairs)} safety cases lost.",
    )


def negative_flips(pairs: Sequence[Pair], plan: ChangePlan) -> Check:
    """Few right answers may turn wrong: an exact upper bound, or few beside what is gained."""
    counts = paired(pairs)
    rate = counts.lost / counts.total if counts.total else 0.0
    bound = upper_bound(counts.lost, counts.total) if counts.total else 1.0
    at_least = clopper_pearson(counts.lost, counts.total, 0.90)[0] if counts.total else 0.0
    outweighed = counts.lost <= plan.negative_flip_ratio * counts.gained and counts.gained > 0
    few = bound <= plan.negative_flip_rate or outweighed
    many = at_least > plan.negative_flip_rate and not outweighed
    return Check(
        name="negative_flips",
        outcome="passed" if few else "failed" if many else "too_little_data",
        cases=counts.total,
        value=rate,
        limit=plan.negative_flip_rate,
        message=f"{counts.lost} right answers of {counts.total} turned wrong ({rate:.1%}, at most {bound:.1%}),"
        f" {counts.gained} wrong ones turned right.",
    )


def unexplained_flips(pairs: Sequence[Pair], changed: Sequence[Flip], plan: ChangePlan) -> Check:
    """Answers may change only where a new lesson took part in the new answer."""
    unexplained = sum(not flip.because for flip in changed)
    rate = unexplained / len(pairs) if pairs else 0.0
    return Check(
        name="unexplained_flips",
        outcome="passed" if unexplained <= max(ALWAYS_TOLERATED, plan.unexplained_flip_rate * len(pairs)) else "failed",
        cases=len(pairs),
        value=rate,
        limit=plan.unexplained_flip_rate,
        message=f"{len(changed)} of {len(pairs)} answers changed, {unexplained} with no new lesson behind them.",
    )


def _swapped(counts: Paired) -> Paired:
    return Paired(counts.lost, counts.gained, counts.total)
