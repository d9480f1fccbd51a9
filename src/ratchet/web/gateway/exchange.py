"""One request on its way through the gateway: what was asked, by whom, and what is known so far."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.errors import InvalidInput
from ratchet.layers.layer import Bundle, Learned, Request
from ratchet.records.app import App
from ratchet.records.trace import Context
from ratchet.stages.capture.validate import LONGEST_TEXT
from ratchet.web.gateway.turns import Conversation, Dialect, Ids
from ratchet.web.routing import Call
from ratchet.web.stamps import answer_headers

CONTEXT = ("role", "session", "segment", "task_type", "environment")
HEADERS = ("x-ratchet-user", *(f"x-ratchet-{name.replace('_', '-')}" for name in CONTEXT))
LONGEST_NAME = 1000
NOBODY = Context()


@dataclass(slots=True)
class Exchange:
    """``started`` is the wall clock, ``clock`` one that never goes back. ``is_plain`` says that any text would do as
    the answer. ``release`` is the number of the release that answers, 0 for the bare base; ``fell_back`` that what
    was learned could not be used."""

    call: Call
    dialect: Dialect
    body: dict[str, Any]
    app: App
    talk: Conversation
    context: Context
    ids: Ids
    token: str
    started: float
    clock: float
    is_plain: bool
    learned: Learned
    bundle: Bundle | None = None
    request: Request | None = None
    release: int = 0
    fell_back: bool = False
    passed: dict[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """The headers of the answer."""
        own = answer_headers(self.ids.trace_id, self.release, self.token)
        return {"x-request-id": self.ids.trace_id, **self.passed, **own}

    @property
    def streams(self) -> bool:
        """Whether the client wants the answer piece by piece."""
        return bool(self.body.get("stream"))

    def fall_back(self, reason: str) -> None:
        """Go on without what was learned."""
        self.call.service.metrics.event("ratchet_fallbacks_total", reason)
        self.bundle = self.request = None
        self.learned = Learned(prompt=self.app.prompt)
        self.release, self.fell_back = 0, True


def begin(call: Call, dialect: Dialect) -> Exchange:
    """The exchange that a request opens. Raises ``Refusal`` for an unknown app, ``InvalidInput`` when nobody asks."""
    service = call.service
    app = service.app(call.body.model, call.caller)
    talk = dialect.conversation(call.value)
    if not talk.question.strip() and service.upstream_of(app.name) is None:
        raise InvalidInput("Nobody asks anything: there is no text of a user.", "Send a user message with text.")
    context = _context(call)
    now = service.house.outside.clock.now()
    ids = Ids(service.house.outside.ids.new("tr"), app.name, int(now))
    token = service.tokens.make(app.name, ids.trace_id, context.user)
    return Exchange(
        call, dialect, call.value, app, talk, context, ids, token, now, time.perf_counter(),
        dialect.is_plain(call.value), Learned(prompt=app.prompt),
    )  # fmt: skip


def _context(call: Call) -> Context:
    """Who asks, from OpenAI's own fields, else from headers; what is too long for a context is cut."""
    user = call.body.user or call.value.get("safety_identifier")
    metadata = call.body.metadata
    if not metadata and not any(name in call.headers for name in HEADERS):
        return Context(user=storable(user, LONGEST_NAME)) if isinstance(user, str) and user else NOBODY
    metadata = metadata or {}
    who = call.body.user or _told(metadata, call.headers, "user") or user
    role, session, segment, task_type, environment = [_told(metadata, call.headers, name) for name in CONTEXT]
    return Context(
        user=storable(who, LONGEST_NAME) if isinstance(who, str) else "",
        role=role, session=session, segment=segment, task_type=task_type, environment=environment,
    )  # fmt: skip


def _told(metadata: Mapping[str, Any], headers: Mapping[str, str], name: str) -> str:
    value = metadata.get(name) or headers.get(f"x-ratchet-{name.replace('_', '-')}", "")
    return storable(value, LONGEST_NAME) if isinstance(value, str) else ""


def storable(text: str, longest: int = LONGEST_TEXT) -> str:
    """Text as it can be stored: recording must never be what fails a request."""
    if len(text) > longest:
        text = text[:longest]
    return text.replace("\x00", "\ufffd") if "\x00" in text else text
