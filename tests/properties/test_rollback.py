"""Any sequence of corrections, turns, rollbacks, promotions, revocations and restarts: a release answers as it did."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ratchet.layers.layer import Request, answer
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import ReplayClock, SeededIds
from ratchet.records.app import App
from ratchet.records.audit import GENESIS
from ratchet.records.trace import Context
from ratchet.settings import Settings
from ratchet.stages.release.manifest import verify
from ratchet.stages.release.revoke import revoke
from ratchet.stages.release.rollback import promote, rollback
from ratchet.stages.serve.respond import respond
from ratchet.wiring import House, open_house
from tests import scenes
from tests.conftest import correct

PROBES = scenes.questions(6, seed=77)
ASKED = scenes.questions(18, seed=5)
TRANSITIONS = ("verdict.given", "lesson.learned", "lesson.revoked", "release.promoted", "release.rolled_back")
Answered = list[tuple[Any, ...]]


class Ratcheting(RuleBasedStateMachine):
    """One store through its life; ``recorded`` is what each release answered when it was first live."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.clock = ReplayClock(1_790_000_000.0)
        self.ids = SeededIds(3)
        self.recorded: dict[int, Answered] = {}
        self.revoked: set[str] = set()
        self.expected: Counter[str] = Counter()
        self.active = 0
        self.house: House | None = None

    @initialize()
    def open(self) -> None:
        self.reopen()
        self.recorded[0] = self.probe(0)

    @rule()
    def reopen(self) -> None:
        if self.house is not None:
            self.house.close()
        settings = Settings(store=Path(self.folder.name) / "ratchet.db", cache=Path(self.folder.name))
        self.house = open_house(settings, embedder=LexicalEmbedder(), clock=self.clock, ids=self.ids)
        self.app: App = scenes.declare(self.house)

    @rule(question=st.sampled_from(ASKED), truthful=st.booleans())
    def correct(self, question: str, truthful: bool) -> None:
        self.clock.advance(1)
        decided = correct(self.home, self.app, question, answer=(scenes.truth if truthful else scenes.wrong)(question))
        self.expected["verdict.given"] += 1
        self.expected["lesson.learned"] += decided.lesson is not None

    @rule()
    def turn(self) -> None:
        self.clock.advance(1)
        report = self.home.loop.turn("desk", now=True)
        if report.waiting:
            before = len(self.home.store.lessons.all("desk"))
            self.expected["verdict.given"] += scenes.review_gate(self.home, self.app)
            self.expected["lesson.learned"] += len(self.home.store.lessons.all("desk")) - before
            report = self.home.loop.turn("desk", now=True)
        if report.release is not None:
            self.active = report.release.number
            self.expected["release.promoted"] += 1
            assert self.active not in self.recorded
            self.home.bundles.forget("desk")
            self.recorded[self.active] = self.probe(self.active)

    @precondition(lambda self: self.active)
    @rule()
    def roll_back(self) -> None:
        self.active = rollback(self.home.outside, "desk", actor="ana", reason="x")
        self.expected["release.rolled_back"] += 1

    @precondition(lambda self: len(self.recorded) > 1)
    @rule(data=st.data())
    def promote(self, data: st.DataObject) -> None:
        others = sorted(set(self.recorded) - {self.active, 0})
        if others:
            number = data.draw(st.sampled_from(others))
            assert promote(self.home.outside, "desk", number, actor="ana", reason="x") == number
            self.active = number
            self.expected["release.promoted"] += 1

    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        lessons = [lesson.id for lesson in self.home.store.lessons.all("desk") if lesson.status != "revoked"]
        if lessons:
            lesson = revoke(self.home.outside, data.draw(st.sampled_from(lessons)), actor="ana", reason="x")
            self.home.bundles.forget("desk")
            self.revoked.add(lesson.id)
            self.expected["lesson.revoked"] += 1

    @invariant()
    def exactly_one_release_is_in_force_and_it_verifies(self) -> None:
        if self.house is None:
            return
        assert self.home.store.releases.active("desk") == self.active
        live = [release for release in self.home.store.releases.all("desk") if release.status == "live"]
        assert [release.number for release in live] == ([self.active] if self.active else [])
        for release in live:
            lessons = self.home.store.lessons.bank("desk", release.bank_version)
            assert len({lesson.id for lesson in lessons}) == len(lessons) == release.lessons
            if not self.revoked & {lesson.id for lesson in lessons}:
                verify(release, self.home.bundles.of_release(self.app, release.number))

    @invariant()
    def the_release_in_force_answers_as_when_it_was_first_live(self) -> None:
        if self.house is None or self.active not in self.recorded:
            return
        release = self.home.store.releases.get("desk", self.active)
        taught = self.home.store.lessons.bank("desk", release.bank_version) if release else []
        now = self.probe(self.active)
        if not self.revoked & {lesson.id for lesson in taught}:
            assert now == self.recorded[self.active]
        bundle = self.home.bundles.active(self.app)
        for text, vector in zip(PROBES, self.home.vectors.embed(PROBES), strict=True):
            reply, learned = answer(bundle, Request(self.app, text, vector))
            assert not {influence.id for influence in reply.influences} & self.revoked
            assert not {lesson.id for lesson in learned.examples} & self.revoked

    @invariant()
    def the_audit_log_is_whole_and_says_everything_once(self) -> None:
        if self.house is None:
            return
        previous, entries = GENESIS, self.home.store.audit.entries()
        for place, entry in enumerate(entries, start=1):
            assert entry.sequence == place
            assert entry.is_intact(previous)
            previous = entry.hash
        found = Counter(entry.action for entry in entries)
        assert {action: found[action] for action in TRANSITIONS} == {a: self.expected[a] for a in TRANSITIONS}
        drafted = [entry.subject for entry in entries if entry.action == "candidate.drafted"]
        assert len(drafted) == len(set(drafted))
        opened = [entry.subject for entry in entries if entry.action == "case.opened"]
        assert len(opened) == len(set(opened))

    def probe(self, number: int) -> Answered:
        """What the release in force, which must be ``number``, answers to the fixed questions."""
        found: Answered = []
        for question in PROBES:
            base = self.home.bases["desk"]
            trace = respond(self.home.outside, self.home.bundles, self.app, base, question, Context()).trace
            assert trace.release == number
            found.append((trace.output, trace.source, trace.confidence, trace.influences))
        return found

    @property
    def home(self) -> House:
        assert self.house is not None
        return self.house

    def teardown(self) -> None:
        if self.house is not None:
            self.house.close()
        self.folder.cleanup()


TestRatcheting = Ratcheting.TestCase
TestRatcheting.settings = settings(max_examples=10, stateful_step_count=20, deadline=None)
