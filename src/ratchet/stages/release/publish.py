"""Makes a passed candidate a release and puts it in force, in one transaction with its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ratchet.errors import Conflict
from ratchet.interfaces import Outside
from ratchet.layers.layer import Bundle
from ratchet.records.candidate import Candidate
from ratchet.records.canonical import Json
from ratchet.records.gate import GateReport
from ratchet.records.release import Release
from ratchet.stages.release.manifest import manifest_of

STATUS_AFTER = {"reject": "rejected", "hold": "held"}


def next_number(outside: Outside, app: str) -> int:
    """The number that the next release gets."""
    return max(outside.store.releases.numbers(app), default=0) + 1


def record_decision(outside: Outside, candidate: Candidate, report: GateReport) -> None:
    """Store a gate's report, and the candidate's status unless it passed (then publishing sets it)."""
    store = outside.store
    with store.transaction():
        store.releases.add_report(report)
        if report.decision in STATUS_AFTER:
            status = STATUS_AFTER[report.decision]
            store.releases.put_candidate(replace(candidate, status=status, reason=report.reason))  # type: ignore[arg-type]
        details: dict[str, Json] = {
            "decision": report.decision,
            "report": report.id,
            "checks": {c.name: c.outcome for c in report.checks},
        }
        store.audit.append(report.at, "ratchet", "gate.decided", candidate.app, candidate.id, details)


def publish(
    outside: Outside,
    candidate: Candidate,
    report: GateReport,
    bundle: Bundle,
    *,
    knowledge: int,
    actor: str = "ratchet",
) -> Release:
    """Number the candidate, store its manifest and bank, and point the app at it.

    Raises ``Conflict`` when the report does not pass this candidate, or when another release went live meanwhile.
    """
    if report.decision != "pass" or report.candidate_id != candidate.id:
        raise Conflict(f"Candidate {candidate.id} has not passed its gate.", "Only a passed candidate can be released.")
    return _put_in_force(
        outside, replace(candidate, reason=report.reason), bundle, knowledge, report.suites, "release.promoted", actor
    )


def republish(outside: Outside, candidate: Candidate, bundle: Bundle, knowledge: int) -> Release:
    """Release the lessons in force again on the vectors of another embedder.

    No gate can compare the two: the old vectors and the new ones do not exist side by side. The audit log says so.
    """
    return _put_in_force(outside, candidate, bundle, knowledge, (), "release.reembedded", "ratchet")


def _put_in_force(
    outside: Outside,
    candidate: Candidate,
    bundle: Bundle,
    knowledge: int,
    suites: Sequence[tuple[str, str]],
    action: str,
    actor: str,
) -> Release:
    store, now = outside.store, outside.clock.now()
    manifest = manifest_of(bundle, candidate.parent, outside.vectors.fingerprint, knowledge, suites)
    release = Release(
        app=candidate.app,
        number=bundle.number,
        id=manifest.id,
        manifest=manifest,
        candidate_id=candidate.id,
        at=now,
        bank_version=candidate.bank_version,
        lessons=len(bundle.lesson_ids),
        status="live",
    )
    details: dict[str, Json] = {
        "id": release.id,
        "parent": candidate.parent,
        "candidate": candidate.id,
        "lessons": release.lessons,
    }
    with store.transaction():
        store.releases.point(candidate.app, release.number, expected=candidate.parent)
        store.lessons.set_bank(candidate.app, candidate.bank_version, bundle.lesson_ids)
        store.releases.add(release)
        if candidate.parent:
            store.releases.set_status(candidate.app, candidate.parent, "retired")
        store.releases.put_candidate(replace(candidate, status="released"))
        store.audit.append(now, actor, action, candidate.app, f"release {release.number}", details)
    return release
