"""The store: every concern over one database, and the journal for small writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from ratchet.storage.audit_log import Audit
from ratchet.storage.cases import Cases, Lessons
from ratchet.storage.database import Database
from ratchet.storage.feedback import FeedbackEvents
from ratchet.storage.journal import Journal
from ratchet.storage.keys import Keys, Leases
from ratchet.storage.knowledge import Knowledge, Suites, Vectors
from ratchet.storage.releases import Releases
from ratchet.storage.rows import Access
from ratchet.storage.traces import Apps, Traces

R = TypeVar("R")
T = TypeVar("T")


class SqlStore:
    """Everything durable. Close it to give the file up; what was acknowledged is on disk either way."""

    def __init__(self, database: Database) -> None:
        self._database = database
        access = Access(database.transaction, database.reading)
        self.apps = Apps(access)
        self.traces = Traces(access)
        self.feedback = FeedbackEvents(access)
        self.cases = Cases(access)
        self.lessons = Lessons(access)
        self.knowledge = Knowledge(access)
        self.suites = Suites(access)
        self.releases = Releases(access)
        self.audit = Audit(access)
        self.vectors = Vectors(access)
        self.keys = Keys(access)
        self.leases = Leases(access)
        self._journal = Journal(database)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> SqlStore:
        """Open the SQLite file at ``path``, made with the newest schema if it is new."""
        return cls(Database(path, read_only=read_only))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All calls inside are committed together or not at all."""
        with self._database.transaction():
            yield

    def submit(self, write: Callable[[], T]) -> Future[T]:
        """Run ``write`` in a shared commit; the future resolves once it is durable."""
        return self._journal.submit(write)

    def submit_each(self, handle: Callable[[list[R]], list[T]], record: R) -> Future[T]:
        """Have ``handle`` write ``record`` in a shared commit, together with others that wait for the same handle."""
        return self._journal.submit_each(handle, record)

    def depth(self) -> int:
        """How many writes wait for the journal."""
        return self._journal.depth()

    def announce(self, url: str) -> None:
        """Say to other programs on this machine where the owner of the store can be asked."""
        self._database.announce(url)

    def close(self) -> None:
        """Write what waits, then close the file."""
        self._journal.close()
        self._database.close()
