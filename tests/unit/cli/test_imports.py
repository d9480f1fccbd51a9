"""``ratchet import``, as somebody types it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ratchet import Ratchet
from ratchet.cli import imports, main
from tests.unit.cli.conftest import ENVIRONMENT, Cli
from tests.unit.importers.reading import SAMPLES

MAPS = ("--map", "input=question", "--map", "output=answer", "--map", "user=meta.uid", "--map", "thumb=rating")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    if not any(group.typer_instance is imports.app for group in main.app.registered_groups):
        monkeypatch.setattr(main.app, "registered_groups", [*main.app.registered_groups])
        main.app.add_typer(imports.app, name="import")


def test_a_mapped_table_is_imported_and_the_second_time_is_all_duplicates(cli: Cli, tmp_path: Path) -> None:
    command = ("import", "jsonl", SAMPLES / "table.jsonl", "--app", "support", *MAPS, "--json")
    first, second = cli(*command), cli(*command)
    assert (first.code, second.code) == (0, 0)
    report = json.loads(first.out)
    assert report["traces"] == {"found": 3, "stored": 3, "duplicate": 0, "rejected": 0}
    assert report["feedback"]["stored"] == 2
    assert report["apps"] == {"support": 3}
    assert json.loads(second.out)["traces"] == {"found": 3, "stored": 0, "duplicate": 3, "rejected": 0}
    with Ratchet(tmp_path / "ratchet.db", environment=ENVIRONMENT) as ratchet:
        assert [app.name for app in ratchet.apps()] == ["support"]


def test_skipped_rows_are_shown_with_their_reason_number_and_first_places(cli: Cli) -> None:
    done = cli("import", "jsonl", SAMPLES / "table.jsonl", *MAPS)
    assert done.code == 0
    assert "Skipped" in done.out
    assert "its thumb is not up, down, true, false, 1, 0 or -1" in done.out
    assert "table.jsonl, line 5" in done.out


def test_a_guess_is_said(cli: Cli) -> None:
    done = cli("import", "csv", SAMPLES / "table.csv", "--dry-run")
    assert done.code == 0
    assert "table.csv: guessed --map id=Request ID --map input=Question" in done.err


def test_a_dry_run_makes_no_store(cli: Cli, tmp_path: Path) -> None:
    done = cli("import", "langfuse", SAMPLES / "langfuse_traces.json", "--dry-run")
    assert done.code == 0
    assert "nothing was stored" in done.out
    assert not list(tmp_path.glob("*.db"))


@pytest.mark.parametrize(
    ("arguments", "traces"),
    [
        (("langfuse", SAMPLES / "langfuse_traces.json", SAMPLES / "langfuse_scores.csv", "--app", "support"), 2),
        (("langsmith", SAMPLES / "langsmith_runs.jsonl", SAMPLES / "langsmith_feedback.jsonl"), 2),
        (("mlflow", SAMPLES / "mlflow_traces.jsonl"), 4),
        (("phoenix", SAMPLES / "phoenix_spans.csv", SAMPLES / "phoenix_annotations.csv"), 4),
    ],
    ids=["langfuse", "langsmith", "mlflow", "phoenix"],
)
def test_every_tool_has_its_command(cli: Cli, arguments: tuple[object, ...], traces: int) -> None:
    done = cli("import", *arguments, "--json")
    assert done.code == 0
    assert json.loads(done.out)["traces"]["stored"] == traces


def test_limit_and_since_leave_rows_out(cli: Cli) -> None:
    limited = cli("import", "mlflow", SAMPLES / "mlflow_traces.jsonl", "--limit", 2, "--dry-run", "--json")
    assert json.loads(limited.out)["traces"]["found"] == 2
    late = cli("import", "mlflow", SAMPLES / "mlflow_traces.jsonl", "--since", "2099-01-01", "--dry-run", "--json")
    assert late.code == 0
    assert json.loads(late.out)["skipped"]["it is older than --since"]["count"] == 4
    early = cli("import", "mlflow", SAMPLES / "mlflow_traces.jsonl", "--since", "99y", "--dry-run", "--json")
    assert json.loads(early.out)["traces"]["found"] == 4


class TestBadUse:
    def test_a_missing_file(self, cli: Cli) -> None:
        done = cli("import", "jsonl", "nothing.jsonl")
        assert done.code == 2
        assert "There is no file nothing.jsonl" in done.err

    def test_an_unknown_column(self, cli: Cli) -> None:
        done = cli("import", "jsonl", SAMPLES / "table.jsonl", "--map", "input=asked")
        assert done.code == 2
        assert "no column 'asked'" in done.err
        assert "question, answer, meta, meta.uid" in done.err

    def test_a_file_in_which_nothing_can_be_used_still_shows_why(self, cli: Cli) -> None:
        done = cli("import", "langsmith", SAMPLES / "table.csv")
        assert done.code == 2
        assert "it is no run and no feedback" in done.out
        assert "Nothing in it could be imported" in done.err

    def test_csv_by_another_name(self, cli: Cli, tmp_path: Path) -> None:
        shutil.copy(SAMPLES / "table.csv", tmp_path / "table.txt")
        assert cli("import", "csv", "table.txt").code == 2

    @pytest.mark.parametrize("since", ["yesterday", "30", "5 parsecs"])
    def test_a_since_that_is_neither_date_nor_age(self, cli: Cli, since: str) -> None:
        done = cli("import", "mlflow", SAMPLES / "mlflow_traces.jsonl", "--since", since, "--dry-run")
        assert (done.code, "30d" in done.err) == (2, True)

    @pytest.mark.parametrize("tool", ["mlflow", "phoenix"])
    def test_neither_files_nor_a_server_or_both(self, cli: Cli, tool: str) -> None:
        assert cli("import", tool).code == 2
        both = cli("import", tool, SAMPLES / "mlflow_traces.jsonl", "--url", "http://127.0.0.1:9")
        assert (both.code, "Both files and --url" in both.err) == (2, True)

    def test_a_server_that_is_none(self, cli: Cli) -> None:
        done = cli("import", "mlflow", "--url", "127.0.0.1:5000", "--dry-run")
        assert (done.code, "no address of a server" in done.err) == (2, True)
