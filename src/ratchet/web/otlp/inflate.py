"""Unpacks a request's body without letting a small body become a large one."""

from __future__ import annotations

import zlib

from ratchet.errors import InvalidInput

LARGEST_BYTES = 20 * 1024 * 1024
_EITHER_HEADER = 32 + zlib.MAX_WBITS  # zlib or gzip, whichever the first bytes say
_PACKED = ("gzip", "x-gzip", "deflate")


def inflate(body: bytes, encoding: str) -> bytes:
    """The plain bytes of ``body``; raises `InvalidInput` for unknown encodings, broken data and more than 20 MiB."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        plain = body
    elif name in _PACKED:
        plain = _unpack(body, name)
    else:
        raise InvalidInput(f"The content encoding {name!r:.60} is unknown.", "Send gzip, deflate or no encoding.")
    if len(plain) > LARGEST_BYTES:
        raise InvalidInput(
            f"The body holds more than {LARGEST_BYTES // 1024**2} MiB once it is unpacked.", "Export smaller batches."
        )
    return plain


def _unpack(body: bytes, name: str) -> bytes:
    plain, rest = bytearray(), body
    try:
        while rest and len(plain) <= LARGEST_BYTES:
            # A gzip body may hold several members, one after the other.
            unpacker = zlib.decompressobj(_EITHER_HEADER)
            plain += unpacker.decompress(rest, LARGEST_BYTES + 1 - len(plain))
            if not unpacker.eof and len(plain) <= LARGEST_BYTES:
                raise InvalidInput(f"The {name} body ends too early.", "Send all of it.")
            rest = unpacker.unused_data
    except zlib.error as error:
        raise InvalidInput(f"The body is not {name}: {error}.", "Check the Content-Encoding header.") from None
    return bytes(plain)
