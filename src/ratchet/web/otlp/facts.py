"""Who asked, of which app, what it took: everything in a trace that is not a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ratchet.records.trace import Context
from ratchet.web.otlp.messages import decoded
from ratchet.web.otlp.payload import Attributes, Value
from ratchet.web.otlp.storable import amount, app_name, count, storable_words

OWN_ID = "ratchet.trace.id"
MOST_TAGS = 50

_APP, _AGENT, _SERVICE = "ratchet.app", "gen_ai.agent.name", "service.name"
# What an SDK says when nobody named the service.
_UNNAMED = re.compile(r"unknown_service(:.*)?", re.DOTALL)
_PLACES = {
    "user": ("ratchet.user", "user.id", "enduser.id", "langfuse.user.id", "traceloop.association.properties.user_id"),
    "session": (
        "ratchet.session", "session.id", "gen_ai.conversation.id", "langfuse.session.id",
        "traceloop.association.properties.session_id",
    ),
    "environment": (
        "ratchet.environment", "deployment.environment.name", "deployment.environment", "langfuse.environment",
    ),
    "segment": ("ratchet.segment", "langfuse.trace.metadata.segment"),
    "role": ("ratchet.role", "langfuse.trace.metadata.role"),
    "task_type": ("ratchet.task_type", "langfuse.trace.metadata.task_type"),
}  # fmt: skip
_TAGS = ("tag.tags", "langfuse.trace.tags", "ratchet.tags")
_MODEL = (
    "gen_ai.response.model", "gen_ai.request.model", "llm.model_name", "langfuse.observation.model.name",
)  # fmt: skip
_ASKED = ("gen_ai.usage.input_tokens", "llm.token_count.prompt", "gen_ai.usage.prompt_tokens")
_ANSWERED = ("gen_ai.usage.output_tokens", "llm.token_count.completion", "gen_ai.usage.completion_tokens")
_COST = ("gen_ai.usage.cost", "llm.cost.total")


def find(places: Iterable[Attributes], names: Sequence[str]) -> Value:
    """The first of ``names`` that the nearest of ``places`` holds; None if none does."""
    for place in places:
        for name in names:
            if place.get(name) not in (None, ""):
                return place[name]
    return None


def app_of(attributes: Attributes, resource: Attributes, default: str) -> str:
    """The app's name: ``ratchet.app``, the agent's, the service's, or ``default``; empty where there is none."""
    service = resource.get(_SERVICE)
    named = "" if isinstance(service, str) and _UNNAMED.fullmatch(service) else app_name(service)
    return explicit_app(attributes, resource) or app_name(attributes.get(_AGENT)) or named or default


def explicit_app(attributes: Attributes, resource: Attributes) -> str:
    """The app that the application itself named in ``ratchet.app``."""
    return app_name(find((attributes, resource), (_APP,)))


def context_of(places: Sequence[Attributes]) -> Context:
    """Who asked, where and during what; ``places`` are searched in turn."""
    fields = {name: storable_words(find(places, names)) for name, names in _PLACES.items()}
    described = decoded(find(places, ("metadata",)))
    if isinstance(described, dict):
        for name in ("segment", "role", "task_type"):
            fields[name] = fields[name] or storable_words(described.get(name))
    return Context(**fields, tags=_tags(find(places, _TAGS)))


def _tags(value: Value) -> tuple[str, ...]:
    found = decoded(value)
    tags = map(storable_words, found if isinstance(found, list) else [found])
    return tuple(tag for tag in tags if tag)[:MOST_TAGS]


def model_of(attributes: Attributes) -> str:
    """What answered."""
    return storable_words(find((attributes,), _MODEL))


def tokens_of(attributes: Attributes) -> tuple[int | None, int | None]:
    """Tokens that went in and came out, None where unknown."""
    return count(find((attributes,), _ASKED)), count(find((attributes,), _ANSWERED))


def cost_of(attributes: Attributes) -> float | None:
    """What the call cost, in the application's currency."""
    return amount(find((attributes,), _COST))
