"""What the inside asks of the outside: time, ids, embeddings, language models and stores by concern.

Every store call made inside ``with store.transaction():`` belongs to that transaction; outside, a call is a
transaction of its own. Records go in and come out; SQL stays in ``storage``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ratchet.records.app import App
from ratchet.records.assessment import Assessment
from ratchet.records.audit import AuditEntry
from ratchet.records.candidate import Candidate
from ratchet.records.canonical import Json
from ratchet.records.case import Case
from ratchet.records.feedback import Feedback, Score
from ratchet.records.filters import FeedbackFilter, TraceFilter
from ratchet.records.gate import GateReport
from ratchet.records.key import Key
from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage
from ratchet.records.release import Release, ReleaseStatus
from ratchet.records.suite import SuiteCase
from ratchet.records.trace import Trace
from ratchet.records.verdict import Verdict

Vector: TypeAlias = NDArray[np.float32]
Arrival: TypeAlias = Literal["new", "same", "other"]
R = TypeVar("R")
T = TypeVar("T")


class Clock(Protocol):
    """Tells the time, in seconds since the epoch (UTC)."""

    def now(self) -> float:
        """The present time."""
        ...


class Ids(Protocol):
    """Makes new identifiers, never the same twice."""

    def new(self, prefix: str) -> str:
        """An identifier that starts with ``prefix`` and an underscore."""
        ...


class Embedder(Protocol):
    """Turns texts into unit vectors; ``fingerprint`` changes whenever the vectors would."""

    @property
    def fingerprint(self) -> str:
        """Names the method and the hash of its weights."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        ...

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vector:
        """float32 array (texts x dimensions), rows of length 1; ``progress`` is told how many texts are done."""
        ...


class VectorBank(Protocol):
    """The embedder with its memory: what may be forgotten, and what is stored with the lessons."""

    @property
    def fingerprint(self) -> str: ...

    def embed(self, texts: Sequence[str]) -> Vector:
        """Vectors of passing texts, remembered in memory for a while."""
        ...

    def keep(self, texts: Sequence[str]) -> Vector:
        """Vectors of texts that stay (lessons, passages, suites), stored in the database."""
        ...


@dataclass(frozen=True, slots=True)
class Completion:
    """What a language model answered; token counts are ``None`` where the endpoint does not report them."""

    text: str
    model: str
    finish_reason: str = ""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class LanguageModel(Protocol):
    """A chat model behind some endpoint."""

    def complete(self, model: str, messages: Sequence[Mapping[str, str]], **parameters: Any) -> Completion:
        """One answer to ``messages``; raises ``ProviderError``."""
        ...


class AppStore(Protocol):
    """The declared apps."""

    def put(self, app: App) -> None: ...
    def get(self, name: str) -> App:
        """The app; raises ``UnknownName`` with the names there are."""
        ...

    def named(self, names: Iterable[str]) -> set[str]:
        """Those of the names that are apps."""
        ...

    def all(self) -> list[App]: ...


class TraceStore(Protocol):
    """Traces, and what enrichment concluded of them."""

    def add(self, trace: Trace) -> bool:
        """Store it; ``False`` when a trace of that id was there already (nothing is changed then)."""
        ...

    def add_many(self, traces: Sequence[Trace]) -> list[bool]:
        """Store those whose id is new; for each whether it was."""
        ...

    def get(self, trace_id: str) -> Trace | None: ...
    def apps_of(self, trace_ids: Iterable[str]) -> dict[str, str]:
        """The app of each of those traces that have arrived."""
        ...

    def find(self, wanted: TraceFilter) -> list[Trace]:
        """The traces that fit, newest first."""
        ...

    def many(self, trace_ids: Iterable[str]) -> dict[str, Trace]: ...
    def recent(self, app: str, limit: int) -> list[Trace]:
        """The newest traces, newest first."""
        ...

    def count(self, app: str) -> int: ...
    def assess(self, assessment: Assessment) -> None: ...
    def assessment(self, trace_id: str) -> Assessment | None: ...


class FeedbackStore(Protocol):
    """Feedback events, the standing scores, and what could not be processed."""

    def add(self, feedback: Feedback) -> bool:
        """Store it; ``False`` for an event id seen before. Per (trace, user, name) the last value stands."""
        ...

    def add_many(self, events: Sequence[Feedback]) -> list[Arrival]:
        """Store the new ones; for each whether its id was new, known with the same content, or with other content."""
        ...

    def get(self, app: str, feedback_id: str) -> Feedback | None: ...
    def find(self, wanted: FeedbackFilter) -> list[Feedback]:
        """The feedback that fits, newest first."""
        ...

    def scores(self, trace_id: str) -> dict[str, list[Score]]:
        """The standing scores by user."""
        ...

    def history(self, trace_id: str) -> list[Feedback]: ...
    def unassessed(self, app: str, limit: int) -> list[str]:
        """Ids of traces that have feedback newer than their assessment, oldest first."""
        ...

    def praised(self, app: str, limit: int) -> list[tuple[Trace, str]]:
        """Traces that somebody rated well and nobody badly, newest first, with one user who said so."""
        ...

    def tally(self, app: str, outcome: str, amount: int = 1) -> None:
        """Count an outcome of intake: received, stored, duplicate, rejected or quarantined."""
        ...

    def tally_all(self, amounts: Mapping[tuple[str, str], int]) -> None: ...
    def tallies(self, app: str) -> dict[str, int]: ...
    def quarantine(self, app: str, event_id: str, at: float, reason: str, body: str) -> None: ...
    def unquarantine(self, app: str, reason: str, before: float) -> None: ...
    def quarantined(self, app: str, limit: int) -> list[tuple[str, float, str, str]]:
        """Event id, time, reason and body of what could not be processed, newest first."""
        ...


class CaseStore(Protocol):
    """Cases and the verdicts on them."""

    def open(self, case: Case) -> bool:
        """Open it; ``False`` when its trace has a case already (new reasons are then added to that one)."""
        ...

    def get(self, case_id: str) -> Case | None: ...
    def of_trace(self, trace_id: str) -> Case | None: ...
    def waiting(self, app: str) -> int: ...
    def decided(self, app: str) -> int: ...
    def opened(self, app: str) -> list[Case]: ...
    def traces_with_case(self, app: str) -> set[str]: ...
    def reserve(self, case_id: str, reviewer: str, now: float, until: float) -> bool:
        """Hold an open case for one reviewer; ``False`` when somebody else holds it or it is decided."""
        ...

    def decide(self, verdict: Verdict) -> None:
        """Store the verdict and close its case; raises ``Conflict`` when it was decided already."""
        ...

    def verdicts(self, app: str) -> list[Verdict]: ...
    def verdicts_on(self, trace_ids: Iterable[str]) -> dict[str, Verdict]:
        """The verdicts on those traces that have one, by trace id."""
        ...


class LessonStore(Protocol):
    """Lessons, and the versions of the bank that layers read them from."""

    def add(self, lesson: Lesson) -> None: ...
    def get(self, lesson_id: str) -> Lesson | None: ...
    def of_case(self, case_id: str) -> Lesson | None: ...
    def all(self, app: str) -> list[Lesson]: ...
    def retire(self, lesson_id: str, status: str) -> None: ...
    def bank(self, app: str, version: int) -> list[Lesson]:
        """The lessons in force in that version of the bank, oldest first."""
        ...

    def set_bank(self, app: str, version: int, lesson_ids: Iterable[str]) -> None:
        """Make exactly these lessons the bank from ``version`` on; earlier versions stay as they are."""
        ...

    def counts(self, app: str) -> dict[str, int]:
        """How many lessons there are of each status."""
        ...

    def denied(self, app: str) -> frozenset[str]:
        """Ids of revoked lessons; they are ignored by every release, past ones too."""
        ...


class KnowledgeStore(Protocol):
    """The team's own passages, versioned."""

    def replace(self, app: str, passages: Sequence[Passage]) -> int:
        """Make exactly these passages the current knowledge; the new version's number (the old one if equal)."""
        ...

    def version(self, app: str) -> int: ...
    def passages(self, app: str, version: int) -> list[Passage]: ...


class SuiteStore(Protocol):
    """Held-out cases."""

    def add(self, cases: Iterable[SuiteCase]) -> int:
        """Store the new ones; how many were new."""
        ...

    def cases(self, app: str) -> list[SuiteCase]: ...
    def drop(self, app: str, case_ids: Iterable[str]) -> None: ...


class ReleaseStore(Protocol):
    """Candidates, gate reports, releases, and the pointer to the one in force."""

    def put_candidate(self, candidate: Candidate) -> None: ...
    def candidate(self, candidate_id: str) -> Candidate | None: ...
    def candidates(self, app: str) -> list[Candidate]: ...
    def next_bank_version(self, app: str) -> int: ...
    def add_report(self, report: GateReport) -> None: ...
    def reports(self, candidate_id: str) -> list[GateReport]: ...
    def add(self, release: Release) -> None: ...
    def get(self, app: str, number: int) -> Release | None:
        """The release with a verified manifest; raises ``Conflict`` when its manifest was altered."""
        ...

    def all(self, app: str) -> list[Release]: ...
    def numbers(self, app: str) -> list[int]:
        """Numbers of all releases, their manifests unread."""
        ...

    def set_status(self, app: str, number: int, status: ReleaseStatus) -> None: ...
    def active(self, app: str) -> int:
        """Number of the release in force; 0 for the bare base."""
        ...

    def point(self, app: str, number: int, *, expected: int) -> None:
        """Put ``number`` in force if ``expected`` still is; raises ``Conflict`` otherwise."""
        ...


class AuditLog(Protocol):
    """The append-only record of every change."""

    def append(self, at: float, actor: str, action: str, app: str, subject: str, details: Mapping[str, Json]) -> None:
        """Add an entry in the transaction of the change it records."""
        ...

    def has(self, subject: str) -> bool: ...
    def entries(self, app: str | None = None) -> list[AuditEntry]: ...


class VectorStore(Protocol):
    """Embeddings by content: float16 in the database, looked up by embedder and text."""

    def get(self, fingerprint: str, texts: Sequence[str]) -> dict[str, Vector]: ...
    def put(self, fingerprint: str, vectors: Mapping[str, Vector]) -> None: ...
    def fingerprints(self) -> dict[str, int]:
        """How many vectors there are of each embedder."""
        ...

    def forget(self, fingerprint: str) -> int: ...


class KeyStore(Protocol):
    """Who may call the service, by the hash of a secret; and the secrets that sign feedback tokens."""

    def add(self, key: Key, secret_hash: str) -> None: ...
    def by_hash(self, secret_hash: str) -> Key | None: ...
    def all(self) -> list[Key]: ...
    def revoke(self, key_id: str, at: float) -> Key: ...
    def token_secrets(self) -> list[tuple[str, float, str]]:
        """Id, time and secret of those that are valid, oldest first; the last one signs."""
        ...

    def add_token_secret(self, key_id: str, at: float, secret: str, *, keep: int) -> None: ...


class LeaseStore(Protocol):
    """Who may do a piece of work now."""

    def take(self, name: str, owner: str, now: float, until: float) -> int | None:
        """Take or renew the lease; its fence, or ``None`` while somebody else holds it."""
        ...

    def give_back(self, name: str, owner: str) -> None: ...


class Store(Protocol):
    """Everything durable, by concern."""

    @property
    def apps(self) -> AppStore: ...
    @property
    def traces(self) -> TraceStore: ...
    @property
    def feedback(self) -> FeedbackStore: ...
    @property
    def cases(self) -> CaseStore: ...
    @property
    def lessons(self) -> LessonStore: ...
    @property
    def knowledge(self) -> KnowledgeStore: ...
    @property
    def suites(self) -> SuiteStore: ...
    @property
    def releases(self) -> ReleaseStore: ...
    @property
    def audit(self) -> AuditLog: ...
    @property
    def vectors(self) -> VectorStore: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def leases(self) -> LeaseStore: ...

    def transaction(self) -> AbstractContextManager[None]:
        """All calls inside are committed together or not at all; a transaction inside a transaction joins it."""
        ...

    def submit(self, write: Callable[[], T]) -> Future[T]:
        """Run ``write`` on the journal's thread, in a shared commit; the future resolves once it is durable."""
        ...

    def submit_each(self, handle: Callable[[list[R]], list[T]], record: R) -> Future[T]:
        """Have ``handle`` write ``record`` in a shared commit, in one call with others that wait for it."""
        ...

    def depth(self) -> int:
        """How many writes wait for the journal."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Outside:
    """What every stage is handed: storage, vectors, time, ids."""

    store: Store
    vectors: VectorBank
    clock: Clock
    ids: Ids
