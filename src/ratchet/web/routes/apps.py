"""Apps: declare them, ask them, see what they have learned."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from ratchet.errors import Conflict, InvalidInput
from ratchet.layers.layer import Learned
from ratchet.loop import TurnReport
from ratchet.records.app import App
from ratchet.records.passage import Passage
from ratchet.records.trace import Context
from ratchet.stages.capture.batch import OBSERVED, Prepared
from ratchet.stages.serve.respond import respond
from ratchet.web.routing import Answer, Call
from ratchet.web.stamps import answer_headers
from ratchet.wire.apps import (
    AnswerOut,
    AppIn,
    AppOut,
    AskIn,
    KnowledgeIn,
    KnowledgeOut,
    LearnedOut,
    LearnedPassage,
    LearnIn,
    LearnOut,
    ReleaseContent,
)

if TYPE_CHECKING:
    from ratchet.wiring import House


def list_apps(call: Call) -> list[AppOut]:
    """All apps, and how they stand."""
    return [_standing(call.service.house, app) for app in call.service.house.store.apps.all()
            if call.caller.may_use(app.name)]  # fmt: skip


def get_app(call: Call) -> AppOut:
    """One app, and how it stands."""
    return _standing(call.service.house, call.service.house.store.apps.get(call.path["app"]))


def _standing(house: House, app: App) -> AppOut:
    store = house.store
    return AppOut(
        app=app,
        release=store.releases.active(app.name),
        traces=store.traces.count(app.name),
        waiting=store.cases.waiting(app.name),
        tallies=store.feedback.tallies(app.name),
    )


def declare_app(call: Call) -> App:
    """Declare an app that is answered by a function of the caller's own; the same declaration again changes nothing."""
    asked: AppIn = call.body
    name = call.path["app"]
    if call.service.runs(name):
        raise Conflict(f"{name} is declared in the service's ratchet.toml.", "Give your own app another name.")
    base = asked.base if asked.base.startswith("function:") else f"function:{asked.base}"
    return call.service.house.declare_absent(name, asked.kind, base, asked.labels, asked.prompt)


def set_knowledge(call: Call) -> KnowledgeOut:
    """Make these passages the app's knowledge, in place of what it had."""
    asked: KnowledgeIn = call.body
    name = call.service.house.store.apps.get(call.path["app"]).name
    if call.service.runs(name):
        raise Conflict(f"The knowledge of {name} is in the service's ratchet.toml.", "Change the files it names.")
    if len({row.passage_id for row in asked.passages}) < len(asked.passages):
        raise InvalidInput("Two passages have the same passage_id.", "Give every passage its own.")
    passages = [Passage(id=row.passage_id, app=name, title=row.title, text=row.text) for row in asked.passages]
    for passage in passages:
        if "\x00" in passage.words() + passage.id:
            raise InvalidInput(f"The passage {passage.id!r:.60} holds a NUL character.", "Remove it.")
    return KnowledgeOut(version=call.service.house.know(name, passages), passages=len(passages))


def answer_question(call: Call) -> Answer:
    """Ask an app that the service runs; the answer carries its trace, its release, and a token to rate it with."""
    asked: AskIn = call.body
    house = call.service.house
    app = house.store.apps.get(call.path["app"])
    if app.base.startswith("function:"):
        raise Conflict(f"{app.name} is answered by a program of its own.", "Ask that program.")
    house.reopen(app.name)
    served = respond(
        house.outside, house.bundles, app, house.bases[app.name], asked.input, _context(asked), tuple(asked.history)
    )
    trace = served.trace
    call.service.take_now(Prepared([trace]))
    token = call.service.tokens.make(app.name, trace.id, trace.context.user)
    answer = AnswerOut(
        id=trace.id,
        app=app.name,
        output=trace.output,
        release=trace.release,
        source=trace.source,
        confidence=trace.confidence,
        passage_id=trace.passage_id,
        influences=list(trace.influences),
        feedback_token=token,
    )
    return Answer(answer, headers=answer_headers(trace.id, trace.release, token))


def _context(asked: AskIn) -> Context:
    return Context(
        user=asked.user, role=asked.role, task_type=asked.task_type, session=asked.session,
        environment=asked.environment, segment=asked.segment, tags=tuple(asked.tags),
    )  # fmt: skip


def get_learned(call: Call) -> LearnedOut:
    """What the release in force knows about a question, for a function of the caller's own."""
    asked: AskIn = call.body
    house = call.service.house
    app = house.reopen(call.path["app"], to_answer=False)
    learned = house.learned(app, asked.input, _context(asked), tuple(asked.history))
    trace_id = house.outside.ids.new("tr")
    return _learned_out(call, app, learned, asked, trace_id)


def _learned_out(call: Call, app: App, learned: Learned, asked: AskIn, trace_id: str) -> LearnedOut:
    return LearnedOut(
        trace_id=trace_id,
        release=learned.release,
        prompt=learned.prompt,
        passages=[
            LearnedPassage(
                id=hit.passage.id, title=hit.passage.title, text=hit.passage.text, score=hit.score,
                lesson_id=hit.lesson_id,
            )
            for hit in learned.passages
        ],
        examples=list(learned.examples),
        reviewed=learned.reviewed,
        messages=learned.messages(asked.input, asked.history),
        feedback_token=call.service.tokens.make(app.name, trace_id, asked.user),
    )  # fmt: skip


def get_release_content(call: Call) -> Answer:
    """The release in force with all that it reads; with If-None-Match, 304 while nothing changed."""
    house = call.service.house
    content = house.content(house.store.apps.get(call.path["app"]))
    revision = hashlib.sha256(msgspec.json.encode(content)).hexdigest()
    etag = f'"{revision}"'
    if call.headers.get("if-none-match", "") == etag:
        return Answer(status=304, headers={"etag": etag})
    made = ReleaseContent(
        app=content.app, number=content.number, id=content.id, manifest=content.manifest, revision=revision,
        lessons=content.lessons, passages=content.passages,
    )  # fmt: skip
    return Answer(made, headers={"etag": etag})


def run_turn(call: Call) -> LearnOut:
    """Run one turn of the loop: draft a candidate from the new lessons, gate it, release it if it passes."""
    asked: LearnIn = call.body
    house = call.service.house
    app = house.store.apps.get(call.path["app"])
    if app.base == OBSERVED:
        raise Conflict(f"{app.name} is only observed: nothing here answers for it.", "Declare it in ratchet.toml.")
    house.reopen(app.name)
    report = call.service.worker.turn(app.name, now=asked.now)
    return learn_out(report)


def learn_out(report: TurnReport) -> LearnOut:
    """The report of a turn, as it is sent."""
    return LearnOut(
        summary=report.summary(),
        decision=report.gate.decision if report.gate else "",
        candidate_id=report.candidate.id if report.candidate else "",
        release=report.release.number if report.release else None,
        waiting=report.waiting,
        gathering=report.gathering,
        assessed=report.enriched.assessed,
        opened=report.enriched.opened,
    )
