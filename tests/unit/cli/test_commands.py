"""Every command: what it prints, its JSON, its exit code, and its errors with a fix."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from ratchet import Ratchet
from ratchet.storage.database import sqlite_module
from tests.command import answer_history, history, write
from tests.conftest import LABELS
from tests.unit.cli.conftest import ENVIRONMENT, Cli, Done

HELP = {
    (): ("init", "serve", "worker", "doctor", "demo", "backtest", "review", "learn", "lessons", "release", "audit",
         "reembed", "keys", "import"),
    ("init",): ("ratchet.toml", "Nothing that exists is overwritten"),
    ("serve",): ("--project", "--host", "--port", "--no-learn", "--store", "127.0.0.1", "8400"),
    ("worker",): ("--project", "--store", "one owner"),
    ("doctor",): ("--json",),
    ("demo",): ("--folder", "--no-open", "--json", "two minutes"),
    ("backtest",): ("--corpus", "--feedback-rate", "--reviewer-error", "--poison", "--order", "--budget", "--layers",
                    "--seed", "--limit", "--json", "never streamed"),
    ("review",): ("--app", "--as", "--list", "--count", "--json"),
    ("learn",): ("--now", "--json", "Exit code 1"),
    ("reembed",): ("--store", "embedder"),
    ("lessons",): ("list", "revoke"),
    ("lessons", "list"): ("--app", "--json"),
    ("lessons", "revoke"): ("--by", "--reason", "audit log"),
    ("release",): ("list", "show", "verify", "rollback", "promote"),
    ("release", "list"): ("--app", "--json"),
    ("release", "show"): ("gate", "--json"),
    ("release", "verify"): ("manifest", "exit code 1"),
    ("release", "rollback"): ("--to", "--by", "--reason", "stay revoked"),
    ("release", "promote"): ("--by", "--reason"),
    ("audit",): ("show", "verify"),
    ("audit", "show"): ("--last", "--app", "--json"),
    ("audit", "verify"): ("exit code 1", "--store"),
    ("keys",): ("create", "list", "revoke", "rotate-tokens"),
    ("keys", "create"): ("--kind", "--scope", "--app", "--origin", "--days", "--json", "shown once"),
    ("keys", "list"): ("--json", "without their secrets"),
    ("keys", "revoke"): ("key_", "--store"),
    ("keys", "rotate-tokens"): ("--store", "until they expire"),
    ("import",): ("jsonl", "csv", "langfuse", "langsmith", "mlflow", "phoenix"),
    ("import", "jsonl"): ("--app", "--store"),
    ("import", "csv"): ("--app", "--store"),
    ("import", "langfuse"): ("--app", "--store"),
    ("import", "langsmith"): ("--app", "--store"),
    ("import", "mlflow"): ("--app", "--store"),
    ("import", "phoenix"): ("--app", "--store"),
}  # fmt: skip


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite_module().connect(store)) as connection:
        return connection.execute(query).fetchall()


def edit(store: Path, statement: str) -> None:
    with closing(sqlite_module().connect(store)) as connection, connection:
        assert connection.execute(statement).rowcount > 0


def refused(done: Done, *said: str) -> None:
    """Exit code 2, nothing on stdout, and on stderr what was wrong and a fix."""
    assert done.code == 2, done
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert "\n  fix: " in done.err
    for words in said:
        assert words in " ".join(done.err.split())


class TestHelp:
    @pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "ratchet")
    def test_of_every_command_says_what_it_can_do(self, cli: Cli, command: tuple[str, ...]) -> None:
        done = cli(*command, "--help")
        said = " ".join(done.out.replace("│", " ").split())
        assert done.code == 0
        assert "Usage: " in said
        assert [word for word in HELP[command] if word.lower() not in said.lower()] == []

    def test_covers_every_command_there_is(self, cli: Cli) -> None:
        from ratchet.cli.main import app

        names = {(command.name or "",) for command in app.registered_commands}
        groups = {(group.name or "",) for group in app.registered_groups}
        for group in app.registered_groups:
            assert group.typer_instance is not None
            names |= {(group.name or "", item.name or "") for item in group.typer_instance.registered_commands}
        assert names == set(HELP) - groups - {()}

    def test_the_version(self, cli: Cli) -> None:
        assert cli("--version").out.startswith("ratchet 0.")

    def test_an_unknown_command_or_option_is_bad_use(self, cli: Cli) -> None:
        for arguments in (["dance"], ["learn", "--dance"], ["release", "show", "one"], ["review", "--count", "0"]):
            done = cli(*arguments)
            assert done.code == 2
            assert "Usage: " in done.err


class TestTheStore:
    @pytest.mark.parametrize(
        "command",
        [("review",), ("learn",), ("lessons", "list"), ("release", "list"), ("release", "verify"), ("audit", "show"),
         ("audit", "verify"), ("reembed",)],
        ids=" ".join,
    )  # fmt: skip
    def test_must_exist(self, cli: Cli, tmp_path: Path, command: tuple[str, ...]) -> None:
        refused(cli(*command, "--store", tmp_path / "no.db"), "There is no store at", "ratchet demo")
        assert list(tmp_path.iterdir()) == []

    def test_is_ratchet_db_here_unless_named(self, cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        refused(cli("audit", "verify"), "There is no store at ratchet.db")
        monkeypatch.setenv("RATCHET_STORE", str(store))
        assert cli("audit", "verify").code == 0

    @pytest.mark.parametrize(
        "command", [("review",), ("learn",), ("lessons", "list"), ("release", "list"), ("release", "verify")],
        ids=" ".join,
    )  # fmt: skip
    def test_does_not_have_that_app(self, cli: Cli, store: Path, command: tuple[str, ...]) -> None:
        refused(cli(*command, "--app", "nobody", "--store", store), "nobody")

    def test_with_several_apps_asks_which(self, cli: Cli, store: Path) -> None:
        with Ratchet(store, environment=ENVIRONMENT) as loop:
            loop.offline("other", kind="classify", labels=["a", "b"])("hello")
        refused(cli("learn", "--store", store), "2 apps", "other", "triage", "--app NAME")
        assert cli("learn", "--app", "other", "--store", store).code == 0

    def test_is_looked_at_without_being_changed(self, cli: Cli, store: Path) -> None:
        before = store.read_bytes()
        for command in (("release", "list"), ("release", "show", "1"), ("lessons", "list"), ("audit", "show")):
            assert cli(*command, "--store", store).code == 0
        assert store.read_bytes() == before


class TestReview:
    def test_lists_what_waits(self, cli: Cli, store: Path) -> None:
        done = cli("review", "--list", "--store", store)
        assert done.code == 0
        assert "password of the parcel" in done.out
        assert "shipping [red]costs[/red]" in done.out, "what users write is no markup"
        assert "thumb: down" in done.out
        found = json.loads(cli("review", "--json", "--store", store).out)
        assert {"password of the parcel", "shipping [red]costs[/red]"} <= {item["trace"]["input"] for item in found}
        assert {item["case"]["status"] for item in found} == {"open"}

    def test_a_wrong_answer_with_its_right_label_becomes_a_lesson(self, cli: Cli, store: Path) -> None:
        done = cli("review", "--as", "bea", "--count", "1", "--store", store, typed="w\naccount\nwrong_fact\n")
        assert done.code == 0, done
        assert "Labels: refund, delivery, account" in done.out
        assert "Learned." in done.out
        assert "1 decided" in done.out
        verdict = rows(store, "SELECT reviewer, erred, answer, failure_mode FROM verdicts ORDER BY at DESC LIMIT 1")
        assert verdict == [("bea", 1, "account", "wrong_fact")]
        assert rows(store, "SELECT reviewer, answer FROM lessons ORDER BY at DESC LIMIT 1") == [("bea", "account")]

    def test_a_right_answer_is_confirmed(self, cli: Cli, store: Path) -> None:
        done = cli("review", "--as", "bea", "--count", "1", "--store", store, typed="r\n")
        assert done.code == 0
        assert "1 decided" in done.out
        assert rows(store, "SELECT reviewer, erred FROM verdicts ORDER BY at DESC LIMIT 1") == [("bea", 0)]

    def test_a_label_that_there_is_not_can_be_typed_again(self, cli: Cli, store: Path) -> None:
        done = cli("review", "--as", "bea", "--count", "1", "--store", store, typed="w\nacount\n\naccount\n\n")
        assert done.code == 0
        assert "'acount' is not a label of triage." in done.out
        assert "Use one of: refund, delivery, account." in done.out
        assert rows(store, "SELECT answer FROM verdicts ORDER BY at DESC LIMIT 1") == [("account",)]

    @pytest.mark.parametrize("typed", ["q\n", "s\n", "\n", "x\nQ\n"], ids=["quit", "skip", "enter", "another key"])
    def test_nothing_is_decided_by(self, cli: Cli, store: Path, typed: str) -> None:
        done = cli("review", "--as", "bea", "--count", "1", "--store", store, typed=typed)
        assert done.code == 0
        assert "Nothing decided." in done.out
        assert ("Type r, w, s or q." in done.out) == typed.startswith("x")
        assert rows(store, "SELECT count(*) FROM verdicts") == [(2,)]

    def test_what_was_decided_stays_when_the_input_ends(self, cli: Cli, store: Path) -> None:
        done = cli("review", "--as", "bea", "--count", "2", "--store", store, typed="r\nw\n")
        assert done.code != 0
        assert "Traceback" not in done.err
        assert rows(store, "SELECT count(*) FROM verdicts") == [(3,)]

    def test_a_case_that_another_reviewer_has_is_passed_over(self, cli: Cli, store: Path) -> None:
        assert cli("review", "--as", "bea", "--count", "1", "--store", store, typed="s\n").code == 0
        shown = cli("review", "--as", "cem", "--count", "9", "--store", store, typed="q\n").out
        assert rows(store, "SELECT count(*) FROM cases WHERE reserved_by = 'bea'") == [(1,)]
        ((trace_id,),) = rows(store, "SELECT trace_id FROM cases WHERE reserved_by = 'bea'")
        ((question,),) = rows(store, f"SELECT input FROM traces WHERE id = '{trace_id}'")
        assert question not in shown

    def test_of_nothing_says_so(self, cli: Cli, tmp_path: Path) -> None:
        store = tmp_path / "new.db"
        with Ratchet(store, environment=ENVIRONMENT) as loop:
            loop.offline("triage", kind="classify", labels=["a", "b"]).prepare(loop.house)
        assert "Nothing waits for review." in cli("review", "--list", "--store", store).out
        assert "Nothing decided." in cli("review", "--as", "bea", "--store", store).out
        assert "No releases yet" in cli("release", "list", "--store", store).out
        assert "No lessons yet" in cli("lessons", "list", "--store", store).out


class TestLearn:
    def test_with_nothing_new_says_so(self, cli: Cli, store: Path) -> None:
        done = cli("learn", "--store", store)
        assert (done.code, done.out) == (0, "Nothing new to learn.\n")

    def test_releases_what_was_reviewed(self, cli: Cli, store: Path) -> None:
        cli("review", "--as", "bea", "--count", "1", "--store", store, typed="w\naccount\n\n")
        done = cli("learn", "--now", "--store", store)
        assert done.code == 0, done
        assert done.out.startswith("Release 3 is live with 3 lessons.")
        assert rows(store, "SELECT number FROM active_releases") == [(3,)]

    def test_prints_the_turn_as_json(self, cli: Cli, store: Path) -> None:
        found = json.loads(cli("learn", "--json", "--store", store).out)
        assert (found["candidate"], found["gate"], found["release"], found["waiting"]) == (None, None, None, 0)

    def test_fails_when_the_gate_rejects(self, cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from ratchet.loop import Loop, TurnReport
        from ratchet.records.gate import GateReport
        from ratchet.stages.enrich.enrichment import Enriched

        gate = GateReport(
            id="g", app="triage", candidate_id="c", gate="evaluate", at=0.0, decision="reject", reason="Worse.",
            checks=(),
        )  # fmt: skip
        monkeypatch.setattr(Loop, "turn", lambda *_, **__: TurnReport(Enriched(0, 0), gate=gate))
        assert cli("learn", "--store", store).code == 1
        done = cli("learn", "--json", "--store", store)
        assert done.code == 1
        assert json.loads(done.out)["gate"]["decision"] == "reject"


class TestReleases:
    def test_are_listed_with_the_one_in_force(self, cli: Cli, store: Path) -> None:
        lines = cli("release", "list", "--store", store).out.splitlines()
        assert [line.split()[:2] for line in lines if line.startswith("*")] == [["*", "2"]]
        found = json.loads(cli("release", "list", "--json", "--store", store).out)
        assert found["active"] == 2
        assert [(item["number"], item["lessons"]) for item in found["releases"]] == [(1, 1), (2, 2)]
        assert found["stopped"] == []

    def test_are_shown_with_their_gate(self, cli: Cli, store: Path) -> None:
        done = cli("release", "show", "2", "--store", store)
        assert done.out.startswith("Release 2 ")
        assert "1 lessons added, 0 removed" in done.out
        assert "Gate evaluate: pass" in done.out
        found = json.loads(cli("release", "show", "2", "--json", "--store", store).out)
        assert (found["release"]["number"], found["candidate"]["parent"], len(found["gates"])) == (2, 1, 1)

    def test_that_there_are_not_cannot_be_shown(self, cli: Cli, store: Path) -> None:
        refused(cli("release", "show", "7", "--store", store), "triage has no release 7", "ratchet release list")

    def test_are_verified(self, cli: Cli, store: Path) -> None:
        done = cli("release", "verify", "--store", store)
        assert (done.code, done.out) == (0, "2 of 2 releases verified.\n")

    def test_with_an_altered_lesson_or_manifest_are_named(self, cli: Cli, store: Path) -> None:
        edit(store, "UPDATE lessons SET answer = 'delivery' WHERE question LIKE 'the login page%'")
        done = cli("release", "verify", "--store", store)
        assert done.code == 1
        assert done.out.startswith("release 2: ")
        assert done.out.endswith("1 of 2 releases verified.\n")
        edit(store, "UPDATE releases SET manifest = replace(manifest, 'triage', 'triaje') WHERE number = 1")
        done = cli("release", "verify", "--store", store)
        assert done.code == 1
        assert "release 1: " in done.out
        assert done.out.endswith("0 of 2 releases verified.\n")

    def test_go_back_and_forward(self, cli: Cli, store: Path) -> None:
        who = ("--by", "ines", "--reason", "a check", "--store", store)
        assert cli("release", "rollback", *who).out == "Release 1 is in force.\n"
        assert cli("release", "rollback", *who).out == "The bare base is in force.\n"
        refused(cli("release", "rollback", *who), "nothing to roll back")
        assert cli("release", "promote", "2", *who).out == "Release 2 is in force.\n"
        assert cli("release", "rollback", "--to", "0", *who).out == "The bare base is in force.\n"
        assert cli("release", "promote", "1", *who).code == 0
        refused(cli("release", "promote", "1", *who), "in force already")
        refused(cli("release", "promote", "9", *who), "9")
        assert rows(store, "SELECT number FROM active_releases") == [(1,)]
        acted = rows(store, "SELECT action FROM audit WHERE actor = 'ines' ORDER BY sequence")
        assert [action for (action,) in acted] == [
            "release.rolled_back", "release.rolled_back", "release.promoted", "release.rolled_back", "release.promoted"
        ]  # fmt: skip

    def test_do_not_move_without_a_name_and_a_reason(self, cli: Cli, store: Path) -> None:
        assert cli("release", "rollback", "--store", store).code == 2
        refused(cli("release", "rollback", "--by", "ines", "--reason", " ", "--store", store), "No reason was given")
        assert rows(store, "SELECT number FROM active_releases") == [(2,)]


class TestLessons:
    def test_are_listed_newest_first(self, cli: Cli, store: Path) -> None:
        out = cli("lessons", "list", "--store", store).out
        assert out.index("the login page has no money back") < out.index("my parcel is late")
        found = json.loads(cli("lessons", "list", "--json", "--store", store).out)
        assert [(item["answer"], item["reviewer"], item["status"]) for item in found] == [
            ("account", "ana", "active"), ("refund", "ana", "active")
        ]  # fmt: skip

    def test_are_revoked_at_once(self, cli: Cli, store: Path) -> None:
        newest, _ = json.loads(cli("lessons", "list", "--json", "--store", store).out)
        done = cli("lessons", "revoke", newest["id"], "--by", "ines", "--reason", "a joke", "--store", store)
        assert done.code == 0
        assert f"{newest['id']} is revoked" in done.out
        newest, other = json.loads(cli("lessons", "list", "--json", "--store", store).out)
        assert (newest["status"], other["status"]) == ("revoked", "active")
        assert rows(store, "SELECT actor, subject FROM audit WHERE action = 'lesson.revoked'") == [
            ("ines", newest["id"])
        ]
        with Ratchet(store, environment=ENVIRONMENT) as loop:
            house = loop.house
            bundle = house.bundles.active(house.reopen("triage"))
            assert newest["id"] not in bundle.lesson_ids
            assert other["id"] in bundle.lesson_ids

    def test_that_there_are_not_cannot_be_revoked(self, cli: Cli, store: Path) -> None:
        refused(cli("lessons", "revoke", "ls_0", "--by", "i", "--reason", "r", "--store", store), "ls_0")


class TestAudit:
    def test_is_shown(self, cli: Cli, store: Path) -> None:
        out = cli("audit", "show", "--store", store).out
        assert "verdict.given" in out
        assert "ana" in out
        newest = json.loads(cli("audit", "show", "--json", "--last", "3", "--app", "triage", "--store", store).out)
        everything = json.loads(cli("audit", "show", "--json", "--last", "999", "--store", store).out)
        assert newest == everything[-3:]
        assert [entry["sequence"] for entry in everything] == list(range(1, len(everything) + 1))

    def test_is_verified(self, cli: Cli, store: Path) -> None:
        ((entries,),) = rows(store, "SELECT count(*) FROM audit")
        assert cli("audit", "verify", "--store", store) == Done(0, f"{entries} entries, all intact.\n", "")

    @pytest.mark.parametrize(
        "tampering",
        [
            "UPDATE audit SET actor = 'eve' WHERE sequence = 4",
            "UPDATE audit SET details = '{}' WHERE sequence = 4 AND details != '{}'",
            "UPDATE audit SET at = at + 1 WHERE sequence = 4",
            "UPDATE audit SET previous = hash WHERE sequence = 4",
            "DELETE FROM audit WHERE sequence = 4",
        ],
    )
    def test_names_the_entry_that_was_tampered_with(self, cli: Cli, store: Path, tampering: str) -> None:
        edit(store, tampering)
        done = cli("audit", "verify", "--store", store)
        assert done.code == 1
        assert done.out == "Entry 4 was altered, removed or moved; 3 entries before it are intact.\n"

    def test_fails_when_details_are_no_json_any_more(self, cli: Cli, store: Path) -> None:
        edit(store, "UPDATE audit SET details = 'not json' WHERE sequence = 4")
        done = cli("audit", "verify", "--store", store)
        assert (done.code, done.err) == (1, "")
        assert "altered" in done.out


class TestAnotherEmbedder:
    @pytest.fixture
    def embedded_elsewhere(self, store: Path) -> Path:
        """The store as if another embedder had made it."""
        edit(store, "UPDATE apps SET embedder = 'older-embedder'")
        return store

    def test_is_refused_before_it_answers_anything(self, cli: Cli, embedded_elsewhere: Path) -> None:
        refused(cli("learn", "--store", embedded_elsewhere), "older-embedder", "ratchet reembed", "RATCHET_EMBEDDER")
        assert rows(embedded_elsewhere, "SELECT embedder FROM apps") == [("older-embedder",)]

    def test_is_moved_to_with_the_same_lessons_in_a_release_of_their_own(
        self, cli: Cli, embedded_elsewhere: Path
    ) -> None:
        done = cli("reembed", "--store", embedded_elsewhere)
        assert done.code == 0, done
        assert "triage: " in done.out
        assert "texts embedded; release 3 is in force." in done.out
        assert cli("learn", "--store", embedded_elsewhere).code == 0
        releases = json.loads(cli("release", "list", "--json", "--store", embedded_elsewhere).out)
        assert (releases["active"], releases["releases"][-1]["lessons"]) == (3, 2)
        assert cli("audit", "verify", "--store", embedded_elsewhere).code == 0

    def test_is_not_moved_to_twice(self, cli: Cli, store: Path) -> None:
        done = cli("reembed", "--store", store)
        assert (done.code, done.out) == (0, "Every app uses the configured embedder already.\n")
        assert rows(store, "SELECT number FROM active_releases") == [(2,)]

    @pytest.mark.embedder
    def test_that_is_real_is_named_refused_and_moved_to(
        self, cli: Cli, store: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from ratchet.providers.sentence_encoder import can_run, packaged_weights

        if not can_run() or packaged_weights() is None:
            pytest.skip("the sentence encoder or its weights are not installed")
        monkeypatch.setenv("RATCHET_EMBEDDER", "auto")
        refused(cli("learn", "--store", store), "The vectors of triage were made by", "bert-mean", "ratchet reembed")
        assert "release 3 is in force" in cli("reembed", "--store", store).out
        assert cli("learn", "--store", store).code == 0
        with Ratchet(store, environment={"RATCHET_EMBEDDER": "auto"}) as loop:
            triage = loop.offline("triage", kind="classify", labels=LABELS)
            assert (triage("my parcel is late"), triage("my parcel is late").release) == ("refund", 3)


class TestBacktest:
    def test_replays_prints_and_writes(self, cli: Cli, tmp_path: Path) -> None:
        stream = write(tmp_path / "h.jsonl", history(60, split=True))
        kept, out, folder = tmp_path / "kept.db", tmp_path / "r.json", tmp_path / "curve"
        done = cli("backtest", stream, "--budget", "6", "--json", out, "--out", folder, "--store", kept, "--limit", 30)
        assert done.code == 0, done
        result = json.loads(out.read_text())
        assert (result["rows"], result["heldout_rows"], result["seed"]) == (30, 12, 0)
        assert "What the loop did" in done.out
        assert f"{result['base']['accuracy']:.3f} to {result['final']['accuracy']:.3f} on 12 held-out rows" in done.out
        assert (folder / "curve.html").exists()
        assert rows(kept, "SELECT count(*) FROM traces") == [(30,)]
        refused(cli("backtest", stream, "--store", kept), "exists already", "new file")

    def test_of_answers_prints_their_coverage(self, cli: Cli, tmp_path: Path) -> None:
        asked, corpus = answer_history(30)
        stream, pages = write(tmp_path / "q.jsonl", asked), write(tmp_path / "c.jsonl", corpus)
        done = cli("backtest", stream, "--kind", "answer", "--corpus", pages, "--budget", "0", "--layers", "retrieval")
        assert done.code == 0, done
        assert "Coverage: 0.0% of held-out requests" in done.out
        assert (tmp_path / "ratchet-backtest" / "curve.html").exists()
        refused(cli("backtest", stream, "--kind", "answer"), "needs passages", "--corpus")

    def test_refuses_layers_that_there_are_not(self, cli: Cli, tmp_path: Path) -> None:
        stream = write(tmp_path / "h.jsonl", history(20, split=True))
        refused(cli("backtest", stream, "--layers", "examples,magic"), "no layer 'magic'", "retrieval, examples")

    @pytest.mark.parametrize(
        "option", [("--feedback-rate", "1.1"), ("--poison", "-0.1"), ("--kind", "chat"), ("--budget", "-1"),
                   ("--limit", "0"), ("--order", "random"), ("--reviewer-error", "nan")],
        ids=" ".join,
    )  # fmt: skip
    def test_refuses_options_out_of_range(self, cli: Cli, tmp_path: Path, option: tuple[str, str]) -> None:
        stream = write(tmp_path / "h.jsonl", history(20, split=True))
        done = cli("backtest", stream, *option)
        assert done.code == 2
        assert option[0] in done.err or "fix:" in done.err


class TestDemo:
    def test_never_touches_a_folder_that_is_not_its_own(self, cli: Cli, tmp_path: Path) -> None:
        (tmp_path / "mine").mkdir()
        (tmp_path / "mine" / "letter.txt").write_text("dear aunt")
        refused(cli("demo", "--folder", tmp_path / "mine"), "is not empty and not the demo's", "--folder")
        assert (tmp_path / "mine" / "letter.txt").read_text() == "dear aunt"

    def test_makes_its_own_folder_anew(self, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from ratchet.demo.page import ROWS
        from ratchet.demo.story import Story

        names = {name for row in ROWS for name in row[1:3]}
        names |= {"fixed", "wrong_before", "bad_candidate_released", "same_after_rollback", "audit_intact",
                  "audit_entries", "seconds"}  # fmt: skip
        monkeypatch.setattr(Story, "play", lambda self: dict.fromkeys(sorted(names), 1.0))
        first = cli("demo", "--folder", tmp_path / "demo", "--no-open")
        assert first.code == 0, first
        assert "ratchet audit verify --store" in first.out
        (tmp_path / "demo" / "left-over").touch()
        again = cli("demo", "--folder", tmp_path / "demo", "--json")
        assert json.loads(again.out)["seconds"] == 1.0
        assert not (tmp_path / "demo" / "left-over").exists()
        assert (tmp_path / "demo" / "demo.html").exists()
