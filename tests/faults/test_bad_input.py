"""Bad input through the real command line and the SDK: exit code 2, a fix, no traceback, and nothing is lost."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet import InvalidInput, Ratchet, UnknownName
from tests.command import answer_history, history, ratchet, refused, write
from tests.conftest import LABELS
from tests.faults.conftest import Spawn, ask_sqlite

ENVIRONMENT = {"RATCHET_EMBEDDER": "lexical"}
GOOD = {"id": "good", "text": "fine", "label": "alpha"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an app, a release, and a complaint that waits."""
    path = tmp_path_factory.mktemp("original") / "ratchet.db"
    with Ratchet(path, environment=ENVIRONMENT) as loop:
        triage = loop.offline("triage", kind="classify", labels=LABELS)
        for question in ("my parcel is late", "the password does not work"):
            reply = triage(question, user="kim")
            loop.feedback(reply.id, thumb="down", user="kim")
        case = loop.cases("triage")[0]
        loop.decide(case.id, reviewer="ana", erred=True, answer="refund")
        assert loop.learn("triage").release is not None
    return path


@pytest.fixture
def store(original: Path, tmp_path: Path) -> Path:
    for beside in original.parent.glob("ratchet.db*"):
        shutil.copy(beside, tmp_path / beside.name)
    return tmp_path / "ratchet.db"


@pytest.fixture
def loop(store: Path) -> Iterator[Ratchet]:
    with Ratchet(store, environment=ENVIRONMENT) as opened:
        yield opened


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables; not the counts of what was refused."""
    names = [str(row[0]) for row in ask_sqlite(path, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    assert "traces" in names
    return {name: ask_sqlite(path, f'SELECT * FROM "{name}"') for name in names if name != "tallies"}


class TestAHistoryToReplay:
    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('{"id": "a", "text"', "is not JSON"),
            ('{"id": "a", "label": "x"}', "has no field 'text'"),
            ('{"id": "a", "text": "", "label": "x"}', "'text' is ''"),
            (json.dumps({"id": "a", "text": "x" * 1_000_000, "label": "x"}), "1,000,000 characters"),
            ('{"id": "a", "text": "x", "label": NaN}', "NaN is not a JSON number"),
        ],
        ids=["malformed", "a missing field", "an empty text", "a text of a megabyte", "NaN"],
    )
    def test_with_a_bad_line_names_it(self, tmp_path: Path, line: str, said: str) -> None:
        (tmp_path / "rows.jsonl").write_text(f"{json.dumps(GOOD)}\n{line}\n")
        told = refused(ratchet("backtest", "rows.jsonl", "--store", "new.db", cwd=tmp_path))
        assert "rows.jsonl, line 2" in told
        assert said in told
        assert len(told) < 500
        assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"], "nothing was begun"

    def test_of_one_label_has_nothing_to_tell_apart(self, tmp_path: Path) -> None:
        write(tmp_path / "rows.jsonl", [{**row, "label": "same"} for row in history(40)])
        assert "one label only: 'same'" in refused(ratchet("backtest", "rows.jsonl", cwd=tmp_path))

    def test_with_an_empty_corpus_has_nothing_to_answer_from(self, tmp_path: Path) -> None:
        write(tmp_path / "rows.jsonl", answer_history(20)[0])
        (tmp_path / "corpus.jsonl").write_text("\n")
        done = ratchet("backtest", "rows.jsonl", "--kind", "answer", "--corpus", "corpus.jsonl", cwd=tmp_path)
        assert "corpus.jsonl is empty" in refused(done)

    def test_that_is_not_there(self, tmp_path: Path) -> None:
        assert "There is no file nowhere.jsonl" in refused(ratchet("backtest", "nowhere.jsonl", cwd=tmp_path))


class TestThroughTheSdk:
    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"scores": {"quality": math.nan}}, "finite"),
            ({"scores": {"quality": math.inf}}, "finite"),
            ({"scores": {"quality": -math.inf}}, "finite"),
            ({"scores": {"quality": 10**400}}, "finite"),
            ({"signals": {"dwell_ms": math.nan}}, "finite"),
            ({"scores": {"quality": [1]}}, "number, true/false or text"),
            ({"stars": math.nan}, "1 to 5"),
            ({"thumb": "sideways"}, "'up' or 'down'"),
            ({"comment": "x" * 1_000_000}, "part that matters"),
            ({"correction": "a\x00b"}, "Remove it"),
            ({}, "Send a score"),
        ],
    )
    def test_feedback_that_no_store_can_hold_is_refused(
        self, loop: Ratchet, store: Path, given: dict[str, Any], said: str
    ) -> None:
        triage = loop.offline("triage", kind="classify", labels=LABELS)
        reply = triage("where is it")
        loop.flush()
        before = rows(store)
        with pytest.raises(InvalidInput) as caught:
            loop.feedback(reply.id, user="kim", **given)
        assert said in caught.value.fix
        assert rows(store) == before
        assert loop.feedback(reply.id, user="kim", thumb="up").accepted, "the next one is taken"

    @pytest.mark.parametrize("question", ["", " \n", "x" * 1_000_000, "a\x00b", "\ud800"], ids=ascii)
    def test_a_question_that_is_none_is_refused(self, loop: Ratchet, store: Path, question: str) -> None:
        triage = loop.offline("triage", kind="classify", labels=LABELS)
        triage.prepare(loop.house)
        before = rows(store)
        with pytest.raises(InvalidInput) as caught:
            triage(question)
        assert caught.value.fix
        loop.flush()
        assert rows(store) == before

    def test_an_unknown_app_is_refused(self, loop: Ratchet, store: Path) -> None:
        before = rows(store)
        with pytest.raises(UnknownName, match="nobody"):
            loop.learn("nobody")
        with pytest.raises(UnknownName, match="nobody"):
            loop.feedback("tr_1", app="nobody", thumb="up")
        assert rows(store) == before

    @pytest.mark.parametrize(
        "right", [{"answer": "no such label"}, {"answer": "x" * 1_000_000}, {"passage_id": "no such page"}], ids=str
    )
    def test_a_verdict_that_cannot_be_right_is_refused(self, loop: Ratchet, store: Path, right: dict[str, str]) -> None:
        (case,) = loop.cases("triage")
        before = rows(store)
        with pytest.raises(InvalidInput):
            loop.decide(case.id, reviewer="ana", erred=True, **right)
        assert rows(store) == before
        assert [open_case.id for open_case in loop.cases("triage")] == [case.id]


class TestTheCommandLine:
    def test_refuses_an_app_that_there_is_not(self, store: Path) -> None:
        before = rows(store)
        for command in (("learn",), ("release", "list"), ("review", "--list")):
            done = ratchet(*command, "--app", "nobody", "--store", store, cwd=store.parent)
            assert "nobody" in refused(done)
        assert rows(store) == before

    def test_refuses_a_store_that_another_process_holds(self, store: Path, spawn: Spawn) -> None:
        program = (
            "import sys; from ratchet import Ratchet; r = Ratchet(sys.argv[1], environment={'RATCHET_EMBEDDER':"
            " 'lexical'}); r.house; print('open', flush=True); sys.stdin.read()"
        )
        owner = spawn("-c", program, str(store))
        assert owner.stdout is not None
        assert owner.stdout.readline() == "open\n"
        before = rows(store)
        told = refused(ratchet("learn", "--app", "triage", "--store", store, cwd=store.parent))
        assert f"in use by another process (pid {owner.pid})" in told
        assert "Stop that process" in told
        looking = ratchet("release", "list", "--store", store, cwd=store.parent)
        assert looking.returncode == 0, looking.stderr
        assert rows(store) == before

    @pytest.mark.parametrize("command", [("learn",), ("audit", "verify")], ids=" ".join)
    def test_refuses_a_folder_in_place_of_the_store(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        (tmp_path / "folder").mkdir()
        assert "is a folder" in refused(ratchet(*command, "--store", "folder", cwd=tmp_path))
        assert [path.name for path in tmp_path.rglob("*")] == ["folder"]

    @pytest.mark.parametrize("command", [("learn",), ("audit", "verify")], ids=" ".join)
    def test_refuses_a_file_that_is_no_database(self, tmp_path: Path, command: tuple[str, ...]) -> None:
        (tmp_path / "letter.txt").write_text("Dear aunt, " * 500)
        assert "is not a Ratchet database" in refused(ratchet(*command, "--store", "letter.txt", cwd=tmp_path))
        assert (tmp_path / "letter.txt").read_text() == "Dear aunt, " * 500

    def test_refuses_a_damaged_store_and_leaves_it_as_it_is(self, store: Path) -> None:
        damaged = bytearray(store.read_bytes().ljust(4096, b"\0"))
        damaged[:100] = os.urandom(100)
        store.write_bytes(damaged)
        for beside in store.parent.glob("ratchet.db-*"):
            beside.unlink()
        told = refused(ratchet("learn", "--store", store, cwd=store.parent))
        assert str(store) in told
        assert store.read_bytes() == bytes(damaged)
