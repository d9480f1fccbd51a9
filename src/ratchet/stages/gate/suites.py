"""Keeps the held-out suites, from praised answers and held-out lessons, and guards against leaks."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

from ratchet.interfaces import Outside
from ratchet.records.app import App
from ratchet.records.canonical import text_hash
from ratchet.records.lesson import Lesson
from ratchet.records.suite import SuiteCase, SuiteName
from ratchet.records.trace import Trace

MOST_PRAISED = 1000
MOST_FROM_ONE_USER = 0.05
FEWEST_FROM_ONE_USER = 3
NEAR_DUPLICATE = 0.95


def refresh(outside: Outside, app: App, active: int) -> int:
    """Add what became known since the last turn; how many cases are new. ``active`` is the release in force.

    Cases of lessons that were superseded or revoked leave their suites.
    """
    standing = outside.store.suites.cases(app.name)
    known = {case.origin for case in standing}
    lessons = outside.store.lessons.all(app.name)
    over = {lesson.id for lesson in lessons if lesson.status != "active"}
    held_out = [
        _from_lesson(lesson, active)
        for lesson in lessons
        if lesson.split == "held_out" and lesson.status == "active" and lesson.id not in known
    ]
    praised = [
        _from_praise(app, trace, user, active)
        for trace, user in outside.store.feedback.praised(app.name, MOST_PRAISED)
        if trace.id not in known and trace.source != "abstained"
    ]
    with outside.store.transaction():
        outside.store.suites.drop(app.name, [case.id for case in standing if case.origin in over])
        return outside.store.suites.add([*held_out, *_capped(praised, standing)])


def _from_lesson(lesson: Lesson, active: int) -> SuiteCase:
    suite: SuiteName = "safety" if lesson.failure_mode == "unsafe" else "target" if lesson.erred else "anchor"
    return SuiteCase(
        id=_case_id(lesson.app, lesson.id),
        app=lesson.app,
        suite=suite,
        question=lesson.question,
        answer=lesson.answer,
        passage_id=lesson.passage_id,
        at=lesson.at,
        group=lesson.group,
        origin=lesson.id,
        source_user=lesson.reporter,
        segment=lesson.segment,
        since=active,
    )


def _from_praise(app: App, trace: Trace, user: str, active: int) -> SuiteCase:
    """What somebody praised must stay. An answer that rests on a passage is remembered by the passage alone."""
    by_passage = bool(trace.passage_id) and app.kind != "classify"
    return SuiteCase(
        id=_case_id(app.name, trace.id),
        app=app.name,
        suite="anchor",
        question=trace.input,
        answer="" if by_passage else trace.output,
        passage_id=trace.passage_id if by_passage else "",
        at=trace.at,
        group=text_hash(trace.input),
        origin=trace.id,
        source_user=user,
        segment=trace.context.segment,
        since=active,
    )


def _case_id(app: str, origin: str) -> str:
    return f"sc_{hashlib.sha256(f'{app}|{origin}'.encode()).hexdigest()[:24]}"


def _capped(praised: Sequence[SuiteCase], standing: Sequence[SuiteCase]) -> list[SuiteCase]:
    """At most a twentieth of the anchor from any one user, so that nobody can decide what "works today" means."""
    total = len(praised) + sum(case.suite == "anchor" for case in standing)
    most = max(FEWEST_FROM_ONE_USER, int(total * MOST_FROM_ONE_USER))
    given = Counter(case.source_user for case in standing if case.source_user)
    kept: list[SuiteCase] = []
    for case in praised:
        if case.source_user and given[case.source_user] >= most:
            continue
        given[case.source_user] += 1
        kept.append(case)
    return kept


def without_leaks(outside: Outside, cases: Sequence[SuiteCase], taught: Sequence[Lesson]) -> list[SuiteCase]:
    """The cases that no taught lesson gives away: neither the same group nor a near-duplicate question."""
    if not cases or not taught:
        return list(cases)
    groups = {lesson.group for lesson in taught} | {text_hash(lesson.question) for lesson in taught}
    questions = outside.vectors.embed([case.question for case in cases])
    nearest = (questions @ outside.vectors.keep([lesson.question for lesson in taught]).T).max(axis=1)
    return [
        case
        for case, cosine in zip(cases, nearest, strict=True)
        if cosine < NEAR_DUPLICATE and case.group not in groups and text_hash(case.question) not in groups
    ]
