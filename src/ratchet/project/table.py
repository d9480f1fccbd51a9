"""One table of ratchet.toml: typed reads of its keys, refused with the line and the fix."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ratchet.errors import InvalidInput
from ratchet.project.lines import Lines

_TYPES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "a list",
    dict: "a table",
}
_EXAMPLES = {bool: "true", int: "3", float: "0.5", str: '"words"', list: '["one", "two"]'}


@dataclass(frozen=True, slots=True)
class Table:
    """The table at ``path`` of the file called ``file`` in ``folder``; ``values`` is what it holds, ``lines`` where.

    Every read raises ``InvalidInput`` that begins with the file and the line.
    """

    file: str
    folder: Path
    lines: Lines
    path: tuple[str, ...]
    values: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The table as its header names it."""
        return f"[{'.'.join(self.path)}]" if self.path else "the file"

    def wrong(self, what: str, fix: str, *key: str) -> InvalidInput:
        """The error that says ``what`` is wrong in the line of ``key``, or of the table without one."""
        return InvalidInput(f"{self.file}, line {self.lines.of(*self.path, *key)}: {what}", fix)

    @contextmanager
    def explained(self, *key: str) -> Iterator[None]:
        """Puts file and line before what another module says against the value of ``key``."""
        try:
            yield
        except InvalidInput as error:
            raise self.wrong(error.what, error.fix, *key) from None

    def only(self, known: Sequence[str]) -> None:
        """Refuse every key that is not ``known``, naming the one it may be meant for."""
        for key in self.values:
            if key in known:
                continue
            near = difflib.get_close_matches(key.lower(), known, n=1, cutoff=0.6)
            near = near or [name for name in known if len(name) > 2 and (name in key or key in name)][:1]
            hint = f"Did you mean {near[0]!r}?" if near else "Take it out."
            kind = "a table" if isinstance(self.values[key], dict) else "a key"
            place = f" of {self.name}" if self.path else ""
            raise self.wrong(f"{key!r} is not {kind}{place}.", f"{hint} Known here: {', '.join(known)}.", key)

    def table(self, key: str) -> Table:
        """The table under ``key``; an empty one where there is none."""
        path = (*self.path, key)
        return Table(self.file, self.folder, self.lines, path, self._typed(key, dict, {}))

    def tables(self, key: str) -> list[Table]:
        """The named tables under ``key``, in the order of the file."""
        inside = self.table(key)
        found = []
        for name, value in inside.values.items():
            if not isinstance(value, dict):
                what = f"{name!r} in {inside.name} is {_type(value)}, not a table."
                raise inside.wrong(what, f"Write it below a header of its own, such as [{key}.NAME].", name)
            found.append(inside.table(name))
        return found

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return bool(self._typed(key, bool, default))

    def whole(self, key: str, default: int, least: int, most: int) -> int:
        """A whole number from ``least`` to ``most``."""
        value = self._typed(key, int, default)
        if not least <= value <= most:
            raise self.wrong(f"{key} is {_shown(value)}.", f"Use a whole number from {least} to {most}.", key)
        return int(value)

    def share(self, key: str, default: float) -> float:
        """A number from 0 to 1."""
        value = self._typed(key, float, default)
        if not 0 <= value <= 1:
            raise self.wrong(f"{key} is {_shown(value)}.", "Use a share between 0 and 1.", key)
        return float(value)

    def positive(self, key: str, default: float, most: float) -> float:
        """A number above 0, at most ``most``."""
        value = self._typed(key, float, default)
        if not 0 < value <= most:
            raise self.wrong(f"{key} is {_shown(value)}.", f"Use a number above 0, at most {most:g}.", key)
        return float(value)

    def like(self, key: str, default: Any) -> Any:
        """A value of the type that ``default`` has."""
        return self._typed(key, type(default), default)

    def text(self, key: str, default: str = "") -> str:
        """One line of text; white space alone is refused."""
        value = str(self._typed(key, str, default))
        if key in self.values and (not value.strip() or not value.isprintable()):
            state = "empty" if not value.strip() else "not one line of plain text"
            raise self.wrong(f"{key} is {state}.", "Write a value between the quotes, or take the key out.", key)
        return value.strip()

    def choice(self, key: str, default: str, allowed: Sequence[str]) -> str:
        """One of the texts ``allowed``."""
        value = self.text(key, default)
        if value not in allowed:
            near = difflib.get_close_matches(value, allowed, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise self.wrong(f"{key} is {value!r}.", f"Use one of: {', '.join(allowed)}.{hint}", key)
        return value

    def texts(self, key: str, default: Sequence[str]) -> tuple[str, ...]:
        """A list of texts."""
        found = self._typed(key, list, list(default))
        for place, item in enumerate(found):
            if not isinstance(item, str) or not item.strip():
                what = f"Item {place + 1} of {key} is {'empty' if item == '' else _type(item)}."
                raise self.wrong(what, f"Write a list of texts, such as {_EXAMPLES[list]}.", key, str(place))
        return tuple(item.strip() for item in found)

    def file_at(self, key: str) -> Path | None:
        """The path under ``key``, taken from the file's folder; None where there is none."""
        written = self.text(key)
        if not written:
            return None
        try:
            path = self.folder / Path(written).expanduser()
            path.exists()
        except (OSError, RuntimeError) as error:  # RuntimeError: nobody has that home folder
            why = getattr(error, "strerror", None) or "there is no such home folder"
            raise self.wrong(f"{key} cannot be looked at: {why}.", "Correct the path.", key) from None
        return path

    def _typed(self, key: str, kind: type, default: Any) -> Any:
        value = self.values.get(key, default)
        fits = isinstance(value, (int, float) if kind is float else kind)
        if fits and (kind is bool or not isinstance(value, bool)):
            return value
        example = f"{key} = {_EXAMPLES[kind]}" if kind in _EXAMPLES else f"[{'.'.join((*self.path, key))}]"
        place = f" of {self.name}" if self.path else ""
        # The value itself is not shown: it may be a secret in the wrong place.
        raise self.wrong(f"{key}{place} is {_type(value)}, not {_TYPES[kind]}.", f"Write it like {example}.", key)


def _type(value: object) -> str:
    if isinstance(value, bool):
        return "true or false"
    return _TYPES.get(type(value), "a date or a time")


def _shown(value: int | float) -> str:
    """The number; a whole number may be too large to be a float, and is not worth its digits then."""
    return f"{value:g}" if isinstance(value, float) or abs(value) < 10**15 else "far too large"
