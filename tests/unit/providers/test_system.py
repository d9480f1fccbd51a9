"""Time and identifiers, real and replayed."""

from __future__ import annotations

import re
import time

import pytest

from ratchet.providers.system import RandomIds, ReplayClock, SeededIds, SystemClock

SHAPE = re.compile(r"tr_[0-9a-f]{24}")


def test_the_system_clock_tells_seconds_since_the_epoch() -> None:
    before = time.time()
    assert before <= SystemClock().now() <= time.time()


def test_a_replay_clock_moves_only_when_told_to() -> None:
    clock = ReplayClock(100.0)
    assert (clock.now(), clock.now()) == (100.0, 100.0)
    clock.advance(2.5)
    assert clock.now() == 102.5


@pytest.mark.parametrize("ids", [RandomIds(), SeededIds(1)], ids=["random", "seeded"])
def test_ids_start_with_their_prefix_and_never_repeat(ids: RandomIds | SeededIds) -> None:
    made = [ids.new("tr") for _ in range(2000)]
    assert len(set(made)) == 2000
    assert all(SHAPE.fullmatch(identity) for identity in made)


def test_seeded_ids_repeat_with_their_seed_and_random_ones_never() -> None:
    def ten(ids: RandomIds | SeededIds) -> list[str]:
        return [ids.new("tr") for _ in range(10)]

    assert ten(SeededIds(1)) == ten(SeededIds(1))
    assert not set(ten(SeededIds(1))) & set(ten(SeededIds(2)))
    assert not set(ten(RandomIds())) & set(ten(RandomIds()))
