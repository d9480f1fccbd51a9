"""Reads a history of requests with known outcomes, and its passages; names the line that is wrong."""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from ratchet.errors import InvalidInput
from ratchet.records.canonical import normalised
from ratchet.records.passage import Passage
from ratchet.stages.capture.validate import usable_text

Order = Literal["file", "time", "shuffle"]
HELD_OUT_PERCENT = 20
APP = "backtest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One request whose right answer is known: a label, or the passage that answers it."""

    id: str
    text: str
    truth: str
    user: str
    segment: str = ""
    timestamp: str = ""


@dataclass(frozen=True, slots=True)
class History:
    """``streamed`` rows are replayed in order; ``held_out`` rows only measure. ``labels`` in order of first sight."""

    kind: Literal["classify", "answer"]
    streamed: list[Row]
    held_out: list[Row]
    labels: list[str] = field(default_factory=list)
    passages: list[Passage] = field(default_factory=list)


def read_history(
    stream: Path,
    *,
    kind: Literal["classify", "answer"],
    corpus: Path | None = None,
    order: Order = "file",
    seed: int = 0,
    limit: int | None = None,
) -> History:
    """The history in ``stream``; raises ``InvalidInput`` with file and line for anything that cannot be used."""
    if kind == "answer" and corpus is None:
        raise InvalidInput("A backtest of kind 'answer' needs passages.", "Add --corpus CORPUS.jsonl.")
    passages = _read_passages(corpus) if corpus is not None and kind == "answer" else []
    known = {passage.id for passage in passages}
    streamed: list[Row] = []
    held_out: list[Row] = []
    labels: dict[str, None] = {}
    seen: set[str] = set()
    for where, fields in _lines(stream):
        row = _row(where, fields, kind, known)
        if row.id in seen:
            raise InvalidInput(f"{where}: the id {row.id!r} occurs twice.", "Give every row an id of its own.")
        seen.add(row.id)
        labels.setdefault(row.truth)
        (held_out if _is_held_out(where, fields, row) else streamed).append(row)
    _check(stream, kind, streamed, held_out, list(labels))
    ordered = _ordered(streamed, order, seed)[:limit]
    return History(kind, ordered, held_out, sorted(labels) if kind == "classify" else [], passages)


def _check(stream: Path, kind: str, streamed: list[Row], held_out: list[Row], labels: list[str]) -> None:
    if not streamed:
        raise InvalidInput(f"{stream} has no row to stream.", "Add rows whose split is not 'test'.")
    if not held_out:
        raise InvalidInput(f"{stream} has no held-out row.", "Add rows with split 'test', or more rows.")
    if kind == "classify" and len(labels) < 2:
        raise InvalidInput(
            f"{stream} has one label only: {labels[0]!r}.", "There is nothing to tell apart: add rows of another label."
        )


def _lines(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Each line as an object, with the words that name its place."""
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield f"{path.name}, line {number}", _object(f"{path.name}, line {number}", line)
    except FileNotFoundError:
        raise InvalidInput(f"There is no file {path}.", "Check the path.") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise InvalidInput(
            f"{path} cannot be read: {error}.", "Give a JSONL file in UTF-8, plain or gzipped."
        ) from None


def _object(where: str, line: str) -> dict[str, object]:
    try:
        found = json.loads(line, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{where} is not JSON: {error}.", "Write one JSON object per line.") from None
    if not isinstance(found, dict):
        raise InvalidInput(f"{where} is not an object.", "Write one JSON object per line.")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _text(where: str, fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if name not in fields:
        raise InvalidInput(f"{where} has no field {name!r}.", f"Add {name!r} to every row.")
    if not isinstance(value, str) or not value.strip():
        raise InvalidInput(f"{where}: {name!r} is {value!r:.60}.", "Give a text that is not empty.")
    return _storable(where, name, value)


def _storable(where: str, name: str, value: str) -> str:
    try:
        return usable_text(name, value, may_be_empty=True)
    except InvalidInput as error:
        raise InvalidInput(f"{where}: {error.what}", error.fix) from None


def _row(where: str, fields: dict[str, object], kind: str, known: set[str]) -> Row:
    truth = _text(where, fields, "label" if kind == "classify" else "passage_id")
    if kind == "answer" and truth not in known:
        raise InvalidInput(f"{where}: the corpus has no passage {truth!r}.", "Add the passage, or remove the row.")
    identity = _text(where, fields, "id")
    return Row(
        id=identity,
        text=_text(where, fields, "text"),
        truth=truth,
        user=_storable(where, "user", str(fields.get("user") or identity)),
        segment=_storable(where, "segment", str(fields.get("segment") or fields.get("domain") or "")),
        timestamp=_timestamp(where, fields.get("timestamp")),
    )


def _timestamp(where: str, value: object) -> str:
    if value is None or value == "":
        return ""
    try:
        return datetime.fromisoformat(str(value)).isoformat()
    except ValueError:
        raise InvalidInput(f"{where}: the timestamp {value!r} is not ISO 8601.", "Write 2026-01-31T12:00:00.") from None


def _is_held_out(where: str, fields: dict[str, object], row: Row) -> bool:
    """The row's own split if it names one, else a stable hash of its normalised text."""
    split = fields.get("split")
    if split is not None:
        return str(split) == "test"
    digest = hashlib.sha256(f"backtest:{normalised(row.text)}".encode()).digest()
    return int.from_bytes(digest[:4]) % 100 < HELD_OUT_PERCENT


def _ordered(rows: list[Row], order: Order, seed: int) -> list[Row]:
    if order == "shuffle":
        rows = list(rows)
        random.Random(seed).shuffle(rows)
        return rows
    if order == "time":
        # Rows without a time keep their place in the file, after the dated ones.
        return sorted(rows, key=_moment)
    return rows


def _moment(row: Row) -> tuple[bool, float]:
    """When it was; a time without a zone is UTC."""
    if not row.timestamp:
        return True, 0.0
    moment = datetime.fromisoformat(row.timestamp)
    return False, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _read_passages(path: Path) -> list[Passage]:
    found: dict[str, Passage] = {}
    for where, fields in _lines(path):
        identity = _text(where, fields, "passage_id")
        if identity in found:
            raise InvalidInput(f"{where}: the passage {identity!r} occurs twice.", "Give every passage its own id.")
        title = _storable(where, "title", str(fields.get("title") or ""))
        found[identity] = Passage(id=identity, app=APP, title=title, text=_text(where, fields, "text"))
    if not found:
        raise InvalidInput(f"The corpus {path} is empty.", "Give at least one passage: passage_id, title, text.")
    return list(found.values())
