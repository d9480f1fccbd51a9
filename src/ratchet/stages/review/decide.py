"""Turns a reviewer's decision into a verdict, and a verdict with a right answer into a lesson."""

from __future__ import annotations

from dataclasses import dataclass

from ratchet.errors import Conflict, InvalidInput, UnknownName
from ratchet.interfaces import Outside
from ratchet.records.app import App
from ratchet.records.canonical import Json, text_hash
from ratchet.records.case import Case
from ratchet.records.lesson import Lesson
from ratchet.records.trace import Trace
from ratchet.records.verdict import Verdict
from ratchet.stages.review.grouping import place

LONGEST_ANSWER = 20_000


@dataclass(frozen=True, slots=True)
class Decided:
    """The verdict, and the lesson that came of it, if one did."""

    verdict: Verdict
    lesson: Lesson | None


def decide(
    outside: Outside,
    case_id: str,
    *,
    reviewer: str,
    erred: bool,
    answer: str = "",
    passage_id: str = "",
    failure_mode: str = "",
    note: str = "",
) -> Decided:
    """Record what the reviewer says. ``answer`` and ``passage_id`` say what would be right, when the app erred.

    Raises ``UnknownName`` for a case that does not exist, ``InvalidInput`` for an answer that cannot be right
    (a label the app does not have, a passage it does not know), ``Conflict`` when the case was decided already.
    """
    store = outside.store
    case, trace = _case_with_trace(outside, case_id)
    app = store.apps.get(case.app)
    verdict = Verdict(
        id=outside.ids.new("vd"),
        app=app.name,
        case_id=case.id,
        at=outside.clock.now(),
        reviewer=_reviewer(reviewer),
        erred=erred,
        failure_mode=failure_mode.strip(),
        answer=_checked_answer(app, answer),
        passage_id=_checked_passage(outside, app, passage_id),
        note=_storable("note", note),
    )
    with store.transaction():
        store.cases.decide(verdict)
        lesson = _lesson(outside, app, case, trace, verdict)
        details: dict[str, Json] = {"case": case.id, "erred": erred, "lesson": lesson.id if lesson else ""}
        store.audit.append(verdict.at, verdict.reviewer, "verdict.given", app.name, verdict.id, details)
    return Decided(verdict, lesson)


def _case_with_trace(outside: Outside, case_id: str) -> tuple[Case, Trace]:
    case = outside.store.cases.get(case_id)
    if case is None:
        raise UnknownName(f"There is no case {case_id!r}.", "List the open ones with `ratchet review --list`.")
    trace = outside.store.traces.get(case.trace_id)
    if trace is None:
        raise Conflict(f"The trace of case {case_id} has not arrived.", "Wait until it has been captured.")
    return case, trace


def _reviewer(name: str) -> str:
    if not name.strip():
        raise InvalidInput("The reviewer has no name.", "Say who decides: lessons carry their reviewer's name.")
    return name.strip()


def _checked_answer(app: App, answer: str) -> str:
    _storable("right answer", answer)
    if len(answer) > LONGEST_ANSWER:
        raise InvalidInput(f"The right answer has {len(answer):,} characters.", f"Use at most {LONGEST_ANSWER:,}.")
    if app.kind == "classify" and answer and answer not in app.labels:
        labels = ", ".join(list(app.labels)[:10])
        raise InvalidInput(f"{answer!r} is not a label of {app.name}.", f"Use one of: {labels}.")
    return answer.strip()


def _storable(name: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(f"The {name} holds half a surrogate pair.", "Type valid Unicode.") from None
    if "\x00" in text:
        raise InvalidInput(f"The {name} holds a NUL character.", "Remove it.")
    return text


def _checked_passage(outside: Outside, app: App, passage_id: str) -> str:
    if passage_id:
        version = outside.store.knowledge.version(app.name)
        if not any(passage.id == passage_id for passage in outside.store.knowledge.passages(app.name, version)):
            raise InvalidInput(f"{app.name} has no passage {passage_id!r}.", "Name a passage of its knowledge.")
    return passage_id


def _lesson(outside: Outside, app: App, case: Case, trace: Trace, verdict: Verdict) -> Lesson | None:
    answer, passage_id = _what_is_right(app, trace, verdict)
    if not answer and not passage_id:
        return None
    standing = outside.store.lessons.all(app.name)
    amends = bool(answer and passage_id)
    group, split = place(trace.input, standing, outside.vectors, must_teach=amends)
    older = _standing_answer(standing, trace.input)
    lesson = Lesson(
        id=outside.ids.new("ls"),
        app=app.name,
        case_id=case.id,
        verdict_id=verdict.id,
        at=verdict.at,
        question=trace.input,
        answer=answer,
        passage_id=passage_id,
        group=group,
        split=split,
        reviewer=verdict.reviewer,
        reporter=case.reporter,
        erred=verdict.erred,
        rejected_answer=trace.output if verdict.erred else "",
        failure_mode=verdict.failure_mode,
        segment=trace.context.segment,
        supersedes=older.id if older else "",
    )
    if older is not None and older.taught_content() == lesson.taught_content():
        return None
    outside.store.lessons.add(lesson)
    if older is not None:
        outside.store.lessons.retire(older.id, "superseded")
    lineage: dict[str, Json] = {"case": case.id, "split": split, "supersedes": lesson.supersedes}
    outside.store.audit.append(verdict.at, verdict.reviewer, "lesson.learned", app.name, lesson.id, lineage)
    return lesson


def _what_is_right(app: App, trace: Trace, verdict: Verdict) -> tuple[str, str]:
    """The right answer and its passage. A confirmed answer that rests on a passage is remembered by the passage
    alone, so that it stays right when the passage is changed."""
    if verdict.erred:
        return verdict.answer, verdict.passage_id
    if trace.passage_id and app.kind != "classify" and not trace.passage_id.startswith("lesson:"):
        return "", trace.passage_id
    return trace.output, ""


def _standing_answer(lessons: list[Lesson], question: str) -> Lesson | None:
    own = text_hash(question)
    same = [lesson for lesson in lessons if lesson.status == "active" and text_hash(lesson.question) == own]
    return same[-1] if same else None
