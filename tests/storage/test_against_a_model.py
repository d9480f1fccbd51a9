"""Random feedback and case operations, on the store and on plain dicts: both must always say the same."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ratchet.errors import Conflict
from ratchet.records.case import Case
from ratchet.records.feedback import Feedback
from ratchet.records.trace import Trace
from ratchet.records.verdict import Verdict
from ratchet.storage.sql_store import SqlStore
from tests.storage.samples import APP, a_case, a_trace, a_verdict, an_assessment, feedback

TRACES = [f"t{number}" for number in range(4)]
USERS = ("", "ana", "ben")
SAID: list[dict[str, Any]] = [
    {"thumb": "up"},
    {"thumb": "down"},
    {"stars": 5},
    {"stars": 1, "comment": "no"},
    {"thumb": "up", "correction": "It is b."},
    {"flags": ("wrong",)},
    {"stars": 3},
]
REASONS = ("thumb down", "flag", "audit")


class Model:
    """What the store should hold, in the plainest form."""

    def __init__(self) -> None:
        self.traces: dict[str, Trace] = {}
        self.events: dict[str, Feedback] = {}
        self.standing: dict[tuple[str, str, str], tuple[Any, float]] = {}
        self.waiting: dict[str, float] = {}
        self.cases: dict[str, Case] = {}
        self.verdicts: dict[str, Verdict] = {}

    def scores(self, trace_id: str) -> dict[str, dict[str, Any]]:
        found: dict[str, dict[str, Any]] = {}
        for (trace, user, name), (value, _) in self.standing.items():
            if trace == trace_id:
                found.setdefault(user, {})[name] = value
        return found

    def praised(self) -> dict[str, tuple[float, set[str]]]:
        """For each praised trace when it was praised last, and by whom."""
        found: dict[str, tuple[float, set[str]]] = {}
        for (trace, user, name), (value, at) in self.standing.items():
            if (name, value) == ("thumb", "up") or (name == "stars" and value >= 4):
                latest, by = found.get(trace, (at, set()))
                found[trace] = (max(latest, at), by | {user})
        return {trace: by for trace, by in found.items() if trace in self.traces and not self._complained(trace)}

    def _complained(self, trace_id: str) -> bool:
        return any(
            name == "correction"
            or name.startswith("flag:")
            or (name, value) == ("thumb", "down")
            or (name == "stars" and value <= 2)
            for (trace, _, name), (value, _) in self.standing.items()
            if trace == trace_id
        )


class StoreAndModel(RuleBasedStateMachine):
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ratchet-model-"))
        self.path = self.folder / "ratchet.db"
        self.model, self.time = Model(), 100.0

    @initialize()
    def open(self) -> None:
        shutil.copy(self.template, self.path)
        self.store = SqlStore.open(self.path)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(seconds=st.integers(0, 3))
    def wait(self, seconds: int) -> None:
        self.time += seconds

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = SqlStore.open(self.path)

    @rule(key=st.sampled_from(TRACES))
    def trace_arrives(self, key: str) -> None:
        assert self.store.traces.add(a_trace(key, at=self.time)) == (key not in self.model.traces)
        self.model.traces.setdefault(key, a_trace(key, at=self.time))

    @rule(
        number=st.integers(0, 12), key=st.sampled_from(TRACES), user=st.sampled_from(USERS), said=st.sampled_from(SAID)
    )
    def feedback_arrives(self, number: int, key: str, user: str, said: dict[str, Any]) -> None:
        event = feedback(f"f{number}", key, user=user, at=self.time, **said)
        assert self.store.feedback.add(event) == (event.id not in self.model.events)
        if event.id in self.model.events:
            return
        self.model.events[event.id] = event
        for score in event.as_scores():
            self.model.standing[key, user, score.name] = (score.value, self.time)
        self.model.waiting.setdefault(key, self.time)

    @rule(key=st.sampled_from(TRACES))
    def trace_is_assessed(self, key: str) -> None:
        self.store.traces.assess(an_assessment(key, at=self.time))
        self.model.waiting.pop(key, None)

    @rule(number=st.integers(0, 6), key=st.sampled_from(TRACES), reasons=st.sets(st.sampled_from(REASONS), min_size=1))
    def case_is_opened(self, number: int, key: str, reasons: set[str]) -> None:
        case = a_case(f"c{number}-{key}", key, at=self.time, reasons=tuple(sorted(reasons)))
        same = next((one for one in self.model.cases.values() if one.trace_id == key), None)
        assert self.store.cases.open(case) == (same is None)
        if same is None:
            self.model.cases[case.id] = case
        else:
            more = [reason for reason in case.reasons if reason not in same.reasons]
            self._change(same, reasons=(*same.reasons, *more))

    @rule(key=st.sampled_from(TRACES), reviewer=st.sampled_from(("ana", "ben")), hold=st.integers(1, 4))
    def case_is_reserved(self, key: str, reviewer: str, hold: int) -> None:
        case = self._case_of(key)
        until = self.time + hold
        free = case.reserved_by in ("", reviewer) or case.reserved_until <= self.time
        could = case.id in self.model.cases and case.status == "open" and free
        assert self.store.cases.reserve(case.id, reviewer, self.time, until) == could
        if could:
            self._change(case, reserved_by=reviewer, reserved_until=until)

    @rule(key=st.sampled_from(TRACES), erred=st.booleans())
    def case_is_decided(self, key: str, erred: bool) -> None:
        case = self._case_of(key)
        verdict = a_verdict(f"v{len(self.model.verdicts)}", case.id, at=self.time, erred=erred)
        if case.id in self.model.cases and case.status == "open":
            self.store.cases.decide(verdict)
            self.model.verdicts[key] = verdict
            self._change(case, status="decided")
        else:
            with pytest.raises(Conflict):
                self.store.cases.decide(verdict)

    def _case_of(self, key: str) -> Case:
        return next((case for case in self.model.cases.values() if case.trace_id == key), a_case("none", key))

    def _change(self, case: Case, **fields: Any) -> None:
        known = {name: getattr(case, name) for name in Case.__slots__}
        self.model.cases[case.id] = Case(**{**known, **fields})

    @invariant()
    def feedback_agrees(self) -> None:
        for key in TRACES:
            found = self.store.feedback.scores(key)
            assert {u: {s.name: s.value for s in scores} for u, scores in found.items()} == self.model.scores(key)
            events = [event for event in self.model.events.values() if event.trace_id == key]
            assert self.store.feedback.history(key) == sorted(events, key=lambda event: (event.at, event.id))

    @invariant()
    def what_waits_agrees(self) -> None:
        waiting = [(at, key) for key, at in self.model.waiting.items() if key in self.model.traces]
        assert self.store.feedback.unassessed(APP, 100) == [key for _, key in sorted(waiting)]

    @invariant()
    def praise_agrees(self) -> None:
        expected, found = self.model.praised(), self.store.feedback.praised(APP, 100)
        assert [trace.id for trace, _ in found] == sorted(expected, key=lambda key: (-expected[key][0], key))
        assert all(user in expected[trace.id][1] for trace, user in found)

    @invariant()
    def cases_agree(self) -> None:
        opened = sorted(
            (case for case in self.model.cases.values() if case.status == "open"), key=lambda c: (c.at, c.id)
        )
        assert self.store.cases.opened(APP) == opened
        assert self.store.cases.traces_with_case(APP) == {case.trace_id for case in self.model.cases.values()}
        assert self.store.cases.verdicts_on(TRACES) == self.model.verdicts


@pytest.mark.parametrize("examples", [40, pytest.param(500, marks=pytest.mark.slow)])
def test_the_store_does_what_plain_dicts_would(empty_database: Path, examples: int) -> None:
    StoreAndModel.template = empty_database
    run_state_machine_as_test(
        StoreAndModel,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
