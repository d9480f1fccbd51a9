"""Takes many rows in at once: each is checked by itself, all that pass are written together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ratchet.errors import InvalidInput, RatchetError
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
        self._known: set[str] = set()

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
        if row.app not in self._known:
            App(name=row.app, kind="chat", base=OBSERVED, embedder="", labels={})  # refuses a name that no app can have
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
            self._declare(trace.app for trace in traces)
            new = dict(zip(map(id, traces), self._outside.store.traces.add_many(traces), strict=True))
            said = [row for prepared in waiting for row in prepared.rows if isinstance(row, Feedback)]
            heard = dict(zip(map(id, said), self._store_feedback(said), strict=True))
            taken = [[self._taken(row, new, heard) for row in prepared.rows] for prepared in waiting]
            self._count(waiting, taken)
        return taken

    def _taken(self, row: Trace | Feedback | Taken, new: dict[int, bool], heard: dict[int, Taken]) -> Taken:
        if isinstance(row, Trace):
            return Taken(row.id, "stored" if new[id(row)] else "duplicate")
        return heard[id(row)] if isinstance(row, Feedback) else row

    def _declare(self, names: Iterable[str]) -> None:
        missing = set(names) - self._known
        if not missing:
            return
        store = self._outside.store
        declared = {app.name for app in store.apps.all()}
        for name in sorted(missing - declared):
            if len(declared) >= MOST_APPS:
                raise InvalidInput(
                    f"There are {MOST_APPS:,} apps already, and {name!r} would be one more.", "Use fewer app names."
                )
            fingerprint = self._outside.vectors.fingerprint
            store.apps.put(App(name=name, kind="chat", base=OBSERVED, embedder=fingerprint, labels={}))
            declared.add(name)
        self._known |= missing

    def _store_feedback(self, said: Sequence[Feedback]) -> list[Taken]:
        """Each under its trace's app; feedback may come before its trace if it says which app it is for."""
        if not said:
            return []
        found = self._outside.store.traces.apps_of(feedback.trace_id for feedback in said)
        placed = [self._placed(feedback, found) for feedback in said]
        good = [feedback for feedback in placed if isinstance(feedback, Feedback)]
        arrivals = iter(self._outside.store.feedback.add_many(good))
        return [self._arrived(feedback, next(arrivals)) if isinstance(feedback, Feedback) else feedback
                for feedback in placed]  # fmt: skip

    def _arrived(self, feedback: Feedback, arrival: str) -> Taken:
        if arrival == "other":
            return Taken(feedback.id, "rejected", other_feedback(feedback))
        return Taken(feedback.id, "stored" if arrival == "new" else "duplicate", feedback=feedback)

    def _placed(self, feedback: Feedback, apps: dict[str, str]) -> Feedback | Taken:
        try:
            app = self._app_of(feedback, apps.get(feedback.trace_id, ""))
        except RatchetError as error:
            return Taken(feedback.id, "rejected", error)
        return feedback if feedback.app == app else replace(feedback, app=app)

    def _app_of(self, feedback: Feedback, arrived_for: str) -> str:
        if arrived_for:
            if feedback.app not in ("", arrived_for):
                raise InvalidInput(
                    f"The trace {feedback.trace_id} belongs to {arrived_for}, not to {feedback.app}.",
                    f"Send it for {arrived_for}.",
                )
            return arrived_for
        if feedback.app:
            if feedback.app not in self._known:
                self._known.add(self._outside.store.apps.get(feedback.app).name)
            return feedback.app
        known = self._outside.store.apps.all()
        if len(known) == 1:
            return known[0].name
        raise InvalidInput(
            f"The trace {feedback.trace_id!r} has not arrived, and there are {len(known)} apps.",
            "Say which app it belongs to in `app`.",
        )

    def _count(self, waiting: Sequence[Prepared], taken: Sequence[Sequence[Taken]]) -> None:
        """received = stored + duplicate + rejected, app by app; a row refused before its app is known has none."""
        counts: Counter[tuple[str, str]] = Counter()
        for prepared, results in zip(waiting, taken, strict=True):
            for row, result in zip(prepared.rows, results, strict=True):
                app = result.feedback.app if result.feedback else getattr(row, "app", "")
                counts[app, "received"] += 1
                counts[app, result.outcome] += 1
        for (app, outcome), amount in counts.items():
            self._outside.store.feedback.tally(app, outcome, amount)


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
