"""Opens the SQLite file, owns its one writing connection, and turns driver errors into ours.

WAL with synchronous=FULL: what was committed survives a power cut. One process owns the file for writing (a lock file
beside it); readers see committed rows only.
"""

from __future__ import annotations

import errno
import fcntl
import importlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from ratchet.errors import StorageError

BUSY_TIMEOUT_MS = 5000
CACHE_KIB = 65_536
LOG_PAGES = 8000


def sqlite_module() -> Any:
    """The SQLite build to use for every connection of this process: never two builds on one file."""
    try:
        return importlib.import_module("pysqlite3")
    except ImportError:
        return importlib.import_module("sqlite3")


class Database:
    """One SQLite file. ``read_only`` opens it beside a running owner, for looking only."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._local = threading.local()
        self._write_lock = threading.RLock()
        self._closed = False
        if path.is_dir():
            raise StorageError(f"{path} is a folder.", f"Name a file in it, such as {path / 'ratchet.db'}.")
        self._lock_file = None if read_only else _take_ownership(path)
        self._reader = _engine(path, read_only=True, pool=QueuePool)
        self._writer = _engine(path, read_only=read_only, pool=StaticPool)
        try:
            with explained(path):
                self._writing: Connection = self._writer.connect()
                _bring_up_to_date(self._writer, path, read_only=read_only)
        except BaseException:
            self._writer.dispose()
            self._release_ownership()
            raise

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """The writing connection inside a transaction; joins the one this thread is already in."""
        joined: Connection | None = getattr(self._local, "connection", None)
        if joined is not None:
            _refuse_undone(joined, self.path)
            yield joined
            return
        if self.read_only:
            raise StorageError(
                f"{self.path} is open for reading only.", "Stop the process that owns it, then run this again."
            )
        with self._write_lock, explained(self.path):
            self._refuse_closed()
            with _Begun(self._writing, self.path) as connection:
                self._local.connection = connection
                try:
                    yield connection
                finally:
                    self._local.connection = None

    @contextmanager
    def part(self) -> Iterator[None]:
        """A part of this thread's transaction that is undone alone when it fails.

        After some errors, a full disk among them, SQLite undoes the whole transaction: see :meth:`is_undone`.
        """
        connection: Connection = self._local.connection
        with explained(self.path):
            savepoint = connection.begin_nested()
            try:
                yield
                savepoint.commit()
            except BaseException:
                if not _is_undone(connection):
                    savepoint.rollback()
                raise

    def is_undone(self) -> bool:
        """Whether SQLite has already undone the transaction that this thread is in."""
        return _is_undone(self._local.connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads: the transaction's own inside one, else a reader of committed rows."""
        joined: Connection | None = getattr(self._local, "connection", None)
        if joined is not None:
            yield joined
            return
        self._refuse_closed()
        with explained(self.path), self._reader.connect() as connection:
            yield connection

    def announce(self, url: str) -> None:
        """Note in the lock file where the owner can be asked; other programs then talk to it instead."""
        if self._lock_file is not None:
            self._lock_file.truncate(0)
            self._lock_file.write(f"{os.getpid()} {url}")
            self._lock_file.flush()

    def close(self) -> None:
        """Close all connections and give the file up."""
        with self._write_lock:
            self._closed = True
            # Readers first: SQLite moves the log into the file when the last connection closes, and only one that
            # may write can do that.
            self._reader.dispose()
            self._writing.close()
            self._writer.dispose()
            self._release_ownership()

    def _refuse_closed(self) -> None:
        if self._closed:
            raise StorageError(f"{self.path} was closed.", "Open it again with Ratchet().")

    def _release_ownership(self) -> None:
        if self._lock_file is not None:
            self._lock_file.close()
            self._lock_file = None


class _Begun:
    """BEGIN IMMEDIATE, then COMMIT, or ROLLBACK when anything failed."""

    def __init__(self, connection: Connection, path: Path) -> None:
        self._connection = connection
        self._path = path

    def __enter__(self) -> Connection:
        self._transaction = self._connection.begin()
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            try:
                _refuse_undone(self._connection, self._path)
                self._transaction.commit()
                return
            except BaseException:
                self._transaction.rollback()
                raise
        self._transaction.rollback()


def _engine(path: Path, *, read_only: bool, pool: type[QueuePool] | type[StaticPool]) -> Engine:
    mode = "ro" if read_only else "rwc"
    module = sqlite_module()

    def connect() -> Any:
        uri = f"{path.resolve().as_uri()}?mode={mode}"
        return module.connect(uri, uri=True, check_same_thread=False, isolation_level=None)

    engine = create_engine("sqlite://", creator=connect, module=module, poolclass=pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        connection.execute("PRAGMA foreign_keys=ON")
        if read_only:
            connection.execute("PRAGMA query_only=ON")
            return
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        # A commit touches pages all over the indexes. More room in memory, and a log that is moved into the file less
        # often, save a quarter of the time of a large commit.
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _is_undone(connection: Connection) -> bool:
    return not connection.connection.dbapi_connection.in_transaction  # type: ignore[union-attr]


def _refuse_undone(connection: Connection, path: Path) -> None:
    """A caller may catch the error that made SQLite undo the transaction; COMMIT would then keep nothing, silently."""
    if _is_undone(connection):
        raise StorageError(
            f"{path}: this change was undone after an earlier error.", "Look at that error, then make the change again."
        )


def _bring_up_to_date(engine: Engine, path: Path, *, read_only: bool) -> None:
    from ratchet.storage.migrations.upgrade import refuse_other, upgrade

    if read_only:
        refuse_other(engine, path)
    else:
        upgrade(engine, path)


def _take_ownership(path: Path) -> IO[str]:
    """Hold the lock file beside the database for as long as the process lives; refuse a second owner."""
    try:
        file = path.with_name(path.name + ".lock").open("a+", encoding="ascii")
    except OSError as error:
        raise _cannot_open(path, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
    except BlockingIOError:
        file.seek(0)
        owner = file.read().partition(" ")[0].strip() or "unknown"
        file.close()
        raise StorageError(
            f"{path} is in use by another process (pid {owner}).",
            "Stop that process, or give this one another --store.",
        ) from None
    except OSError as error:
        with suppress(OSError):  # closing tries once more to write what could not be written
            file.close()
        raise _cannot_open(path, error) from error
    return file


def owner_url(path: Path) -> str:
    """Where the service that owns the file listens; empty when nobody owns it, or its owner serves nothing."""
    try:
        with path.with_name(path.name + ".lock").open("r+", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read().partition(" ")[2].strip()
    except (OSError, UnicodeDecodeError):
        pass
    return ""


def _cannot_open(path: Path, error: OSError) -> StorageError:
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return StorageError(
            f"{path} cannot be written: {error.strerror}.", "Give write permission on it and its folder."
        )
    if error.errno == errno.ENOSPC:
        return StorageError(f"The disk that holds {path} is full.", "Free some space; nothing acknowledged was lost.")
    return StorageError(f"{path} cannot be opened: {error.strerror}.", "Check that the folder exists and is writable.")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what the driver says into a StorageError that names the file and the fix."""
    try:
        yield
    except (DBAPIError, DatabaseError) as error:
        raise _explain(path, str(getattr(error, "orig", error)) or str(error)) from error
    except sqlite_module().Error as error:
        raise _explain(path, str(error)) from error


_EXPLANATIONS = (
    ("full", "The disk that holds {path} is full.", "Free some space and try again; nothing acknowledged was lost."),
    ("readonly", "{path} is read-only.", "Give write permission on the file and its folder, then try again."),
    ("locked", "{path} is locked by another program.", "Close the program that has it open, then try again."),
    ("not a database", "{path} is not a Ratchet database.", "Name another --store, or move that file away."),
    ("malformed", "{path} is damaged.", "Restore it from a backup; `sqlite3 FILE '.recover'` may save what is left."),
    ("unable to open", "{path} cannot be opened.", "Check that the folder exists and that you may read and write it."),
    ("disk i/o", "The disk failed while {path} was used.", "Check the disk and its free space, then try again."),
)


def _explain(path: Path, message: str) -> StorageError:
    for sign, what, fix in _EXPLANATIONS:
        if sign in message.lower():
            return StorageError(what.format(path=path), fix)
    return StorageError(f"{path}: {message}.", "Report this with the command that led to it.")
