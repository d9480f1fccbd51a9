"""Routes of review: the queue, cases, reservations and verdicts."""

from __future__ import annotations

from ratchet.records.case import Case
from ratchet.sdk.api.calling import Caller, part
from ratchet.wire.review import CaseDetail, DecidedOut, QueueOut, ReserveIn, VerdictIn


class ReviewRoutes(Caller):
    """``/v1/apps/{app}/queue`` and ``/v1/cases``."""

    def queue(self, app: str, *, count: int | None = None, sample: bool | None = None) -> QueueOut:
        """At most ``count`` cases, most instructive first. Requests that nobody complained about are among them, chosen
        and made cases by this very call, unless ``sample`` is false: then they are the cases that wait already."""
        return self._get(QueueOut, f"/v1/apps/{part(app)}/queue", {"count": count, "sample": sample})

    def case(self, case_id: str) -> CaseDetail:
        """A case with its trace and what people said of it."""
        return self._get(CaseDetail, f"/v1/cases/{part(case_id)}")

    def reserve(self, case_id: str, wanted: ReserveIn) -> Case:
        """Hold a case for one reviewer; raises ``Conflict`` while somebody else holds it."""
        return self._post(Case, f"/v1/cases/{part(case_id)}/reserve", wanted)

    def decide(self, case_id: str, verdict: VerdictIn) -> DecidedOut:
        """Give a verdict; with a right answer it becomes a lesson."""
        return self._post(DecidedOut, f"/v1/cases/{part(case_id)}/verdict", verdict)
