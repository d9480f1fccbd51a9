"""Every error Ratchet raises, as one tree; each says what was wrong and how to fix it.

RatchetError
├── InvalidInput          a value cannot be accepted: wrong type, empty, too long, not finite
├── UnknownName           an app, trace, case, lesson or release of that name does not exist
├── Conflict              the state does not allow it: already decided, not the live version, not verified
├── Unauthorized          the key is missing, wrong, or not allowed to do this
├── Unavailable           the service is away or overloaded; the same call may succeed later
├── StorageError          the database cannot be opened, read or written
├── EmbedderMismatch      stored vectors were made by another embedder
├── LeakageError          a held-out item was about to teach
└── ProviderError         a language model endpoint failed
"""

from __future__ import annotations


class RatchetError(Exception):
    """Base of all errors: ``what`` was wrong and the ``fix`` to try."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what, fix)  # both, so that the error can be pickled
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.what} {self.fix}"


class InvalidInput(RatchetError):
    """A value cannot be accepted; nothing was stored."""


class UnknownName(RatchetError):
    """There is no app, trace, case, lesson or release of that name."""


class Conflict(RatchetError):
    """The present state does not allow the change; nothing was changed."""


class Unauthorized(RatchetError):
    """The key is missing, wrong, expired, or not allowed to do this; nothing was done."""


class Unavailable(RatchetError):
    """The service cannot be reached or takes no more for now; ``retry_after`` is in seconds, where it is known."""

    def __init__(self, what: str, fix: str, *, retry_after: float | None = None) -> None:
        super().__init__(what, fix)
        self.retry_after = retry_after


class StorageError(RatchetError):
    """The database cannot be opened, read or written; nothing acknowledged was lost."""


class EmbedderMismatch(RatchetError):
    """Vectors in the database were made by another embedder than the one configured."""


class LeakageError(RatchetError):
    """A held-out item was about to enter a bank or a training set."""


class ProviderError(RatchetError):
    """A language model endpoint refused, failed or timed out.

    ``retryable`` tells whether the same call may succeed later; ``status`` is the HTTP status, if there was one.
    """

    def __init__(self, what: str, fix: str, *, retryable: bool = False, status: int | None = None) -> None:
        super().__init__(what, fix)
        self.retryable = retryable
        self.status = status
