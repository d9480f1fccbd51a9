"""Reads a stream of server-sent events, however it is cut into pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from ratchet.web.gateway.connections import UpstreamError

LARGEST_EVENT = 16 * 1024 * 1024


async def events_of(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The events, each with its lines, without the empty line between them. Raises ``UpstreamError`` for one that
    never ends."""
    waiting = b""
    async for piece in pieces:
        waiting += piece
        if b"\r" in waiting:
            # Replaced in all that waits: a piece may end between the two characters.
            waiting = waiting.replace(b"\r\n", b"\n")
        if b"\n\n" in waiting:
            *whole, waiting = waiting.split(b"\n\n")
            for event in whole:
                if event.strip():
                    yield event.strip(b"\n")
        if len(waiting) > LARGEST_EVENT:
            raise UpstreamError("it sent an event without end", begun=True)
    if waiting.strip():
        yield waiting.strip()


def data_of(event: bytes) -> dict[str, Any] | None:
    """The JSON object of an event; ``None`` for anything else."""
    if event.startswith(b"data:") and b"\n" not in event:
        data = event[5:]
    else:
        data = b"\n".join([line[5:].strip() for line in event.split(b"\n") if line.startswith(b"data:")])
    try:
        value = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def is_done(event: bytes) -> bool:
    """Whether this is the mark at the end of a stream of chunks."""
    return event.startswith(b"data:") and event[5:].strip() == b"[DONE]"
