"""Histories and corpora: what is read, in which order, what is held out; and every error names its file and line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from ratchet.backtest.stream import History, read_history
from ratchet.errors import InvalidInput
from tests.command import answer_history, history, write

GOOD = {"id": "good", "text": "fine", "label": "alpha"}


def read(tmp_path: Path, rows: list[dict[str, Any]], **options: Any) -> History:
    return read_history(write(tmp_path / "rows.jsonl", rows), **({"kind": "classify"} | options))


def refusal(path: Path, **options: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        read_history(path, **({"kind": "classify"} | options))
    assert path.name in caught.value.what or "corpus" in options
    assert caught.value.fix.endswith(".")
    return caught.value


def refused_line(tmp_path: Path, line: str) -> str:
    """What is said about a bad second line, which it must name."""
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{line}\n", encoding="utf-8")
    what = refusal(path).what
    assert what.startswith("rows.jsonl, line 2")
    return what


class TestALineThatCannotBeUsed:
    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('{"id": "a", "text"', "is not JSON"),
            ("hello", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ("[1, 2]", "is not an object"),
            ('"text"', "is not an object"),
            ("null", "is not an object"),
            ('{"id": "a", "text": "x", "label": NaN}', "NaN is not a JSON number"),
            ('{"id": "a", "text": "x", "label": "l", "score": -Infinity}', "-Infinity is not a JSON number"),
            ('{"id": "a", "text": "x"}', "has no field 'label'"),
            ('{"id": "a", "label": "x"}', "has no field 'text'"),
            ('{"text": "a", "label": "x"}', "has no field 'id'"),
            ('{"id": "a", "text": "", "label": "x"}', "'text' is ''"),
            ('{"id": "a", "text": " \\n ", "label": "x"}', "'text' is"),
            ('{"id": "a", "text": 7, "label": "x"}', "'text' is 7"),
            ('{"id": null, "text": "a", "label": "x"}', "'id' is None"),
            ('{"id": "a", "text": "x", "label": ""}', "'label' is ''"),
            ('{"id": "a", "text": "x", "label": ["b"]}', "'label' is ['b']"),
            ('{"id": "good", "text": "x", "label": "beta"}', "the id 'good' occurs twice"),
            ('{"id": "a", "text": "x", "label": "b", "timestamp": "yesterday"}', "the timestamp 'yesterday'"),
            ('{"id": "a", "text": "x", "label": "b", "timestamp": "2026-02-30"}', "the timestamp '2026-02-30'"),
            ('{"id": "a", "text": "x", "label": "b", "timestamp": 1.5}', "the timestamp 1.5"),
        ],
    )
    def test_is_named_with_what_is_wrong(self, tmp_path: Path, line: str, said: str) -> None:
        assert said in refused_line(tmp_path, line)

    def test_a_text_of_a_megabyte_is_refused_without_repeating_it(self, tmp_path: Path) -> None:
        what = refused_line(tmp_path, json.dumps({"id": "a", "text": "x" * 1_000_000, "label": "b"}))
        assert "1,000,000 characters" in what
        assert len(what) < 200

    @pytest.mark.parametrize(
        ("text", "said"), [("a\x00b", "NUL"), ("\ud800", "surrogate")], ids=["a NUL", "half a surrogate pair"]
    )
    def test_a_text_that_no_store_can_hold_is_refused(self, tmp_path: Path, text: str, said: str) -> None:
        assert said in refused_line(tmp_path, json.dumps({"id": "a", "text": text, "label": "b"}))

    @pytest.mark.parametrize("field", ["user", "segment"])
    def test_an_optional_field_that_no_store_can_hold_is_refused_too(self, tmp_path: Path, field: str) -> None:
        line = json.dumps({"id": "a", "text": "x", "label": "b", field: "a\x00b"})
        assert f"The {field} holds a NUL" in refused_line(tmp_path, line)

    def test_blank_lines_are_passed_over_but_counted(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_text(f"{json.dumps(GOOD)}\n\n  \n{{}}\n")
        assert refusal(path).what.startswith("rows.jsonl, line 4 has no field")


class TestAFileThatCannotBeUsed:
    def test_is_missing(self, tmp_path: Path) -> None:
        assert "There is no file" in refusal(tmp_path / "nowhere.jsonl").what

    def test_is_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "folder").mkdir()
        assert "cannot be read" in refusal(tmp_path / "folder").what

    def test_is_called_gz_but_is_not_gzipped(self, tmp_path: Path) -> None:
        error = refusal(write(tmp_path / "rows.jsonl.gz", history(8)))
        assert "cannot be read" in error.what
        assert "plain or gzipped" in error.fix

    def test_is_cut_in_the_middle_of_its_compression(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl.gz"
        path.write_bytes(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in history(500)))[:-200])
        assert "cannot be read" in refusal(path).what

    def test_has_a_damaged_compression(self, tmp_path: Path) -> None:
        whole = bytearray(gzip.compress(b"".join(json.dumps(row).encode() + b"\n" for row in history(500))))
        whole[60:80] = b"\xff" * 20
        (tmp_path / "rows.jsonl.gz").write_bytes(whole)
        assert "cannot be read" in refusal(tmp_path / "rows.jsonl.gz").what

    def test_is_not_utf8(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes('{"id": "a", "text": "Größe", "label": "x"}\n'.encode("latin-1"))
        error = refusal(path)
        assert "cannot be read" in error.what
        assert "UTF-8" in error.fix

    @pytest.mark.parametrize("content", ["", "\n\n"])
    def test_is_empty(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "rows.jsonl").write_text(content)
        assert "no row to stream" in refusal(tmp_path / "rows.jsonl").what

    def test_has_one_label_only(self, tmp_path: Path) -> None:
        rows = [{**row, "label": "same"} for row in history(40)]
        assert "one label only: 'same'" in refusal(write(tmp_path / "rows.jsonl", rows)).what

    def test_has_no_held_out_row(self, tmp_path: Path) -> None:
        rows = [{**row, "split": "train"} for row in history(40)]
        error = refusal(write(tmp_path / "rows.jsonl", rows))
        assert "no held-out row" in error.what
        assert "split 'test'" in error.fix

    def test_has_held_out_rows_only(self, tmp_path: Path) -> None:
        rows = [{**row, "split": "test"} for row in history(40)]
        assert "no row to stream" in refusal(write(tmp_path / "rows.jsonl", rows)).what


class TestACorpus:
    def read(self, tmp_path: Path, corpus: list[dict[str, Any]], rows: list[dict[str, Any]]) -> History:
        path = write(tmp_path / "corpus.jsonl", corpus)
        return read(tmp_path, rows, kind="answer", corpus=path)

    def test_is_read_with_its_titles(self, tmp_path: Path) -> None:
        rows, corpus = answer_history(40)
        found = self.read(tmp_path, corpus, rows)
        assert [(p.id, p.title, p.text) for p in found.passages] == [
            (p["passage_id"], p["title"], p["text"]) for p in corpus
        ]
        assert {row.truth for row in found.streamed} == {p["passage_id"] for p in corpus}
        assert found.labels == []

    def test_is_needed_for_answers(self, tmp_path: Path) -> None:
        rows, _ = answer_history(8)
        with pytest.raises(InvalidInput, match=r"needs passages.*--corpus"):
            read(tmp_path, rows, kind="answer")

    def test_that_is_empty(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"corpus\.jsonl is empty"):
            self.read(tmp_path, [], answer_history(8)[0])

    def test_that_lacks_a_passage_is_told_with_the_row(self, tmp_path: Path) -> None:
        rows, corpus = answer_history(8)
        with pytest.raises(InvalidInput, match=r"rows\.jsonl, line 4: the corpus has no passage 'p-dorado'"):
            self.read(tmp_path, corpus[:3], rows)

    def test_with_a_passage_twice(self, tmp_path: Path) -> None:
        rows, corpus = answer_history(8)
        with pytest.raises(InvalidInput, match=r"corpus\.jsonl, line 5: the passage 'p-alpha' occurs twice"):
            self.read(tmp_path, [*corpus, corpus[0]], rows)

    @pytest.mark.parametrize("field", ["passage_id", "text"])
    def test_with_a_missing_field(self, tmp_path: Path, field: str) -> None:
        rows, corpus = answer_history(8)
        broken = {key: value for key, value in corpus[1].items() if key != field}
        with pytest.raises(InvalidInput, match=rf"corpus\.jsonl, line 2 has no field '{field}'"):
            self.read(tmp_path, [corpus[0], broken, *corpus[2:]], rows)


class TestOrder:
    def times(self, tmp_path: Path, order: str, **options: Any) -> list[str]:
        stamps = ["2026-03-01", "", "2026-01-01T12:00:00", "2026-01-01T08:30:00", "2026-02-01"]
        rows = [{"id": f"r{n}", "text": f"t{n}", "label": f"l{n}", "timestamp": s or None, "split": "train"}
                for n, s in enumerate(stamps)]  # fmt: skip
        rows.append({**GOOD, "split": "test"})
        return [row.id for row in read(tmp_path, rows, order=order, **options).streamed]

    def test_of_the_file(self, tmp_path: Path) -> None:
        assert self.times(tmp_path, "file") == ["r0", "r1", "r2", "r3", "r4"]

    def test_of_time_with_undated_rows_last(self, tmp_path: Path) -> None:
        assert self.times(tmp_path, "time") == ["r3", "r2", "r4", "r0", "r1"]

    def test_of_time_is_that_of_the_moment_whatever_the_zone(self, tmp_path: Path) -> None:
        stamps = ["2026-01-01T12:00:00+00:00", "2026-01-01T13:00:00+05:00", "2026-01-01T11:00:00Z"]
        rows = [{"id": f"r{n}", "text": f"t{n}", "label": f"l{n}", "timestamp": stamp, "split": "train"}
                for n, stamp in enumerate(stamps)]  # fmt: skip
        found = read(tmp_path, [*rows, {**GOOD, "split": "test"}], order="time").streamed
        assert [row.id for row in found] == ["r1", "r2", "r0"]

    def test_a_shuffle_keeps_all_rows_and_follows_the_seed(self, tmp_path: Path) -> None:
        orders = [self.times(tmp_path, "shuffle", seed=seed) for seed in range(6)]
        assert all(sorted(order) == ["r0", "r1", "r2", "r3", "r4"] for order in orders)
        assert len({tuple(order) for order in orders}) > 1
        assert self.times(tmp_path, "shuffle", seed=3) == orders[3]

    def test_a_limit_takes_the_first_of_that_order_and_leaves_the_measure_alone(self, tmp_path: Path) -> None:
        assert self.times(tmp_path, "time", limit=2) == ["r3", "r2"]
        rows = history(40, split=True)
        assert len(read(tmp_path, rows, limit=3).held_out) == len(read(tmp_path, rows).held_out) == 8


class TestWhatIsHeldOut:
    def test_rows_of_the_test_split_are_never_streamed(self, tmp_path: Path) -> None:
        rows = history(40, split=True)
        found = read(tmp_path, rows)
        assert {row.id for row in found.held_out} == {row["id"] for row in rows if row["split"] == "test"}
        assert {row.id for row in found.streamed} == {row["id"] for row in rows if row["split"] == "train"}

    @pytest.mark.parametrize("split", ["train", "valid", "anything"])
    def test_rows_of_any_other_split_are_streamed(self, tmp_path: Path, split: str) -> None:
        rows = [{**row, "split": split} for row in history(20)]
        assert len(read(tmp_path, [*rows, {**GOOD, "split": "test"}]).streamed) == 20

    def test_without_a_split_a_fifth_is_held_out(self, tmp_path: Path) -> None:
        found = read(tmp_path, history(1000))
        assert len(found.streamed) + len(found.held_out) == 1000
        assert 150 < len(found.held_out) < 250

    def test_the_same_words_fall_on_the_same_side(self, tmp_path: Path) -> None:
        rows = history(200)
        twins = [{**row, "id": f"twin-{row['id']}", "text": f"  {row['text'].upper().replace(' ', '   ')}!"}
                 for row in rows]  # fmt: skip
        found = read(tmp_path, [*rows, *twins])
        held_out = {row.id for row in found.held_out}
        assert held_out
        assert held_out == {f"twin-{key}" for key in held_out if not key.startswith("twin-")} | {
            key for key in held_out if not key.startswith("twin-")
        }


class TestFields:
    def test_a_row_without_a_user_is_its_own_user(self, tmp_path: Path) -> None:
        found = read(tmp_path, [{**GOOD, "split": "train"}, {**GOOD, "id": "h", "label": "b", "split": "test"}])
        assert found.streamed[0].user == "good"

    def test_the_segment_may_be_called_domain(self, tmp_path: Path) -> None:
        rows = [{**GOOD, "domain": "uk"}, {**GOOD, "id": "2", "segment": "web", "domain": "uk"}]
        rows = [{**row, "split": "train"} for row in rows] + [{**GOOD, "id": "h", "label": "b", "split": "test"}]
        assert [row.segment for row in read(tmp_path, rows).streamed] == ["uk", "web"]

    def test_labels_are_those_of_all_rows_in_order_of_name(self, tmp_path: Path) -> None:
        assert read(tmp_path, history(40)).labels == ["alpha", "bravo", "castor", "dorado"]

    def test_a_gzipped_file_reads_the_same_as_a_plain_one(self, tmp_path: Path) -> None:
        plain = write(tmp_path / "rows.jsonl", history(60))
        (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
        assert read_history(tmp_path / "rows.jsonl.gz", kind="classify") == read_history(plain, kind="classify")

    def test_a_byte_order_mark_is_no_error(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        path.write_bytes(b"\xef\xbb\xbf" + write(path, history(20)).read_bytes())
        assert len(read_history(path, kind="classify").streamed) > 10
