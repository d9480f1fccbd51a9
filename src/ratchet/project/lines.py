"""Finds the line on which each table and each key of a TOML text stands."""

from __future__ import annotations

import re
import tomllib

Path = tuple[str, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|' + r"'''.*?'{3,5}|" + r'"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'", re.DOTALL
)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_PLAIN_VALUE = re.compile(r"[^,\]}#\n]+")


class Lines:
    """The line (from 1) of every table, key and array item of ``text``, by its path: ``("apps", "support", "kind")``.

    The text must be valid TOML. A table stands where its header is; an array item is named by its place.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._found: dict[Path, int] = {}
        self._read()

    def of(self, *path: str) -> int:
        """The line of ``path``, or of the nearest table around it; 1 when nothing around it has a line."""
        while path and path not in self._found:
            path = path[:-1]
        return self._found.get(path, 1)

    def _read(self) -> None:
        table: Path = ()
        while self._skip_blank():
            if self._text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        line = self._line()
        one_of_many = self._text.startswith("[[", self._at)
        self._at += 2 if one_of_many else 1
        table = self._key()
        self._note((), table, line)
        if not one_of_many:
            self._found[table] = line  # a table inside it may have come first and named it in passing
        self._at = self._text.index("]", self._at) + 1
        if self._text.startswith("]", self._at):
            self._at += 1
        return table

    def _pair(self, table: Path) -> None:
        line = self._line()
        key = self._key()
        self._note(table, key, line)
        self._at = self._text.index("=", self._at) + 1
        self._value(table + key)

    def _value(self, path: Path) -> None:
        self._skip_blank()
        opened = self._text[self._at]
        if opened == "[":
            self._array(path)
        elif opened == "{":
            self._inline_table(path)
        else:
            found = _STRING.match(self._text, self._at) or _PLAIN_VALUE.match(self._text, self._at)
            self._at = found.end() if found else len(self._text)

    def _array(self, path: Path) -> None:
        place = 0
        while self._next_item("]"):
            self._note(path, (str(place),), self._line())
            self._value((*path, str(place)))
            place += 1

    def _inline_table(self, path: Path) -> None:
        while self._next_item("}"):
            self._pair(path)

    def _next_item(self, closing: str) -> bool:
        """Step over the bracket or comma that stands here, to the next item; False once the bracket has closed."""
        self._skip_blank()
        if self._text[self._at] != closing:
            self._at += self._text[self._at] in "[{,"
            self._skip_blank()
        if self._text[self._at] != closing:
            return True
        self._at += 1
        return False

    def _key(self) -> Path:
        parts: list[str] = []
        while True:
            self._skip_blank()
            found = _STRING.match(self._text, self._at) or _BARE_KEY.match(self._text, self._at)
            if found is None:
                return tuple(parts)
            self._at = found.end()
            written = found.group()
            parts.append(tomllib.loads(f"key = {written}")["key"] if written[0] in "\"'" else written)
            self._skip_blank()
            if not self._text.startswith(".", self._at):
                return tuple(parts)
            self._at += 1

    def _note(self, table: Path, key: Path, line: int) -> None:
        for end in range(1, len(key) + 1):
            self._found.setdefault(table + key[:end], line)

    def _line(self) -> int:
        return self._text.count("\n", 0, self._at) + 1

    def _skip_blank(self) -> bool:
        found = _BLANK.match(self._text, self._at)
        self._at = found.end() if found else self._at
        return self._at < len(self._text)
