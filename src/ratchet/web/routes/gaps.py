"""Gaps: what clients lost while the service was away stays visible in the audit log."""

from __future__ import annotations

from ratchet.errors import InvalidInput
from ratchet.web.routing import Call
from ratchet.wire.gaps import GapIn, GapOut

KINDS = ("implicit", "trace", "rating", "correction")


def report_gap(call: Call) -> GapOut:
    """Record in the audit log how many rows a client had to give up, so that the loss is not silent."""
    asked: GapIn = call.body
    lost = {kind: getattr(asked, kind) for kind in KINDS if getattr(asked, kind)}
    if not lost:
        raise InvalidInput("The gap says that nothing was lost.", "Send the number of rows of at least one kind.")
    outside = call.service.house.outside
    details = {**lost, "since": round(asked.since), "until": round(asked.until)}
    subject = f"gap:{asked.event_id or outside.ids.new('gap')}"
    with outside.store.transaction():
        if not outside.store.audit.has(subject):
            outside.store.audit.append(outside.clock.now(), call.caller.name, "capture.gap", "", subject, details)
    return GapOut(lost=sum(lost.values()))
