"""Cases, verdicts and lessons in SQL, with the versions of the lesson bank."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import func, or_, select, update

from ratchet.errors import Conflict
from ratchet.records.case import Case
from ratchet.records.lesson import Lesson
from ratchet.records.verdict import Verdict
from ratchet.storage import tables
from ratchet.storage.rows import Access, from_row, insert_new, to_row

MOST_IDS_PER_QUERY = 500


class Cases:
    """Cases and the verdicts on them."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def open(self, case: Case) -> bool:
        """Open the case; when its trace has one already, add the new reasons to that one and return ``False``."""
        table = tables.cases
        with self._access.transaction() as connection:
            if insert_new(connection, table, to_row(case)):
                return True
            row = connection.execute(select(table).where(table.c.trace_id == case.trace_id)).one()
            reasons = list(dict.fromkeys([*row.reasons, *case.reasons]))
            connection.execute(update(table).where(table.c.id == row.id).values(reasons=reasons))
            return False

    def get(self, case_id: str) -> Case | None:
        """The case, if there is one of that id."""
        with self._access.reading() as connection:
            row = connection.execute(select(tables.cases).where(tables.cases.c.id == case_id)).first()
        return None if row is None else from_row(Case, row)

    def of_trace(self, trace_id: str) -> Case | None:
        """The case of the trace, if it has one."""
        with self._access.reading() as connection:
            row = connection.execute(select(tables.cases).where(tables.cases.c.trace_id == trace_id)).first()
        return None if row is None else from_row(Case, row)

    def waiting(self, app: str) -> int:
        """How many cases wait for a verdict."""
        table = tables.cases
        query = select(func.count()).select_from(table).where(table.c.app == app, table.c.status == "open")
        with self._access.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def opened(self, app: str) -> list[Case]:
        """Cases that wait for a verdict, oldest first."""
        table = tables.cases
        query = select(table).where(table.c.app == app, table.c.status == "open").order_by(table.c.at, table.c.id)
        with self._access.reading() as connection:
            return [from_row(Case, row) for row in connection.execute(query).all()]

    def traces_with_case(self, app: str) -> set[str]:
        """Ids of all traces that have, or had, a case."""
        with self._access.reading() as connection:
            query = select(tables.cases.c.trace_id).where(tables.cases.c.app == app)
            return set(connection.execute(query).scalars())

    def reserve(self, case_id: str, reviewer: str, now: float, until: float) -> bool:
        """Hold an open case for ``reviewer`` unless somebody else holds it at ``now``."""
        table = tables.cases
        free = or_(table.c.reserved_by.in_(("", reviewer)), table.c.reserved_until <= now)
        held = update(table).where(table.c.id == case_id, table.c.status == "open", free)
        with self._access.transaction() as connection:
            return bool(connection.execute(held.values(reserved_by=reviewer, reserved_until=until)).rowcount)

    def decide(self, verdict: Verdict) -> None:
        """Store the verdict and close its case; raises ``Conflict`` when somebody decided it before."""
        table = tables.cases
        with self._access.transaction() as connection:
            open_case = update(table).where(table.c.id == verdict.case_id, table.c.status == "open")
            if not connection.execute(open_case.values(status="decided")).rowcount:
                raise Conflict(f"The case {verdict.case_id} was decided already.", "Take the next case of the queue.")
            connection.execute(tables.verdicts.insert().values(to_row(verdict)))

    def decided(self, app: str) -> int:
        """How many verdicts there are."""
        query = select(func.count()).select_from(tables.verdicts).where(tables.verdicts.c.app == app)
        with self._access.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def verdicts(self, app: str) -> list[Verdict]:
        """All verdicts of the app, oldest first."""
        table = tables.verdicts
        with self._access.reading() as connection:
            rows = connection.execute(select(table).where(table.c.app == app).order_by(table.c.at, table.c.id)).all()
        return [from_row(Verdict, row) for row in rows]

    def verdicts_on(self, trace_ids: Iterable[str]) -> dict[str, Verdict]:
        """The verdicts on those traces that have one, by trace id."""
        wanted = list(dict.fromkeys(trace_ids))
        join = tables.verdicts.join(tables.cases, tables.cases.c.id == tables.verdicts.c.case_id)
        columns = (*tables.verdicts.c, tables.cases.c.trace_id.label("on_trace"))
        found: dict[str, Verdict] = {}
        with self._access.reading() as connection:
            for start in range(0, len(wanted), MOST_IDS_PER_QUERY):
                some = tables.cases.c.trace_id.in_(wanted[start : start + MOST_IDS_PER_QUERY])
                rows = connection.execute(select(*columns).select_from(join).where(some)).all()
                found.update((row.on_trace, from_row(Verdict, row)) for row in rows)
        return found


class Lessons:
    """Lessons and the bank: which of them each version of the layers reads."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def add(self, lesson: Lesson) -> None:
        """Store the lesson."""
        with self._access.transaction() as connection:
            connection.execute(tables.lessons.insert().values(to_row(lesson)))

    def get(self, lesson_id: str) -> Lesson | None:
        """The lesson, if there is one of that id."""
        with self._access.reading() as connection:
            row = connection.execute(select(tables.lessons).where(tables.lessons.c.id == lesson_id)).first()
        return None if row is None else from_row(Lesson, row)

    def of_case(self, case_id: str) -> Lesson | None:
        """The newest lesson that came of the case, if one did."""
        table = tables.lessons
        query = select(table).where(table.c.case_id == case_id).order_by(table.c.at.desc(), table.c.id.desc())
        with self._access.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else from_row(Lesson, row)

    def all(self, app: str) -> list[Lesson]:
        """All lessons of the app, oldest first."""
        table = tables.lessons
        with self._access.reading() as connection:
            rows = connection.execute(select(table).where(table.c.app == app).order_by(table.c.at, table.c.id)).all()
        return [from_row(Lesson, row) for row in rows]

    def retire(self, lesson_id: str, status: str) -> None:
        """Mark the lesson superseded or revoked."""
        with self._access.transaction() as connection:
            connection.execute(update(tables.lessons).where(tables.lessons.c.id == lesson_id).values(status=status))

    def bank(self, app: str, version: int) -> list[Lesson]:
        """The lessons in force in that version, oldest first."""
        table, bank = tables.lessons, tables.bank
        in_force = (bank.c.since <= version) & (bank.c.until.is_(None) | (bank.c.until > version))
        query = select(table).join(bank, bank.c.lesson_id == table.c.id).where(bank.c.app == app, in_force)
        with self._access.reading() as connection:
            rows = connection.execute(query.order_by(table.c.at, table.c.id)).all()
        return [from_row(Lesson, row) for row in rows]

    def set_bank(self, app: str, version: int, lesson_ids: Iterable[str]) -> None:
        """Make exactly these lessons the bank from ``version`` (a new, higher one) on; earlier versions stay as
        they are, also when ``version`` does not build on the newest of them (after a rollback)."""
        bank, wanted = tables.bank, set(lesson_ids)
        newest = (bank.c.app == app) & bank.c.until.is_(None)
        with self._access.transaction() as connection:
            standing = set(connection.execute(select(bank.c.lesson_id).where(newest)).scalars())
            for lesson_id in sorted(standing - wanted):
                connection.execute(update(bank).where(newest, bank.c.lesson_id == lesson_id).values(until=version))
            for lesson_id in sorted(wanted - standing):
                row = {"app": app, "lesson_id": lesson_id, "since": version, "until": None}
                connection.execute(bank.insert().values(row))

    def counts(self, app: str) -> dict[str, int]:
        """How many lessons there are of each status."""
        table = tables.lessons
        query = select(table.c.status, func.count()).where(table.c.app == app).group_by(table.c.status)
        with self._access.reading() as connection:
            return {str(row[0]): int(row[1]) for row in connection.execute(query)}

    def denied(self, app: str) -> frozenset[str]:
        """Ids of the revoked lessons."""
        table = tables.lessons
        query = select(table.c.id).where(table.c.app == app, table.c.status == "revoked")
        with self._access.reading() as connection:
            return frozenset(connection.execute(query).scalars())
