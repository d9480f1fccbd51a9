"""Apps on the wire: declaring them, asking them, and what a release knows."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from ratchet.records.app import App, Kind
from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage
from ratchet.records.trace import Influence, Source, Turn
from ratchet.wire.limits import Text, Words

MOST_PASSAGES = 20_000


class AppIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Declares an app whose base is a function of the caller's own; ``base`` is that function's name."""

    kind: Kind = "answer"
    base: Words = "function"
    labels: dict[str, str] = field(default_factory=dict)
    prompt: Text = ""


class AppOut(Struct, kw_only=True, frozen=True):
    """An app and how it stands: the release in force, traces, cases that wait, and outcomes of intake."""

    app: App
    release: int
    traces: int
    waiting: int
    tallies: dict[str, int]


class PassageIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """One piece of knowledge."""

    passage_id: Annotated[str, Meta(min_length=1, max_length=200)]
    text: Annotated[str, Meta(min_length=1, max_length=100_000)]
    title: Words = ""


class KnowledgeIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """All of an app's knowledge, in place of what it had."""

    passages: Annotated[list[PassageIn], Meta(max_length=MOST_PASSAGES)]


class KnowledgeOut(Struct, kw_only=True, frozen=True):
    """The version of the knowledge now current."""

    version: int
    passages: int


class AskIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """A question to an app, with what is known of who asks; ``history`` holds the turns before it."""

    input: Annotated[Text, Meta(min_length=1)]
    user: Words = ""
    role: Words = ""
    task_type: Words = ""
    session: Words = ""
    environment: Words = ""
    segment: Words = ""
    tags: Annotated[list[Words], Meta(max_length=50)] = field(default_factory=list)
    history: list[Turn] = field(default_factory=list)


class AnswerOut(Struct, kw_only=True, frozen=True):
    """An answer. ``id`` names its trace; ``feedback_token`` lets a browser rate it without a key."""

    id: str
    app: str
    output: str
    release: int
    source: Source
    confidence: float | None
    passage_id: str
    influences: list[Influence]
    feedback_token: str


class LearnedPassage(Struct, kw_only=True, frozen=True):
    """A passage found for a question; ``lesson_id`` names the reviewed question that led to it, if one did."""

    id: str
    title: str
    text: str
    score: float
    lesson_id: str


class LearnedOut(Struct, kw_only=True, frozen=True):
    """What the release in force knows about a question; ``reviewed`` is set when a person answered that very question.

    ``trace_id`` is reserved for the answer: record it under this id, and ``feedback_token`` will fit.
    """

    trace_id: str
    release: int
    prompt: str
    passages: list[LearnedPassage]
    examples: list[Lesson]
    reviewed: Lesson | None
    messages: list[dict[str, str]]
    feedback_token: str


class ReleaseContent(Struct, kw_only=True, frozen=True):
    """The release in force with all that it reads, for a client to keep: it can answer from this alone.

    ``id`` is the SHA-256 of the canonical manifest (empty for the bare base, release 0). ``revision`` changes whenever
    anything here does, a revocation too.
    """

    app: App
    number: int
    id: str
    manifest: str
    revision: str
    lessons: list[Lesson]
    passages: list[Passage]


class LearnIn(Struct, kw_only=True, forbid_unknown_fields=True, frozen=True):
    """Runs one turn of the loop; with ``now``, reviewers are asked to compare even when little is new."""

    now: bool = False


class LearnOut(Struct, kw_only=True, frozen=True):
    """What the turn did. ``decision`` is the gate's, empty when it had nothing to decide."""

    summary: str
    decision: Literal["", "pass", "reject", "hold"]
    candidate_id: str
    release: int | None
    waiting: int
    gathering: int
    assessed: int
    opened: int
