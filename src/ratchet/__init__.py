"""Makes LLM applications better over time from what their users do and say."""

from ratchet.errors import (
    Conflict,
    EmbedderMismatch,
    InvalidInput,
    LeakageError,
    ProviderError,
    RatchetError,
    StorageError,
    Unauthorized,
    Unavailable,
    UnknownName,
)
from ratchet.sdk.client import AppFunction, Ratchet
from ratchet.sdk.reply import Acknowledgement, Reply

__version__ = "0.1.0"

__all__ = [
    "Acknowledgement",
    "AppFunction",
    "Conflict",
    "EmbedderMismatch",
    "InvalidInput",
    "LeakageError",
    "ProviderError",
    "Ratchet",
    "RatchetError",
    "Reply",
    "StorageError",
    "Unauthorized",
    "Unavailable",
    "UnknownName",
    "__version__",
]
