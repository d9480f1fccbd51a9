"""Rows as JSON Lines or CSV: read back as they were, and harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.records.feedback import Feedback, Score
from ratchet.records.trace import Context, Trace
from ratchet.web.export import CSV, JSONL, exported
from tests.storage.samples import a_full_trace, a_trace, feedback

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://evil.example","x")')
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40)


def cells(rows: list[Trace] | list[Feedback]) -> list[dict[str, str]]:
    """The CSV of those rows, read back."""
    body = exported(rows, "csv", None).body
    assert body is not None
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_json_lines_are_the_records_themselves() -> None:
    rows = [a_full_trace(), a_trace()]
    answer = exported(rows, "jsonl", "the-cursor")
    assert (answer.content_type, answer.headers) == (JSONL, {"x-ratchet-next": "the-cursor"})
    assert answer.body is not None
    lines = answer.body.splitlines()
    assert [msgspec.convert(json.loads(line), Trace) for line in lines] == rows


def test_csv_has_one_column_for_each_name_that_any_row_has() -> None:
    rows = [
        feedback("f1", thumb="up", flags=("unsafe",), signals={"copy": True}),
        feedback("f2", stars=1, scores=(Score.infer("tone", "warm"),), comment='a,b\n"c"'),
    ]
    answer = exported(rows, "csv", None)
    assert (answer.content_type, answer.headers) == (CSV, {})
    first, second = cells(rows)
    assert (first["id"], first["thumb"], first["flag:unsafe"], first["signal:copy"]) == ("f1", "up", "True", "True")
    assert (first["stars"], first["tone"]) == ("", "")
    assert (second["stars"], second["tone"], second["comment"]) == ("1.0", "warm", 'a,b\n"c"')


def test_a_score_never_takes_the_place_of_the_rows_own_columns() -> None:
    names = ("id", "app", "trace_id", "at", "user")
    (row,) = cells([feedback("f1", scores=tuple(Score.infer(name, "mine") for name in names))])
    assert (row["id"], row["app"], row["trace_id"], row["user"]) == ("f1", "triage", "t1", "u1")
    assert [row[f"score:{name}"] for name in names] == ["mine"] * 5


def test_a_trace_has_its_context_in_columns_and_its_influences_by_id() -> None:
    (row,) = cells([a_full_trace()])
    assert (row["user"], row["segment"], row["tags"], row["influences"]) == ("u1", "gold", "x y", "l1 p1")
    assert (row["release"], row["confidence"], row["input"]) == ("7", "0.1", a_full_trace().input)


@pytest.mark.parametrize("formula", FORMULAS)
def test_no_cell_is_a_formula_whatever_was_sent(formula: str) -> None:
    said = feedback(
        "f1", user=formula, comment=formula, correction=formula, scores=(Score.infer(formula, formula),),
        flags=(formula,),
    )  # fmt: skip
    context = Context(user=formula, tags=(formula, "x"), segment=formula)
    asked = a_trace("t1", input=formula, output=formula, context=context, passage_id=formula, model=formula)
    for rows in ([said], [asked]):
        body = exported(rows, "csv", None).body  # type: ignore[arg-type]
        assert body is not None
        found = list(csv.reader(io.StringIO(body.decode(), newline="")))
        assert formula in "".join(cell for line in found for cell in line)
        risky = [cell for line in found for cell in line if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))]
        assert risky == []


@given(text=TEXTS)
def test_any_text_comes_back_but_for_the_apostrophe(text: str) -> None:
    (row,) = cells([a_trace("t1", input=text, output="")])
    assert row["input"].removeprefix("'") == text.removeprefix("'") or row["input"] == f"'{text}"


def test_nothing_is_an_empty_file() -> None:
    assert exported([], "jsonl", None).body == b""
    assert cells([]) == []
