"""Which column of a table plays which part: as told, or guessed from the names and the first rows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ratchet.errors import InvalidInput
from ratchet.importers.fields import decoded, dig
from ratchet.importers.opinion import as_thumb
from ratchet.records.feedback import SIGNALS

ROLES = (
    "id", "app", "input", "output", "history", "at", "user", "role", "task_type", "session", "environment", "segment",
    "tags", "model", "input_tokens", "output_tokens", "latency_ms", "cost", "feedback_id", "thumb", "stars", "flags",
    "correction", "comment",
)  # fmt: skip
FEEDBACK = ("thumb", "stars", "flags", "correction", "comment")
_SYNONYMS: dict[str, tuple[str, ...]] = {
    "id": ("trace_id", "request_id", "id", "message_id", "conversation_id", "interaction_id", "uuid"),
    "app": ("app",),
    "input": ("input", "question", "query", "prompt", "request", "user_message", "user_input", "messages", "text"),
    "output": ("output", "answer", "response", "completion", "reply", "assistant_message", "bot_answer", "prediction"),
    "history": ("history", "chat_history"),
    "at": ("at", "timestamp", "time", "created_at", "date", "datetime", "start_time", "created"),
    "user": ("user", "user_id", "uid", "context.user", "meta.user", "metadata.user_id", "customer_id"),
    "role": ("role", "user_role", "context.role"),
    "task_type": ("task_type", "task", "context.task_type"),
    "session": ("session", "session_id", "thread_id", "context.session", "metadata.session_id"),
    "environment": ("environment", "env", "context.environment"),
    "segment": ("segment", "context.segment", "domain"),
    "tags": ("tags", "labels", "context.tags"),
    "model": ("model", "model_name"),
    "input_tokens": ("input_tokens", "prompt_tokens", "usage.prompt_tokens"),
    "output_tokens": ("output_tokens", "completion_tokens", "usage.completion_tokens"),
    "latency_ms": ("latency_ms", "duration_ms"),
    "cost": ("cost", "total_cost", "cost_usd"),
    "feedback_id": ("feedback_id", "event_id", "score_id"),
    "thumb": ("thumb", "thumbs", "user_feedback", "thumbs_up", "liked", "helpful", "feedback", "vote", "rating"),
    "stars": ("stars", "star_rating"),
    "flags": ("flags", "flag"),
    "correction": ("correction", "corrected_answer", "ideal_answer", "expected_output", "expected_answer", "expected"),
    "comment": ("comment", "comments", "feedback_text", "feedback_comment", "reason"),
}
_SCORE_PREFIX = re.compile(r"scores?[._ ](.+)", re.IGNORECASE)
_LISTED = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """The column of every part, of every named score and of every signal; ``guessed`` when nobody said so."""

    roles: Mapping[str, str]
    scores: Mapping[str, str] = field(default_factory=dict)
    signals: Mapping[str, str] = field(default_factory=dict)
    guessed: bool = False

    def said(self) -> list[str]:
        """The same as one would write it on the command line."""
        parts = [("", self.roles), ("score.", self.scores), ("signal.", self.signals)]
        return [f"{prefix}{name}={column}" for prefix, some in parts for name, column in some.items()]


def read_mapping(told: Iterable[str]) -> Columns:
    """Columns out of ``ROLE=COLUMN`` texts; raises ``InvalidInput`` for a role that there is not."""
    roles: dict[str, str] = {}
    scores: dict[str, str] = {}
    signals: dict[str, str] = {}
    for text in told:
        role, equals, column = (part.strip() for part in text.partition("="))
        if not equals or not column:
            raise InvalidInput(f"The mapping {text!r} names no column.", "Write --map ROLE=COLUMN.")
        if role.startswith("score.") and role != "score.":
            scores[role.removeprefix("score.")] = column
        elif role.removeprefix("signal.") in SIGNALS and role.startswith("signal."):
            signals[role.removeprefix("signal.")] = column
        elif role in ROLES:
            roles[role] = column
        else:
            known = ", ".join((*ROLES, "score.NAME", *(f"signal.{name}" for name in sorted(SIGNALS))))
            raise InvalidInput(f"There is no role {role!r} to map a column to.", f"Use one of: {known}.")
    return Columns(roles, scores, signals)


def chosen(told: Iterable[str], sample: list[dict[str, Any]], name: str) -> Columns:
    """The mapping as told, checked against the first rows of the file ``name``; a guess when none was told.

    Raises ``InvalidInput``, naming the columns there are, for a column that no row has or a file with nothing to map.
    """
    there = columns_of(sample)
    columns = read_mapping(told)
    if not columns.said():
        columns = guessed(sample)
    for column in (*columns.roles.values(), *columns.scores.values(), *columns.signals.values()):
        if column not in there and all(dig(row, column) is None for row in sample):
            raise InvalidInput(f"{name} has no column {column!r}.", _there_are(there))
    if "input" not in columns.roles and not _is_feedback_only(columns):
        raise InvalidInput(
            f"It is not clear which column of {name} holds the input.", f"Add --map input=COLUMN. {_there_are(there)}"
        )
    return columns


def _is_feedback_only(columns: Columns) -> bool:
    """Whether there is feedback, and the id of the trace that it is about."""
    said = columns.scores or columns.signals or any(role in columns.roles for role in FEEDBACK)
    return bool(said) and "id" in columns.roles


def columns_of(sample: Iterable[Mapping[str, Any]]) -> list[str]:
    """The columns of these rows, those of objects inside them with dots."""
    found: dict[str, None] = {}
    for row in sample:
        for name, value in row.items():
            found.setdefault(name)
            inner = decoded(value)
            for below in inner if isinstance(inner, Mapping) else ():
                found.setdefault(f"{name}.{below}")
    return list(found)


def guessed(sample: list[dict[str, Any]]) -> Columns:
    """The likely column of every part. A rating counts as a thumb only where all its values are thumbs."""
    there = columns_of(sample)
    plain = {_plain(name): name for name in reversed(there)}
    roles: dict[str, str] = {}
    for role, names in _SYNONYMS.items():
        free = (plain[name] for name in names if name in plain and plain[name] not in roles.values())
        column = next((one for one in free if role != "thumb" or _are_thumbs(sample, one)), None)
        if column is not None:
            roles[role] = column
    taken = set(roles.values())
    scores = {
        match[1]: name
        for name in there
        if name not in taken and (match := _SCORE_PREFIX.fullmatch(name)) and _holds_values(sample, name)
    }
    if "rating" in plain and plain["rating"] not in taken:
        scores["rating"] = plain["rating"]
    return Columns(roles, scores, guessed=True)


def _plain(name: str) -> str:
    """A column's name without its way of writing: ``User ID``, ``userId`` and ``user-id`` are ``user_id``."""
    return re.sub(r"[\s-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())).lower()


def _are_thumbs(sample: list[dict[str, Any]], column: str) -> bool:
    values = [value for row in sample if (value := dig(row, column)) not in (None, "")]
    return bool(values) and all(as_thumb(value) for value in values)


def _holds_values(sample: list[dict[str, Any]], column: str) -> bool:
    return any(isinstance(dig(row, column), str | int | float) for row in sample)


def _there_are(columns: list[str]) -> str:
    more = f" and {len(columns) - _LISTED} more" if len(columns) > _LISTED else ""
    return f"It has: {', '.join(columns[:_LISTED]) or 'none'}{more}."
