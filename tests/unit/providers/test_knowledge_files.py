"""Knowledge from files; what cannot be used is named with its file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import InvalidInput
from ratchet.providers.knowledge_files import read_knowledge
from ratchet.records.passage import Passage
from tests.unit.making import TEXT


def folder(path: Path, files: dict[str, str]) -> Path:
    for name, words in files.items():
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(words, encoding="utf-8")
    return path


def jsonl(path: Path, *rows: Any) -> Path:
    file = path / "known.jsonl"
    file.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return file


def test_each_line_of_a_jsonl_file_is_a_passage(tmp_path: Path) -> None:
    rows = ({"passage_id": "a", "title": "T", "text": "x"}, "", {"passage_id": 7, "text": "y", "more": 1}, "  ")
    assert read_knowledge(jsonl(tmp_path, *rows), "support") == [
        Passage(id="a", app="support", title="T", text="x"),
        Passage(id="7", app="support", title="", text="y"),
    ]


@given(st.lists(TEXT.filter(str.strip), min_size=1, max_size=4), st.booleans())
def test_a_passage_reads_back_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], ascii_only: bool
) -> None:
    file = tmp_path_factory.mktemp("k") / "known.jsonl"
    rows = [{"passage_id": str(number), "title": "", "text": text} for number, text in enumerate(texts)]
    file.write_text("\n".join(json.dumps(row, ensure_ascii=ascii_only) for row in rows), encoding="utf-8")
    assert [passage.text for passage in read_knowledge(file, "support")] == texts


def test_unusual_line_separators_do_not_cut_a_passage_in_two(tmp_path: Path) -> None:
    row = json.dumps({"passage_id": "a", "text": "one\u2028two\x85three"}, ensure_ascii=False)
    assert read_knowledge(jsonl(tmp_path, row), "support")[0].text == "one\u2028two\x85three"


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", '"text"', "7", "null", '{"text": "x"}', '{"passage_id": "a"}', '{"passage_id": "a", "text": null}',
        '{"passage_id": "a", "text": ""}', '{"passage_id": "a", "text": "  "}', '{"passage_id": "a", "text": ["x"]}',
    ],
)  # fmt: skip
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        read_knowledge(jsonl(tmp_path, {"passage_id": "ok", "text": "x"}, "", line), "support")
    assert "known.jsonl, line 3" in refused.value.what
    assert "passage_id" in refused.value.fix


def test_each_section_of_a_folder_is_a_passage_titled_with_file_and_heading(tmp_path: Path) -> None:
    files = {
        "returns.md": "Read this.\n\n# How long?\n\nThirty days.\n\n## How much ##\nAll of it.\n# Empty\n",
        "deep/er/notes.txt": "Just words.\n",
        "ignored.html": "<p>no</p>",
    }
    found = read_knowledge(folder(tmp_path, files), "support")
    assert [(passage.id, passage.title, passage.text) for passage in found] == [
        ("deep/er/notes", "deep/er/notes", "Just words."),
        ("returns", "returns", "Read this."),
        ("returns#1-how-long", "returns > How long?", "Thirty days."),
        ("returns#2-how-much", "returns > How much", "All of it."),
    ]
    assert {passage.app for passage in found} == {"support"}


def test_sections_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    found = read_knowledge(folder(tmp_path, {"a.md": "# Why\none\n# Why\ntwo"}), "support")
    assert [passage.text for passage in found] == ["one", "two"]
    assert len({passage.id for passage in found}) == 2


def test_a_folder_that_is_named_like_a_file_is_only_a_folder(tmp_path: Path) -> None:
    assert len(read_knowledge(folder(tmp_path, {"odd.md/inside.txt": "words"}), "support")) == 1


BAD: dict[str, Callable[[Path], Path]] = {
    "not there": lambda path: path / "missing",
    "empty folder": lambda path: folder(path, {"notes.html": "x"}),
    "only headings": lambda path: folder(path, {"a.md": "# One\n# Two\n"}),
    "empty file": lambda path: jsonl(path, ""),
    "twice": lambda path: jsonl(path, *[{"passage_id": "same", "text": word} for word in "ab"]),
    "the same name twice": lambda path: folder(path, {"a.md": "x", "a.txt": "y"}),
}


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_knowledge_that_cannot_be_used_is_refused_with_its_place_and_a_fix(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    with pytest.raises(InvalidInput) as refused:
        read_knowledge(path, "support")
    assert str(path) in refused.value.what
    assert refused.value.fix


@pytest.mark.parametrize("name", ["a.md", "known.jsonl"])
def test_a_file_that_is_not_utf_8_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"caf\xe9")
    with pytest.raises(InvalidInput, match=f"{name} is not UTF-8"):
        read_knowledge(tmp_path if name.endswith("md") else tmp_path / name, "support")


def test_ten_thousand_passages_are_read_in_a_moment(tmp_path: Path) -> None:
    rows = [{"passage_id": f"p{number}", "text": "words"} for number in range(10_000)]
    assert len(read_knowledge(jsonl(tmp_path, *rows), "support")) == 10_000
