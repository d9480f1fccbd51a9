"""What a request held: traces, feedback, and what was refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from ratchet.records.trace import Turn
from ratchet.web.otlp.facts import OWN_ID, app_of, context_of, cost_of, model_of, tokens_of
from ratchet.web.otlp.messages import Exchange, Message, answer_of, question_of
from ratchet.web.otlp.payload import Attributes, seconds
from ratchet.web.otlp.storable import storable_text
from ratchet.wire.feedback import FeedbackIn
from ratchet.wire.limits import LONGEST_ID
from ratchet.wire.traces import TraceIn

MOST_TURNS = 200


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that cannot be kept: the ``id`` it would have had, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Received:
    """What a request held; ``held`` is how many halves of a call wait for the rest."""

    traces: tuple[TraceIn, ...] = ()
    feedback: tuple[FeedbackIn, ...] = ()
    refused: tuple[Refused, ...] = ()
    held: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a model, or one run of a chain or an agent; times in nanoseconds since the epoch, 0 if unknown.

    ``above`` holds the attributes of the spans around it, nearest first.
    """

    trace: str
    span: str
    start: int
    end: int
    attributes: Attributes
    resource: Attributes
    above: tuple[Attributes, ...] = field(default=())

    @property
    def id(self) -> str:
        """The trace's id: the application's own, or made of the ids of the OpenTelemetry trace and span."""
        own = storable_text(self.attributes.get(OWN_ID)).strip()
        return own or (f"{self.trace}-{self.span}" if self.trace and self.span else "")


def make_trace(call: Call, exchange: Exchange, default_app: str) -> TraceIn | Refused | None:
    """The trace of a call; None where its answer only asks for tools, as the answer is yet to come."""
    history, question = question_of(exchange.asked)
    answer = answer_of(exchange.answered)
    if not answer and any(message.calls for message in exchange.answered):
        return None
    app = app_of(call.attributes, call.resource, default_app)
    reason = _problem(call.id, app, exchange, question, answer)
    if reason:
        return Refused(call.id[:LONGEST_ID], reason)
    tokens_in, tokens_out = tokens_of(call.attributes)
    return TraceIn(
        app=app,
        input=storable_text(question),
        output=storable_text(answer),
        id=call.id,
        at=seconds(call.start),
        context=context_of((call.attributes, *call.above, call.resource)),
        history=[_turn(message) for message in history[-MOST_TURNS:]],
        model=model_of(call.attributes),
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        latency_ms=(call.end - call.start) / 1e6 if 0 < call.start <= call.end else None,
        cost=cost_of(call.attributes),
    )


def _turn(message: Message) -> Turn:
    return Turn(storable_text(message.role, LONGEST_ID).strip() or "user", storable_text(message.text))


def _problem(id: str, app: str, exchange: Exchange, question: str, answer: str) -> str:
    if not id:
        return "It has no valid trace id and span id: 32 and 16 hexadecimal digits, not all zeros."
    if len(id) > LONGEST_ID:
        return f"The attribute {OWN_ID} has more than {LONGEST_ID} characters."
    if not app:
        return "It names no app: set ratchet.app or service.name in OTEL_RESOURCE_ATTRIBUTES."
    if not any(message.text.strip() for message in exchange.asked):
        return "It has an answer and no question."
    if not question.strip():
        return "The last message of the user has no text."
    return "" if answer.strip() else "It has a question and no answer."
