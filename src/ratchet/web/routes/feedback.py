"""Feedback: take it in, give it back, say what came of it."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import msgspec

from ratchet.errors import Conflict, InvalidInput, RatchetError, Unauthorized, UnknownName
from ratchet.records.case import Case
from ratchet.records.feedback import Feedback
from ratchet.records.filters import FeedbackFilter
from ratchet.stages.capture.batch import Prepared, Taken, acknowledgement
from ratchet.web.access import Caller, allows
from ratchet.web.export import exported
from ratchet.web.pages import FeedbackQuery, page_of, position
from ratchet.web.problems import Refusal
from ratchet.web.routing import Answer, Call
from ratchet.web.stamps import TOKEN_HEADER
from ratchet.web.tokens import Grant
from ratchet.wire.feedback import (
    BatchAck,
    FeedbackAck,
    FeedbackBatchIn,
    FeedbackIn,
    FeedbackPage,
    FeedbackStatus,
    TokenIn,
    TokenOut,
)

MESSAGES = {
    "received": "Your report arrived. Nobody has looked at it yet.",
    "in_review": "Your report waits for a person to look at it.",
    "reviewed": "A person has looked at your report.",
    "learned": "A person agreed, and the correction waits to go live.",
    "released": "The correction is live.",
}


async def give_feedback(call: Call) -> Answer:
    """Say how an answer was: many scores, thumb, stars, flags, a correction, a comment and signals in one message.

    It may come before its trace. Once acknowledged it is on disk.
    """
    said: FeedbackIn = call.body
    caller = _with_key_of_body(call, said)
    grant = _grant(call, caller, said)
    if grant is not None:
        said = msgspec.structs.replace(said, id=grant.subject, app=grant.app, user=grant.user or said.user)
    said = msgspec.structs.replace(said, app=visible_app(caller, said.app))
    if not said.id:
        raise InvalidInput(
            "The feedback does not say which answer it is about.", "Send the answer's `id`, or its token."
        )
    event_id = said.event_id or call.headers.get("idempotency-key", "")
    feedback = call.service.intake.feedback(msgspec.structs.replace(said, event_id=event_id))
    heard = await call.service.take(Prepared([feedback]))
    taken, case = heard[0].taken, heard[0].case
    if taken.error is not None:
        raise taken.error
    return Answer(_ack(call, taken, case), 201 if taken.outcome == "stored" else 200)


def _ack(call: Call, taken: Taken, case: Case | None) -> FeedbackAck:
    feedback = taken.feedback
    if feedback is None:
        raise Conflict("The feedback was not taken.", "Send it again.")
    token = call.service.tokens.make(feedback.app, feedback.id, purpose="status")
    return FeedbackAck(
        feedback_id=feedback.id,
        trace_id=feedback.trace_id,
        outcome="duplicate" if taken.outcome == "duplicate" else "stored",
        review_id=None if case is None else case.id,
        status_url=f"/v1/feedback/{quote(feedback.id, safe='')}/status?token={token}",
    )


def _with_key_of_body(call: Call, said: FeedbackIn) -> Caller:
    """``sendBeacon`` can set no header, so a browser key may stand in the body."""
    if not said.key:
        return call.caller
    caller = call.service.access.holder(said.key, call.headers.get("origin", ""))
    if caller.key is None or caller.key.kind != "browser":
        raise Unauthorized("A secret key does not belong into a page.", "Use a browser key, and revoke that one.")
    call.service.rates.spend(caller.name)
    return caller


def _grant(call: Call, caller: Caller, said: FeedbackIn) -> Grant | None:
    """What the token allows; ``None`` for a key that needs none."""
    token = said.token or call.headers.get(TOKEN_HEADER, "")
    if not token:
        if caller.may("write"):
            return None
        raise Unauthorized("This needs a key or a feedback token.", "Send the token that came with the answer.")
    grant = call.service.tokens.read(token)
    if said.id not in ("", grant.subject) or said.app not in ("", grant.app):
        raise Unauthorized("The token is for another answer.", "Use the token that came with this one.")
    if not caller.may_use(grant.app):
        raise UnknownName("There is nothing here for this key.", "Use a key that is for this app.")
    if caller.key is None and caller.origin and not caller.scopes:
        _refuse_origin(call, caller.origin)
    return grant


def _refuse_origin(call: Call, origin: str) -> None:
    own = origin.partition("://")[2] == call.headers.get("host", "")
    if not own and not allows(call.service.settings.service.origins, origin):
        raise Refusal(403, "origin", f"Pages of {origin} may not send feedback here.", "Allow it in [service] origins.")


async def give_feedback_batch(call: Call) -> BatchAck:
    """Many messages in one request; each is accepted or refused by itself, and what is accepted is on disk."""
    batch: FeedbackBatchIn = call.body
    prepared = call.service.intake.prepare((), batch.feedback)
    return acknowledgement(await call.service.take_quietly(refuse_other_apps(prepared, call.caller)))


def refuse_other_apps(prepared: Prepared, caller: Caller) -> Prepared:
    """Rows for apps that the caller's key is not for are refused, each by itself."""
    if caller.key is None or not caller.key.apps:
        return prepared
    for place, row in enumerate(prepared.rows):
        if not isinstance(row, Taken) and row.app not in caller.key.apps:
            try:
                prepared.rows[place] = replace(row, app=visible_app(caller, row.app))
            except RatchetError as error:
                prepared.rows[place] = Taken(row.id, "rejected", error)
    return prepared


def list_feedback(call: Call) -> FeedbackPage | Answer:
    """Feedback, newest first, as JSON, JSON Lines or CSV."""
    asked: FeedbackQuery = call.query
    wanted = FeedbackFilter(
        app=visible_app(call.caller, asked.app),
        trace_id=asked.trace_id,
        user=asked.user,
        name=asked.name,
        negative=asked.negative,
        since=asked.since,
        until=asked.until,
        before=position(asked.cursor),
        limit=asked.limit + 1,
    )
    rows, cursor = page_of(call.service.house.store.feedback.find(wanted), asked.limit)
    return FeedbackPage(feedback=rows, next=cursor) if asked.format == "json" else exported(rows, asked.format, cursor)


def visible_app(caller: Caller, app: str) -> str:
    """The app to list or to write for; a key for one app means that one. Raises ``UnknownName`` for another,
    ``InvalidInput`` when a key for several does not say which."""
    if caller.key is None or not caller.key.apps:
        return app
    if app:
        if app not in caller.key.apps:
            raise UnknownName(f"There is no app named {app!r} for this key.", "Use a key that is for it.")
        return app
    if len(caller.key.apps) == 1:
        return caller.key.apps[0]
    raise InvalidInput("This key is for several apps.", "Say which one with ?app=NAME.")


def get_feedback(call: Call) -> Feedback:
    """One piece of feedback; where two apps use the same id, ``app`` says which."""
    return _found(call, call.path["id"], visible_app(call.caller, call.query.app))


def _found(call: Call, feedback_id: str, app: str = "") -> Feedback:
    feedback = call.service.house.store.feedback.get(app, feedback_id)
    if feedback is None or not call.caller.may_use(feedback.app):
        raise UnknownName(f"There is no feedback {feedback_id!r}.", "Use the feedback_id of an acknowledgement.")
    return feedback


def follow_feedback(call: Call) -> FeedbackStatus:
    """What came of a report; the link in its acknowledgement needs no key, and a key that may read needs no link."""
    if not call.query.token:
        if not call.caller.may("read"):
            raise Unauthorized("This needs a key or the token of the link.", "Use the status_url of the report.")
        return status_of(call, _found(call, call.path["id"], visible_app(call.caller, call.query.app)))
    grant = call.service.tokens.read(call.query.token, purpose="status")
    if grant.subject != call.path["id"]:
        raise Unauthorized("The token is for another report.", "Use the link as it was given.")
    return status_of(call, _found(call, grant.subject, grant.app))


def status_of(call: Call, feedback: Feedback) -> FeedbackStatus:
    """How far the report came: the case of its trace, the lesson of the case, the release with the lesson."""
    store = call.service.house.store
    made = FeedbackStatus(
        feedback_id=feedback.id, progress="received", at=feedback.at, release=None, message=MESSAGES["received"]
    )
    case = store.cases.of_trace(feedback.trace_id)
    if case is None or case.app != feedback.app:
        return made
    lesson = store.lessons.of_case(case.id)
    number = store.releases.active(feedback.app)
    release = store.releases.get(feedback.app, number) if number else None
    if case.status == "open":
        return replace_progress(made, "in_review")
    if lesson is None or lesson.status == "revoked":
        return replace_progress(made, "reviewed")
    live = release is not None and any(
        item.id == lesson.id for item in store.lessons.bank(feedback.app, release.bank_version)
    )
    return replace_progress(made, "released", number) if live else replace_progress(made, "learned")


def replace_progress(status: FeedbackStatus, progress: str, release: int | None = None) -> FeedbackStatus:
    """The status with another progress and its message."""
    return msgspec.structs.replace(status, progress=progress, message=MESSAGES[progress], release=release)


def make_feedback_token(call: Call) -> TokenOut:
    """Make a token for one answer, to hand to a browser."""
    asked: TokenIn = call.body
    trace = call.service.house.store.traces.get(asked.trace_id)
    app = trace.app if trace is not None else call.service.house.store.apps.get(asked.app).name
    if asked.app not in ("", app) or not call.caller.may_use(app):
        raise UnknownName(f"There is no trace {asked.trace_id!r} of that app.", "Name the app it belongs to.")
    tokens = call.service.tokens
    return TokenOut(token=tokens.make(app, asked.trace_id, asked.user), expires_at=tokens.expires_at())
