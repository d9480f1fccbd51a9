"""Earlier releases in force again: one pointer, one audit entry, one winner."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from ratchet.errors import Conflict, UnknownName
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.stages.release.rollback import promote, rollback
from ratchet.wiring import House
from tests.conftest import ask, correct
from tests.scenes import actions

QUESTIONS = (("my parcel is late", "refund"), ("secret word forgotten", "account"))


@pytest.fixture
def two_releases(house: House, classify: App, clock: ReplayClock) -> House:
    for question, answer in QUESTIONS:
        correct(house, classify, question, answer=answer)
        clock.advance(60)
        assert house.loop.turn("triage").release is not None
    return house


def statuses(house: House) -> list[str]:
    return [release.status for release in house.store.releases.all("triage")]


def race(*moves: Callable[[], object]) -> list[object]:
    """All at once; what each returned or raised."""
    barrier = threading.Barrier(len(moves))
    outcomes: list[object] = [None] * len(moves)

    def run(place: int) -> None:
        barrier.wait()
        try:
            outcomes[place] = moves[place]()
        except Conflict as error:
            outcomes[place] = error

    threads = [threading.Thread(target=run, args=(place,)) for place in range(len(moves))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_rollback_goes_back_to_the_parent_and_answers_as_it_did(two_releases: House, classify: App) -> None:
    assert ask(two_releases, classify, "secret word forgotten").trace.output == "account"
    assert rollback(two_releases.outside, "triage", actor="ana", reason="too eager") == 1
    assert two_releases.store.releases.active("triage") == 1
    assert statuses(two_releases) == ["live", "rolled_back"]
    trace = ask(two_releases, classify, "secret word forgotten").trace
    assert (trace.release, trace.source) == (1, "learned")
    (entry,) = actions(two_releases, "release.rolled_back")
    assert (entry.actor, entry.details) == ("ana", {"from": 2, "to": 1, "reason": "too eager"})


def test_a_rollback_may_go_to_the_bare_base(two_releases: House, classify: App) -> None:
    assert rollback(two_releases.outside, "triage", actor="ana", reason="x", to=0) == 0
    assert statuses(two_releases) == ["retired", "rolled_back"]
    assert ask(two_releases, classify, "secret word forgotten").trace.release == 0


def test_the_first_release_rolls_back_to_the_bare_base(two_releases: House) -> None:
    assert rollback(two_releases.outside, "triage", actor="ana", reason="x") == 1
    assert rollback(two_releases.outside, "triage", actor="ana", reason="x") == 0
    with pytest.raises(Conflict, match="nothing to roll back"):
        rollback(two_releases.outside, "triage", actor="ana", reason="x")


def test_an_earlier_release_can_be_promoted_again(two_releases: House) -> None:
    assert promote(two_releases.outside, "triage", 1, actor="ana", reason="was better") == 1
    assert statuses(two_releases) == ["live", "retired"]
    assert promote(two_releases.outside, "triage", 2, actor="ana", reason="no, it was not") == 2
    assert statuses(two_releases) == ["retired", "live"]
    assert [entry.details.get("to") for entry in actions(two_releases, "release.promoted")] == [None, None, 1, 2]


@pytest.mark.parametrize(
    ("number", "reason", "error", "message"),
    [
        (1, " ", Conflict, "No reason was given"),
        (2, "x", Conflict, "Release 2 is in force already"),
        (7, "x", UnknownName, "no release 7"),
        (-1, "x", UnknownName, "no release -1"),
    ],
)
def test_a_move_that_makes_no_sense_is_refused_and_changes_nothing(
    two_releases: House, number: int, reason: str, error: type[Exception], message: str
) -> None:
    before = two_releases.store.audit.entries()
    for move in (
        lambda: promote(two_releases.outside, "triage", number, actor="ana", reason=reason),
        lambda: rollback(two_releases.outside, "triage", actor="ana", reason=reason, to=number),
    ):
        with pytest.raises(error, match=message):
            move()
    assert two_releases.store.releases.active("triage") == 2
    assert two_releases.store.audit.entries() == before


def test_a_release_with_an_altered_manifest_cannot_be_put_in_force(two_releases: House) -> None:
    with two_releases.store._database.transaction() as connection:
        connection.exec_driver_sql("UPDATE releases SET manifest = replace(manifest, '1', '2') WHERE number = 1")
    with pytest.raises(Conflict, match="altered after release"):
        promote(two_releases.outside, "triage", 1, actor="ana", reason="x")
    assert two_releases.store.releases.active("triage") == 2


def test_a_pointer_at_a_release_that_is_gone_cannot_be_rolled_back_from(two_releases: House) -> None:
    two_releases.store.releases.point("triage", 9, expected=2)
    with pytest.raises(UnknownName, match="no release 9"):
        rollback(two_releases.outside, "triage", actor="ana", reason="x")


def test_of_two_promotes_at_once_exactly_one_wins(two_releases: House) -> None:
    for turn, target in enumerate((1, 2, 1, 2, 1)):
        outcomes = race(*[lambda to=target: promote(two_releases.outside, "triage", to, actor="ana", reason="x")] * 2)
        assert sorted(isinstance(outcome, Conflict) for outcome in outcomes) == [False, True]
        assert two_releases.store.releases.active("triage") == target
        assert len(actions(two_releases, "release.promoted")) == 2 + turn + 1


def test_of_two_moves_from_the_same_release_exactly_one_is_made(two_releases: House) -> None:
    point = two_releases.store.releases.point
    outcomes = race(*[lambda to=to: point("triage", to, expected=2) for to in (0, 1)])
    winners = [to for to, outcome in enumerate(outcomes) if not isinstance(outcome, Conflict)]
    assert winners == [two_releases.store.releases.active("triage")]
