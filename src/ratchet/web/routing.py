"""A route is data: method, path, what goes in, what comes out, who may."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from ratchet.records.key import Scope
from ratchet.web.access import Caller

if TYPE_CHECKING:
    from ratchet.web.service import Service

KIB = 1024
LARGEST_BODY = 1024 * KIB
LARGEST_BATCH = 5 * 1024 * KIB
LONGEST_PLACE = 200
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished answer: bytes with a content type, or a value to be sent as JSON."""

    value: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is sent piece by piece."""

    pieces: AsyncIterator[bytes]
    headers: Mapping[str, str]
    content_type: str = "text/event-stream; charset=utf-8"


@dataclass(slots=True)
class Call:
    """One request as a handler sees it. ``body`` and ``query`` are of the route's types; ``value`` is the body as
    plain JSON values."""

    service: Service
    caller: Caller
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Any
    body: Any
    value: Any
    raw: bytes
    scope: Mapping[str, Any]
    receive: Callable[[], Awaitable[Mapping[str, Any]]]


Handler: TypeAlias = Callable[[Call], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation.

    ``scope`` is what the caller's key must hold (``None``: nobody is asked for one). ``by_token`` lets a feedback
    token stand in for it. ``takes`` and ``gives`` are the types of body and answer, ``asks`` that of the query.
    Handlers that are no coroutines run on a thread of their own, for they wait for the database. ``media`` are the
    content types that are read; ``largest`` is in bytes. With ``any_text`` the handler sees to texts that cannot be
    stored: row by row, or by passing them on. ``also`` are further statuses, for OpenAPI.
    """

    method: str
    path: str
    handler: Handler
    scope: Scope | None = None
    by_token: bool = False
    takes: Any = None
    asks: Any = None
    gives: Any = None
    status: int = 200
    largest: int = LARGEST_BODY
    any_text: bool = False
    media: tuple[str, ...] = ("application/json",)
    sends: tuple[str, ...] = ("application/json",)
    also: tuple[int, ...] = ()
    tag: str = ""

    @property
    def name(self) -> str:
        """The operation's id."""
        return self.handler.__name__

    @property
    def summary(self) -> str:
        """The first sentence of the handler's docstring."""
        first, point, _ = " ".join((inspect.getdoc(self.handler) or "").split()).partition(". ")
        return f"{first}." if point else first

    @property
    def places(self) -> tuple[str, ...]:
        """Names of the places in the path."""
        return tuple(_PLACE.findall(self.path))
