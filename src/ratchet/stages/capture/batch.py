"""Takes many rows in at once: each is checked by itself, all that pass are written together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from ratchet.errors import Conflict, InvalidInput, RatchetError
from ratchet.interfaces import Outside
from ratchet.records.app import App
from ratchet.records.feedback import Feedback
from ratchet.records.trace import Trace
from ratchet.stages.capture.intake import checked_feedback, checked_trace, other_feedback
from ratchet.wire.feedback import BatchAck, FeedbackIn, RowResult
from ratchet.wire.traces import TraceBatchIn, TraceIn

OBSERVED = "observed"
MOST_APPS = 1000
Outcome = Literal["stored", "duplicate", "rejected"]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one row; ``error`` says why it was refused. ``feedback`` is set for feedback that was taken."""

    id: str
    outcome: Outcome
    error: RatchetError | None = None
    feedback: Feedback | None = None

    def result(self) -> RowResult:
        """The row's line in the acknowledgement."""
        if self.error is None:
            return RowResult(id=self.id, outcome=self.outcome)
        return RowResult(id=self.id, outcome=self.outcome, error=self.error.what, fix=self.error.fix)


@dataclass(slots=True)
class Prepared:
    """Checked rows on their way to the disk. ``rows`` holds them in order: a trace, feedback, or why it was refused."""

    rows: list[Trace | Feedback | Taken] = field(default_factory=list)


class Intake:
    """Checks rows on the caller's thread and writes them on the journal's.

    Apps nobody declared are taken as *observed*: their traces are kept, but nothing here can answer for them.
    """

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def prepare(self, traces: Iterable[TraceIn], feedback: Iterable[FeedbackIn] = ()) -> Prepared:
        """Check every row by itself; the refused ones keep their place, with the reason."""
        prepared = Prepared()
        for row in traces:
            try:
                prepared.rows.append(self.trace(row))
            except RatchetError as error:
                prepared.rows.append(Taken(row.id, "rejected", error))
        for said in feedback:
            try:
                prepared.rows.append(self.feedback(said))
            except RatchetError as error:
                prepared.rows.append(Taken(said.event_id or said.id, "rejected", error))
        return prepared

    def trace(self, row: TraceIn) -> Trace:
        """The trace a row stands for. Raises ``InvalidInput``."""
        trace = Trace(
            id=row.id or self._outside.ids.new("tr"),
            app=row.app,
            at=self._outside.clock.now() if row.at is None else row.at,
            input=row.input,
            output=row.output,
            context=row.context,
            release=row.release,
            source=row.source,
            confidence=row.confidence,
            passage_id=row.passage_id,
            influences=tuple(row.influences),
            latency_ms=row.latency_ms,
            cost=row.cost,
            history=tuple(row.history),
            model=row.model,
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
        )
        _usable_app(row.app)
        return checked_trace(trace)

    def feedback(self, row: FeedbackIn) -> Feedback:
        """The feedback a row stands for; its app may still be empty. Raises ``InvalidInput``."""
        return checked_feedback(
            self._outside,
            row.app,
            row.id,
            event_id=row.event_id,
            at=row.at,
            user=row.user,
            scores=row.scores,
            thumb=row.thumb,
            stars=row.stars,
            flags=row.flags,
            correction=row.correction,
            comment=row.comment,
            signals=row.signals,
        )

    def write(self, waiting: list[Prepared]) -> list[list[Taken]]:
        """Store all rows of all batches in this thread's transaction; what became of each."""
        with self._outside.store.transaction():
            traces = [row for prepared in waiting for row in prepared.rows if isinstance(row, Trace)]
            said = [row for prepared in waiting for row in prepared.rows if isinstance(row, Feedback)]
            apps = _Apps(self._outside, {trace.app for trace in traces} | {feedback.app for feedback in said})
            apps.declare(trace.app for trace in traces)
            results = dict(zip(map(id, traces), self._store_traces(traces, apps), strict=True))
            results.update(zip(map(id, said), self._store_feedback(said, apps), strict=True))
            taken = [[row if isinstance(row, Taken) else results[id(row)] for row in prepared.rows]
                     for prepared in waiting]  # fmt: skip
            self._count(waiting, taken, apps)
        return taken

    def _store_traces(self, traces: Sequence[Trace], apps: _Apps) -> list[Taken]:
        good = [trace for trace in traces if trace.app in apps.known]
        new = dict(zip(map(id, good), self._outside.store.traces.add_many(good), strict=True))
        owners = self._outside.store.traces.apps_of(trace.id for trace in good if not new[id(trace)])
        return [self._came(trace, new.get(id(trace)), owners) for trace in traces]

    def _came(self, trace: Trace, is_new: bool | None, owners: Mapping[str, str]) -> Taken:
        if is_new is None:
            return Taken(trace.id, "rejected", _too_many(trace.app))
        if not is_new and owners[trace.id] != trace.app:
            # To call it a duplicate would acknowledge a row that is nowhere.
            return Taken(trace.id, "rejected", _taken_id(trace.id))
        return Taken(trace.id, "stored" if is_new else "duplicate")

    def _store_feedback(self, said: Sequence[Feedback], apps: _Apps) -> list[Taken]:
        """Each under its trace's app; feedback may come before its trace if it says which app it is for."""
        if not said:
            return []
        found = self._outside.store.traces.apps_of(feedback.trace_id for feedback in said)
        placed = [self._placed(feedback, found.get(feedback.trace_id, ""), apps) for feedback in said]
        good = [feedback for feedback in placed if isinstance(feedback, Feedback)]
        arrivals = iter(self._outside.store.feedback.add_many(good))
        return [self._arrived(feedback, next(arrivals)) if isinstance(feedback, Feedback) else feedback
                for feedback in placed]  # fmt: skip

    def _arrived(self, feedback: Feedback, arrival: str) -> Taken:
        if arrival == "other":
            return Taken(feedback.id, "rejected", other_feedback(feedback))
        return Taken(feedback.id, "stored" if arrival == "new" else "duplicate", feedback=feedback)

    def _placed(self, feedback: Feedback, arrived_for: str, apps: _Apps) -> Feedback | Taken:
        try:
            app = self._app_of(feedback, arrived_for, apps)
        except RatchetError as error:
            return Taken(feedback.id, "rejected", error)
        return feedback if feedback.app == app else replace(feedback, app=app)

    def _app_of(self, feedback: Feedback, arrived_for: str, apps: _Apps) -> str:
        if arrived_for:
            if feedback.app not in ("", arrived_for):
                raise InvalidInput(
                    f"The trace {feedback.trace_id} belongs to {arrived_for}, not to {feedback.app}.",
                    f"Send it for {arrived_for}.",
                )
            return arrived_for
        if feedback.app:
            return apps.checked(feedback.app)
        names = apps.all()
        if len(names) == 1:
            return next(iter(names))
        raise InvalidInput(
            f"The trace {feedback.trace_id!r} has not arrived, and there are {len(names)} apps.",
            "Say which app it belongs to in `app`.",
        )

    def _count(self, waiting: Sequence[Prepared], taken: Sequence[Sequence[Taken]], apps: _Apps) -> None:
        """received = stored + duplicate + rejected, app by app; a row refused before its app is known has none."""
        counts: Counter[tuple[str, str]] = Counter()
        for prepared, results in zip(waiting, taken, strict=True):
            for row, result in zip(prepared.rows, results, strict=True):
                named = result.feedback.app if result.feedback else getattr(row, "app", "")
                app = named if result.feedback or named in apps.known else ""
                counts[app, "received"] += 1
                counts[app, result.outcome] += 1
        if counts:
            self._outside.store.feedback.tally_all(counts)


class _Apps:
    """The apps that the rows of one commit name. They are looked up in every commit: an app that one commit declared
    is gone if it failed."""

    def __init__(self, outside: Outside, names: set[str]) -> None:
        self._outside = outside
        self.known = outside.store.apps.named(names)
        self._all: set[str] | None = None
        self._refused: dict[str, RatchetError] = {}

    def all(self) -> set[str]:
        """The names of all apps there are."""
        if self._all is None:
            self._all = {app.name for app in self._outside.store.apps.all()}
        return self._all

    def declare(self, names: Iterable[str]) -> None:
        """Declare those that are missing as observed, as far as there is room."""
        for name in sorted(set(names) - self.known):
            if len(self.all()) < MOST_APPS:
                fingerprint = self._outside.vectors.fingerprint
                self._outside.store.apps.put(
                    App(name=name, kind="chat", base=OBSERVED, embedder=fingerprint, labels={})
                )
                self.all().add(name)
                self.known.add(name)

    def checked(self, name: str) -> str:
        """The name, if it is an app's. Raises ``UnknownName``, made once for each name."""
        if name not in self.known and name not in self._refused:
            try:
                self._outside.store.apps.get(name)
            except RatchetError as error:
                self._refused[name] = error
        if name in self._refused:
            raise self._refused[name]
        return name


@lru_cache(4096)
def _usable_app(name: str) -> None:
    """Refuse a name that no app can have."""
    App(name=name, kind="chat", base=OBSERVED, embedder="", labels={})


def _taken_id(trace_id: str) -> RatchetError:
    """The error for a trace whose id stands for one of another app, which is not named: it may be none of theirs."""
    return Conflict(f"The trace id {trace_id!r} is taken by another app.", "Give every trace an id of its own.")


def _too_many(name: str) -> InvalidInput:
    """The error for a name that would be one app too many."""
    return InvalidInput(
        f"There are {MOST_APPS:,} apps already, and {name!r} would be one more.", "Use fewer app names."
    )


def acknowledgement(taken: Sequence[Taken]) -> BatchAck:
    """The acknowledgement of one batch."""
    counts = Counter(row.outcome for row in taken)
    return BatchAck(
        stored=counts["stored"],
        duplicate=counts["duplicate"],
        rejected=counts["rejected"],
        results=[row.result() for row in taken],
    )


def take_batch(outside: Outside, batch: TraceBatchIn) -> BatchAck:
    """Take one batch and wait until what was accepted is on disk."""
    intake = Intake(outside)
    prepared = intake.prepare(batch.traces, batch.feedback)
    return acknowledgement(outside.store.submit_each(intake.write, prepared).result())
