"""The least a service can do: answer from memory, commit one row, or pass a chat request on."""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import tempfile
from functools import cache
from typing import Any

import msgspec

from ratchet.storage.database import sqlite_module

_HEADERS = [(b"content-type", b"application/json")]
_idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []


async def remembered(scope: Any, receive: Any, send: Any) -> None:
    """Read the JSON, answer from memory."""
    msgspec.json.decode(await _body(receive) or b"{}")
    await _answer(send, b'{"outcome":"stored"}')


async def committed(scope: Any, receive: Any, send: Any) -> None:
    """Read the JSON, commit it as one row in a transaction of its own, answer."""
    body = await _body(receive)
    msgspec.json.decode(body or b"{}")
    _connection().execute("INSERT INTO rows (body) VALUES (?)", (body,))
    await _answer(send, b'{"outcome":"stored"}')


@cache
def _connection() -> Any:
    folder = tempfile.mkdtemp(prefix="ratchet-floor-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    connection = sqlite_module().connect(f"{folder}/rows.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE rows (id INTEGER PRIMARY KEY, body BLOB)")
    return connection


async def forwarded(scope: Any, receive: Any, send: Any) -> None:
    """Read the JSON, pass it on, read the JSON that comes back, answer with it: no logic, no storage."""
    body = await _body(receive)
    if not body:
        await _answer(send, b"{}")
        return
    msgspec.json.decode(body)
    reader, writer = _idle.pop() if _idle else await asyncio.open_connection("127.0.0.1", int(os.environ["UPSTREAM"]))
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nHost: u\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    answer = await reader.readexactly(length)
    _idle.append((reader, writer))
    msgspec.json.decode(answer)
    await _answer(send, answer)


async def _body(receive: Any) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answer(send: Any, body: bytes) -> None:
    headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
