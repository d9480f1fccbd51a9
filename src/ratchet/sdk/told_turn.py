"""What a turn at the service did, in the records that a turn here reports with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ratchet.loop import TurnReport
from ratchet.records.gate import GateReport
from ratchet.records.release import Manifest, Release
from ratchet.stages.enrich.enrichment import Enriched

if TYPE_CHECKING:
    from ratchet.sdk.api import Api
    from ratchet.wire.apps import LearnOut
    from ratchet.wire.releases import ReleaseOut


@dataclass(frozen=True, slots=True)
class ToldTurn(TurnReport):
    """A turn that the service ran; ``text`` is its own summary."""

    text: str = ""

    def summary(self) -> str:
        """One sentence for people."""
        return self.text


def told_turn(api: Api, app: str, out: LearnOut, at: float) -> TurnReport:
    """The report of a turn. Of a candidate that was stopped, the gate's decision is known here but not its checks."""
    release = candidate = gate = None
    if out.release is not None:
        detail = api.release(app, out.release)
        release, candidate = release_of(detail.release), detail.candidate
        gate = detail.reports[-1] if detail.reports else None
    elif out.candidate_id:
        candidate = next((found for found in api.releases(app).candidates if found.id == out.candidate_id), None)
    if gate is None and out.decision:
        gate = GateReport(
            id="", app=app, candidate_id=out.candidate_id, gate="evaluate", at=at, decision=out.decision,
            reason=candidate.reason if candidate else out.summary, checks=(),
        )  # fmt: skip
    enriched = Enriched(out.assessed, out.opened)
    return ToldTurn(enriched, candidate, gate, release, out.waiting, out.gathering, out.summary)


def release_of(out: ReleaseOut) -> Release:
    """The release, its manifest checked against its id; raises ``Conflict`` when that does not fit. The version of its
    bank is the service's own affair, and 0 here."""
    manifest = Manifest.from_json(out.manifest, expected_id=out.id)
    return Release(
        app=out.app, number=out.number, id=out.id, manifest=manifest, candidate_id=out.candidate_id, at=out.at,
        bank_version=0, lessons=out.lessons, status=out.status,
    )  # fmt: skip
