"""Reads the rows of a file as a stream: JSON Lines, JSON, CSV or Parquet, plain or gzipped."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from ratchet.errors import InvalidInput
from ratchet.importers.fields import parsed
from ratchet.importers.row import Skipped

Found: TypeAlias = tuple[str, "dict[str, Any] | Skipped"]
OnBytes: TypeAlias = Callable[[int], None]
LONGEST_ROW = 64 * 1024 * 1024
LONGEST_CELL = 16 * 1024 * 1024
_CHUNK = 256 * 1024
_HEAD = 64 * 1024
# A string (whose end may not have been read yet), or a bracket.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_UNREADABLE = (OSError, EOFError, zlib.error)
_NOT_JSON = "it is not JSON"
_NOT_OBJECT = "it is not a JSON object"


def nothing(_bytes: int) -> None:
    """Watches no progress."""


def rows(path: Path, on_bytes: OnBytes = nothing) -> Iterator[Found]:
    """Each row with the words that name its place, or why there is none to read there.

    ``on_bytes`` hears how much of the file was read. Raises ``InvalidInput`` for a file that cannot be read at all.
    """
    try:
        with path.open("rb") as raw:
            magic = raw.read(4)
            raw.seek(0)
            if magic == b"PAR1":
                yield from _parquet(path, on_bytes)
                return
            watched = io.BufferedReader(_Watched(raw, on_bytes), _HEAD)
            plain: io.BufferedReader[Any] = watched
            if magic[:2] == b"\x1f\x8b":
                plain = io.BufferedReader(gzip.GzipFile(fileobj=watched), _HEAD)
            yield from _csv(path, plain) if is_csv(path) else _json(path, plain)
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.", "Check the path.") from None
    except _UNREADABLE as error:
        raise InvalidInput(f"{path} cannot be read: {error}.", "Export it anew, or check its rights.") from None


def is_csv(path: Path) -> bool:
    """Whether the name says that it is a table of text."""
    return path.name.lower().removesuffix(".gz").endswith((".csv", ".tsv"))


class _Watched(io.RawIOBase):
    """The file, telling how much of it was read."""

    def __init__(self, raw: BinaryIO, on_bytes: OnBytes) -> None:
        self._raw = raw
        self._on_bytes = on_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._on_bytes(len(data))
        return len(data)


def _json(path: Path, file: io.BufferedReader[Any]) -> Iterator[Found]:
    start = file.peek(3)[:3]
    if start == b"\xef\xbb\xbf":
        file.read(3)
    head = file.peek(_HEAD).lstrip()
    line = head.partition(b"\n")[0].strip()
    spread = line in (b"{", b"[") or (line.startswith(b"{") and line.endswith((b"{", b"[", b",")))
    if head.startswith(b"[") or (head.startswith(b"{") and spread):
        yield from _documents(path, file)
    else:
        yield from _lines(path, file)


def _lines(path: Path, file: io.BufferedReader[Any]) -> Iterator[Found]:
    number = 0
    while line := file.readline(LONGEST_ROW):
        number += 1
        where = f"{path.name}, line {number}"
        if len(line) >= LONGEST_ROW:
            yield where, Skipped(where, f"it is longer than {LONGEST_ROW // 1024 // 1024} MB")
            _finish_line(file, line)
        elif line.strip():
            yield where, _object(where, line)


def _finish_line(file: io.BufferedReader[Any], line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = file.readline(LONGEST_ROW)


def _documents(path: Path, file: io.BufferedReader[Any]) -> Iterator[Found]:
    """The objects of one JSON array, or documents one after the other, whatever their line breaks."""
    for number, text in enumerate(_extents(path, file), start=1):
        where = f"{path.name}, item {number}"
        yield where, _object(where, text)


def _extents(path: Path, file: io.BufferedReader[Any]) -> Iterator[bytes]:
    """The bytes of every outermost object, found by counting brackets outside of strings."""
    found = _Brackets()
    while chunk := file.read(max(_CHUNK, len(found.buffer))):
        yield from found.more(chunk)
        if len(found.buffer) > LONGEST_ROW:
            raise InvalidInput(
                f"{path} has an object of more than {LONGEST_ROW // 1024 // 1024} MB.", "Export it as JSON Lines."
            )
    if found.begin >= 0:
        yield found.buffer


class _Brackets:
    """Where an object begins and ends; arrays around objects do not count. ``buffer`` is what may still grow."""

    def __init__(self) -> None:
        self.buffer = b""
        self.begin = -1
        self._at = 0
        self._depth = 0

    def more(self, chunk: bytes) -> Iterator[bytes]:
        self.buffer += chunk
        for token in _TOKENS.finditer(self.buffer, self._at):
            mark = token.group()
            if mark[:1] == b'"' and (len(mark) == 1 or mark[-1:] != b'"') and token.end() == len(self.buffer):
                break  # the rest of this string is yet to come
            self._at = token.end()
            if self._closes(mark, token.start()):
                yield self.buffer[self.begin : self._at]
                self.begin = -1
        kept = self.begin if self.begin >= 0 else self._at
        self.buffer = self.buffer[kept:]
        self._at -= kept
        self.begin = min(self.begin, 0)

    def _closes(self, mark: bytes, start: int) -> bool:
        if self.begin < 0:
            if mark == b"{":
                self.begin, self._depth = start, 1
            return False
        self._depth += (mark in (b"{", b"[")) - (mark in (b"}", b"]"))
        return self._depth == 0


def _object(where: str, text: bytes) -> dict[str, Any] | Skipped:
    try:
        found = parsed(text)
    except UnicodeDecodeError:
        return Skipped(where, "it is not UTF-8")
    except json.JSONDecodeError:
        return Skipped(where, _NOT_JSON)
    except (ValueError, RecursionError):
        return Skipped(where, "its JSON holds a number or a nesting that is too large")
    return found if isinstance(found, dict) else Skipped(where, _NOT_OBJECT)


def _csv(path: Path, file: io.BufferedReader[Any]) -> Iterator[Found]:
    head = file.peek(_HEAD).partition(b"\n")[0].decode("utf-8", "replace")
    delimiter = max(",;\t|", key=head.count) if head else ","
    text = io.TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield from _cells(path, csv.reader(text, delimiter=delimiter))
    finally:
        csv.field_size_limit(before)


def _cells(path: Path, reader: Any) -> Iterator[Found]:
    names: list[str] = []
    while True:
        where = f"{path.name}, line {reader.line_num + 1}"
        try:
            cells: list[str] = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield where, Skipped(where, f"it is not CSV: {error}")
            continue
        if not names:
            names = [name.strip() for name in cells]
        elif any(cells):
            yield where, _record(where, names, cells)


def _record(where: str, names: list[str], cells: list[str]) -> dict[str, Any] | Skipped:
    if len(cells) > len(names):
        return Skipped(where, "it has more cells than the header")
    if any("\udc80" <= letter <= "\udcff" for cell in cells if not cell.isascii() for letter in cell):
        return Skipped(where, "it is not UTF-8")
    return {name: cell for name, cell in zip(names, cells, strict=False) if name}


def _parquet(path: Path, on_bytes: OnBytes) -> Iterator[Found]:
    table = _open_parquet(path)
    number = 0
    for batch in table.iter_batches(batch_size=200):
        for found in batch.to_pylist():
            number += 1
            yield f"{path.name}, row {number}", found
        on_bytes(path.stat().st_size * batch.num_rows // max(table.metadata.num_rows, 1))


def _open_parquet(path: Path) -> Any:
    import importlib

    try:
        return importlib.import_module("pyarrow.parquet").ParquetFile(path)
    except ImportError:
        raise InvalidInput(
            f"{path} is Parquet, which needs pyarrow.", "Run `pip install pyarrow`, or export JSON Lines or CSV."
        ) from None
    except ValueError as error:  # pyarrow's own errors are ValueErrors
        raise InvalidInput(f"{path} cannot be read: {error}.", "Export it anew.") from None


def size_of(paths: Iterable[Path]) -> int:
    """Bytes of these files together; raises ``InvalidInput`` for one that is not there."""
    total = 0
    for path in paths:
        if not path.is_file():
            raise InvalidInput(f"There is no file {path}.", "Check the path.")
        total += path.stat().st_size
    return total
