"""Review: the queue, reservations, verdicts."""

from __future__ import annotations

import random
from typing import Annotated

from msgspec import Meta, Struct

from ratchet.errors import Conflict, UnknownName
from ratchet.records.case import Case
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review import queue
from ratchet.stages.review.decide import decide
from ratchet.web.routing import Call
from ratchet.wire.review import CaseDetail, DecidedOut, QueueOut, ReserveIn, VerdictIn


class QueueQuery(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """How many cases are wanted; without ``sample``, only those that wait already, oldest first."""

    count: Annotated[int, Meta(ge=1, le=500)] = 20
    sample: bool = True


def get_queue(call: Call) -> QueueOut:
    """What a person should look at next, most instructive first."""
    house = call.service.house
    app = house.store.apps.get(call.path["app"])
    enrich(house.outside, app.name, house.loop.rules_of(app.name))
    if call.query.sample:
        cases = queue.fill(house.outside, app.name, call.query.count, random.Random())
    else:
        cases = house.store.cases.opened(app.name)[: call.query.count]
    return QueueOut(cases=[_detail(call, case) for case in cases])


def get_case(call: Call) -> CaseDetail:
    """One case, with the answer it is about and what people said of it."""
    return _detail(call, _case(call))


def _case(call: Call) -> Case:
    case = call.service.house.store.cases.get(call.path["id"])
    if case is None or not call.caller.may_use(case.app):
        raise UnknownName(f"There is no case {call.path['id']!r}.", "See the queue for those that wait.")
    return case


def _detail(call: Call, case: Case) -> CaseDetail:
    store = call.service.house.store
    return CaseDetail(case=case, trace=store.traces.get(case.trace_id), feedback=store.feedback.history(case.trace_id))


def reserve_case(call: Call) -> Case:
    """Hold a case for one reviewer for a while, so that nobody else decides it meanwhile."""
    asked: ReserveIn = call.body
    case = _case(call)
    house = call.service.house
    now = house.outside.clock.now()
    if not house.store.cases.reserve(case.id, asked.reviewer, now, now + asked.seconds):
        raise Conflict(f"The case {case.id} is held by another reviewer or decided.", "Take the next of the queue.")
    return _case(call)


def give_verdict(call: Call) -> DecidedOut:
    """Decide a case: did the app err, and what would be right? With a right answer it becomes a lesson."""
    said: VerdictIn = call.body
    case = _case(call)
    done = decide(
        call.service.house.outside,
        case.id,
        reviewer=said.reviewer,
        erred=said.erred,
        answer=said.answer,
        passage_id=said.passage_id,
        failure_mode=said.failure_mode,
        note=said.note,
    )
    call.service.worker.wake()
    return DecidedOut(verdict=done.verdict, lesson=done.lesson)
