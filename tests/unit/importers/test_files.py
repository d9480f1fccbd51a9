"""Rows of files in every format, streamed."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from ratchet.errors import InvalidInput
from ratchet.importers import files
from ratchet.importers.files import rows
from ratchet.importers.row import Skipped

ROWS = [{"a": 1, "text": 'brackets ] } and "quotes" \\'}, {"b": {"c": ["{", "["]}}, {"ü": "€"}]


def found(path: Path) -> list[Any]:
    return [row if not isinstance(row, Skipped) else row.reason for _, row in rows(path)]


def written(tmp_path: Path, text: str | bytes, name: str = "rows.json") -> Path:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(row) for row in ROWS),
        "\ufeff" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n",
        json.dumps(ROWS),
        json.dumps(ROWS, indent=2),
        "\n".join(json.dumps(row, indent=2) for row in ROWS),
        "  [" + ",\n".join(json.dumps(row) for row in ROWS) + "\n]\n",
    ],
    ids=["lines", "lines with BOM", "array", "array, indented", "documents, indented", "array with a row a line"],
)
@pytest.mark.parametrize("chunk", [1, 7, 65_536])
def test_the_same_rows_from_every_notation_of_json(
    tmp_path: Path, text: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_CHUNK", chunk)
    assert found(written(tmp_path, text)) == ROWS


def test_gzip_is_recognised_by_its_content(tmp_path: Path) -> None:
    path = written(tmp_path, gzip.compress("\n".join(json.dumps(row) for row in ROWS).encode()), "rows.jsonl")
    assert found(path) == ROWS


def test_bad_lines_do_not_stop_the_good_ones(tmp_path: Path) -> None:
    text = b'{"a": 1}\n{"a": \n[1]\n"x"\n{"a": "\xff"}\n{"a": NaN}\n' + b"[" * 100_000 + b'\n{"a": 2}'
    assert found(written(tmp_path, text)) == [
        {"a": 1},
        "it is not JSON",
        "it is not a JSON object",
        "it is not a JSON object",
        "it is not UTF-8",
        {"a": None},
        "its JSON holds a number or a nesting that is too large",
        {"a": 2},
    ]


def test_a_broken_first_line_does_not_hide_the_others(tmp_path: Path) -> None:
    assert found(written(tmp_path, '{"a":\n{"a": 2}\n')) == ["it is not JSON", {"a": 2}]


def test_a_bad_item_of_an_array_does_not_stop_the_others(tmp_path: Path) -> None:
    assert found(written(tmp_path, '[{"a": 1}, {"a": x}, 5, "}{", {"a": 2}, {"cut": ')) == [
        {"a": 1},
        "it is not JSON",
        {"a": 2},
        "it is not JSON",
    ]


def test_a_line_too_long_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_ROW", 1024)
    path = written(tmp_path, '{"a": 1}\n{"a": "' + "x" * 5000 + '"}\n{"a": 2}\n')
    assert found(path) == [{"a": 1}, "it is longer than 0 MB", {"a": 2}]


def test_an_item_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "LONGEST_ROW", 1024)
    monkeypatch.setattr(files, "_CHUNK", 256)
    with pytest.raises(InvalidInput, match="an object of more than"):
        found(written(tmp_path, '[{"a": "' + "x" * 5000 + '"}]'))


class TestCsv:
    def test_cells_may_hold_breaks_and_any_usual_delimiter(self, tmp_path: Path) -> None:
        text = 'a;b\n"1\n2";x, y\n3;"say ""hi"""\n\n'
        assert found(written(tmp_path, text, "rows.csv")) == [{"a": "1\n2", "b": "x, y"}, {"a": "3", "b": 'say "hi"'}]

    def test_rows_with_too_many_cells_or_bad_bytes_are_skipped(self, tmp_path: Path) -> None:
        text = b"a,b\n1,2,3\n4\n\xff,6\n7,8\n"
        assert found(written(tmp_path, text, "rows.csv")) == [
            "it has more cells than the header",
            {"a": "4"},
            "it is not UTF-8",
            {"a": "7", "b": "8"},
        ]

    def test_a_cell_may_be_large(self, tmp_path: Path) -> None:
        text = "a\n" + "x" * 1_000_000 + "\n"
        assert found(written(tmp_path, text, "rows.csv")) == [{"a": "x" * 1_000_000}]

    def test_a_name_may_end_in_gz(self, tmp_path: Path) -> None:
        assert found(written(tmp_path, gzip.compress(b"a\tb\n1\t2\n"), "rows.tsv.gz")) == [{"a": "1", "b": "2"}]


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.csv"])
def test_an_empty_file_has_no_rows(tmp_path: Path, name: str) -> None:
    assert found(written(tmp_path, b"", name)) == []


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no file"):
        found(tmp_path / "nothing.jsonl")


def test_a_cut_gzip_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"a": 1}\n' * 100_000)
    with pytest.raises(InvalidInput, match="cannot be read"):
        found(written(tmp_path, whole[: len(whole) // 2]))


def test_parquet_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"pip install pyarrow|Export it anew"):
        found(written(tmp_path, b"PAR1....PAR1", "rows.parquet"))


def test_all_bytes_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps([{"a": number} for number in range(50_000)]))
    seen: list[int] = []
    assert sum(1 for _ in rows(path, seen.append)) == 50_000
    assert sum(seen) == path.stat().st_size


@pytest.mark.parametrize("as_array", [True, False])
def test_a_large_file_is_never_held_whole(tmp_path: Path, as_array: bool) -> None:
    row = json.dumps({"text": "x" * 2000})
    path = written(tmp_path, f"[{','.join([row] * 10_000)}]" if as_array else "\n".join([row] * 10_000))
    tracemalloc.start()
    try:
        assert sum(1 for _ in rows(path)) == 10_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < path.stat().st_size / 8
