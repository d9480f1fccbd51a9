"""Reads a team's knowledge from files: JSON Lines of passages, or a folder of Markdown and plain text."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from ratchet.errors import InvalidInput
from ratchet.records.passage import Passage

_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
SUFFIXES = (".md", ".txt")


def read_knowledge(path: Path, app: str) -> list[Passage]:
    """The passages in ``path``: a JSONL file (``passage_id``, ``title``, ``text``), or a text
    or a folder of texts (.md, .txt), one passage a section.

    Raises ``InvalidInput`` with the file and line that cannot be used, and for knowledge without any passage.
    """
    if path.is_dir():
        found = [passage for file in sorted(path.rglob("*")) if file.suffix in SUFFIXES and file.is_file()
                 for passage in _sections(file, path, app)]  # fmt: skip
    elif path.is_file() and path.suffix in SUFFIXES:
        found = list(_sections(path, path.parent, app))
    elif path.is_file():
        found = list(_lines(path, app))
    else:
        raise InvalidInput(f"There is no knowledge at {path}.", "Name a JSONL file or a folder of .md and .txt files.")
    if not found:
        raise InvalidInput(f"The knowledge at {path} is empty.", "Add at least one passage.")
    repeated = sorted(identity for identity, times in Counter(passage.id for passage in found).items() if times > 1)
    if repeated:
        raise InvalidInput(f"{path} has the passage {repeated[0]!r} twice.", "Give every passage its own id.")
    return found


def _lines(path: Path, app: str) -> Iterator[Passage]:
    # Only line feeds end a line of JSONL; str.splitlines() would also cut at U+2028 within a text.
    for number, line in enumerate(_words(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            identity, text = fields["passage_id"], fields["text"]
            if not isinstance(text, str) or not text.strip():
                raise ValueError("its text is empty")
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInput(
                f"{path.name}, line {number} cannot be used ({error}).",
                "Write {'passage_id', 'title', 'text'} per line.",
            ) from None
        yield Passage(id=str(identity), app=app, title=str(fields.get("title") or ""), text=text)


def _words(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file.name} is not UTF-8 ({error.reason}).", "Save it as UTF-8.") from None


def _sections(file: Path, folder: Path, app: str) -> Iterator[Passage]:
    """One passage per heading, titled with the file's name and the heading."""
    words = _words(file)
    name = file.relative_to(folder).with_suffix("").as_posix()
    parts = _HEADING.split(words)
    if parts[0].strip():
        yield Passage(id=name, app=app, title=name, text=parts[0].strip())
    for position in range(1, len(parts), 2):
        title, text = parts[position], parts[position + 1].strip()
        if text:
            slug = re.sub(r"\W+", "-", title.casefold()).strip("-")
            yield Passage(id=f"{name}#{position // 2 + 1}-{slug}", app=app, title=f"{name} > {title}", text=text)
