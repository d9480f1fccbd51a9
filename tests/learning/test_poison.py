"""A poisoned set of lessons, half of its labels wrong, on real questions: judged alone, the gate stops it.

The gate judges a candidate as a whole. Together with sound lessons that wait for their release the same poison can
pass, when the whole gains more than it loses; so those are set aside here, and what is shown is about poison alone.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ratchet.backtest.crowd import CrowdRates
from ratchet.backtest.measure import on_held_out
from ratchet.backtest.replay import Replay
from ratchet.backtest.stream import APP, History, Row, read_history
from ratchet.providers.sentence_encoder import can_run, packaged_weights
from ratchet.providers.system import SeededIds
from ratchet.settings import Settings
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review.decide import decide
from ratchet.wiring import House, choose_embedder, open_house
from tests.conftest import SHARED, ask, complain

BANKING = SHARED / "banking77" / "data.jsonl.gz"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.embedder,
    pytest.mark.shared_data,
    pytest.mark.skipif(not BANKING.exists(), reason="the public intent set is not at hand"),
    pytest.mark.skipif(packaged_weights() is None or not can_run(), reason="the encoder's weights are not installed"),
]
LEARNED_FROM = 5000
POISONED = 200


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_half_wrong_labels_are_stopped_with_a_reason_and_nothing_is_lost(seed: int, tmp_path: Path) -> None:
    history = read_history(BANKING, kind="classify", order="shuffle", seed=seed)
    settings = Settings.read({}, tmp_path / "poison.db")
    house = open_house(settings, embedder=choose_embedder(settings, threads=2), ids=SeededIds(seed))
    try:
        sound = History("classify", history.streamed[:LEARNED_FROM], history.held_out, history.labels)
        Replay(house, sound, CrowdRates(), budget=None, seed=seed, report=lambda *_: None).run()
        app = house.store.apps.get(APP)
        live = house.store.releases.active(APP)
        before = _accuracy(house, history)
        _set_aside_what_waits(house, live)

        truths = _teach_poison(house, history.streamed[LEARNED_FROM : LEARNED_FROM + POISONED], history.labels, seed)
        for row in history.streamed[LEARNED_FROM + POISONED : LEARNED_FROM + POISONED + 600]:
            truths[ask(house, app, row.text, user=row.user).trace.id] = row.truth
        turn = house.loop.turn(APP, now=True)
        if turn.waiting:
            _judge_truthfully(house, truths, {row.text: row.truth for row in history.streamed})
            turn = house.loop.turn(APP, now=True)

        assert turn.gate is not None
        print(f"seed {seed}: {turn.gate.decision}: {turn.gate.reason}")
        assert turn.release is None
        assert turn.gate.reason
        assert house.store.releases.active(APP) == live
        assert _accuracy(house, history) == before
    finally:
        house.close()


def _accuracy(house: House, history: History) -> float:
    vectors = house.vectors.embed([row.text for row in history.held_out])
    return on_held_out(house.bundles.active(house.store.apps.get(APP)), history.held_out, vectors).accuracy


def _set_aside_what_waits(house: House, live: int) -> None:
    """Sound lessons that wait for their release would help the poison through: only the poison is to be judged."""
    bank = {lesson.id for lesson in house.loop.bundles.bank(APP, live)}
    for lesson in house.store.lessons.all(APP):
        if lesson.split == "teach" and lesson.status == "active" and lesson.id not in bank:
            house.store.lessons.retire(lesson.id, "superseded")


def _teach_poison(house: House, rows: list[Row], labels: list[str], seed: int) -> dict[str, str]:
    """Somebody complains about every answer, and a reviewer 'corrects' every second one to a wrong label."""
    chance = random.Random(seed)
    app = house.store.apps.get(APP)
    truths: dict[str, str] = {}
    wrong_turn = True
    for row in rows:
        trace = ask(house, app, row.text, user="attacker").trace
        truths[trace.id] = row.truth
        complain(house, trace, user="attacker")
    enrich(house.outside, APP, house.loop.rules)
    for case in house.store.cases.opened(APP):
        if case.trace_id not in truths:
            continue
        truth = truths[case.trace_id]
        wrong = chance.choice([label for label in labels if label != truth])
        decide(house.outside, case.id, reviewer="mallory", erred=True, answer=wrong if wrong_turn else truth)
        wrong_turn = not wrong_turn
    return truths


def _judge_truthfully(house: House, truths: dict[str, str], by_text: dict[str, str]) -> None:
    cases = [case for case in house.store.cases.opened(APP) if "gate" in case.reasons]
    traces = house.store.traces.many(case.trace_id for case in cases)
    for case in cases:
        trace = traces[case.trace_id]
        truth = truths.get(trace.id) or by_text[trace.input]
        erred = trace.output != truth
        decide(house.outside, case.id, reviewer="ana", erred=erred, answer=truth if erred else "")
