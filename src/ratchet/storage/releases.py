"""Candidates, gate reports, releases and the pointer to the one in force, in SQL."""

from __future__ import annotations

import msgspec
from sqlalchemy import Row, func, select, update

from ratchet.errors import Conflict
from ratchet.records.candidate import Candidate
from ratchet.records.gate import GateReport
from ratchet.records.release import Manifest, Release, ReleaseStatus
from ratchet.storage import tables
from ratchet.storage.rows import Access, from_row, insert_new, insert_or_replace, to_row


class Releases:
    """What was proposed, what the gates said, what went live, and what is live now."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def put_candidate(self, candidate: Candidate) -> None:
        """Store the candidate, or its new status."""
        with self._access.transaction() as connection:
            insert_or_replace(connection, tables.candidates, to_row(candidate))

    def candidate(self, candidate_id: str) -> Candidate | None:
        """The candidate, if there is one of that id."""
        table = tables.candidates
        with self._access.reading() as connection:
            row = connection.execute(select(table).where(table.c.id == candidate_id)).first()
        return None if row is None else from_row(Candidate, row)

    def candidates(self, app: str) -> list[Candidate]:
        """All candidates of the app, oldest first."""
        table = tables.candidates
        query = select(table).where(table.c.app == app).order_by(table.c.bank_version)
        with self._access.reading() as connection:
            return [from_row(Candidate, row) for row in connection.execute(query).all()]

    def next_bank_version(self, app: str) -> int:
        """The number after the last that a candidate or release used."""
        query = select(func.max(tables.candidates.c.bank_version)).where(tables.candidates.c.app == app)
        with self._access.reading() as connection:
            return int(connection.execute(query).scalar() or 0) + 1

    def add_report(self, report: GateReport) -> None:
        """Store what a gate found."""
        row = {"id": report.id, "app": report.app, "candidate_id": report.candidate_id, "at": report.at,
               "decision": report.decision, "body": to_row(report)}  # fmt: skip
        with self._access.transaction() as connection:
            connection.execute(tables.gate_reports.insert().values(row))

    def reports(self, candidate_id: str) -> list[GateReport]:
        """What the gates found about the candidate, oldest first."""
        table = tables.gate_reports
        query = select(table.c.body).where(table.c.candidate_id == candidate_id).order_by(table.c.at, table.c.id)
        with self._access.reading() as connection:
            return [msgspec.convert(body, GateReport) for body in connection.execute(query).scalars()]

    def add(self, release: Release) -> None:
        """Store a new release; raises ``Conflict`` when its number is taken."""
        row = {"app": release.app, "number": release.number, "id": release.id, "manifest": release.manifest.to_json(),
               "candidate_id": release.candidate_id, "at": release.at, "bank_version": release.bank_version,
               "lessons": release.lessons, "status": release.status}  # fmt: skip
        with self._access.transaction() as connection:
            if not insert_new(connection, tables.releases, row):
                raise Conflict(f"Release {release.number} exists already.", "Run the turn again.")

    def get(self, app: str, number: int) -> Release | None:
        """The release, its manifest checked against its id."""
        table = tables.releases
        with self._access.reading() as connection:
            row = connection.execute(select(table).where(table.c.app == app, table.c.number == number)).first()
        return None if row is None else _release(row)

    def all(self, app: str) -> list[Release]:
        """All releases of the app, by number."""
        table = tables.releases
        with self._access.reading() as connection:
            rows = connection.execute(select(table).where(table.c.app == app).order_by(table.c.number)).all()
        return [_release(row) for row in rows]

    def numbers(self, app: str) -> list[int]:
        """Numbers of all releases, their manifests unread."""
        table = tables.releases
        query = select(table.c.number).where(table.c.app == app).order_by(table.c.number)
        with self._access.reading() as connection:
            return list(connection.execute(query).scalars())

    def set_status(self, app: str, number: int, status: ReleaseStatus) -> None:
        """Change a release's status; its manifest never changes."""
        table = tables.releases
        with self._access.transaction() as connection:
            connection.execute(update(table).where(table.c.app == app, table.c.number == number).values(status=status))

    def active(self, app: str) -> int:
        """Number of the release in force; 0 for the bare base."""
        table = tables.active_releases
        with self._access.reading() as connection:
            return int(connection.execute(select(table.c.number).where(table.c.app == app)).scalar() or 0)

    def point(self, app: str, number: int, *, expected: int) -> None:
        """Put ``number`` in force if ``expected`` still is: a compare-and-set."""
        table = tables.active_releases
        with self._access.transaction() as connection:
            insert_new(connection, table, {"app": app, "number": 0, "flips": 0})
            here = (table.c.app == app) & (table.c.number == expected)
            moved = update(table).where(here).values(number=number, flips=table.c.flips + 1)
            if not connection.execute(moved).rowcount:
                raise Conflict(
                    f"Release {expected} is no longer in force; release {self.active(app)} is.",
                    "Look at `ratchet release list` and decide again.",
                )


def _release(row: Row[tuple[object, ...]]) -> Release:
    fields = dict(row._mapping)
    fields["manifest"] = Manifest.from_json(str(fields["manifest"]), expected_id=str(fields["id"]))
    return Release(**fields)
