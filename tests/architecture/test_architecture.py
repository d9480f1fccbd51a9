"""The rules of the house, checked on every run."""

from __future__ import annotations

import ast
import configparser
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "ratchet"
CONTRACTS = ROOT / ".importlinter"
MODULES = sorted(SRC.rglob("*.py"))
LATEST_RECORD = {
    "capture": "feedback",
    "enrich": "case",
    "review": "lesson",
    "learn": "candidate",
    "gate": "gate",
    "release": "release",
    "serve": "release",
}
VAGUE = {"utils", "util", "helpers", "common", "misc", "base", "core", "manager", "shared"}
LONGEST_MODULE = 400
LONGEST_DOCSTRING = 100
SLOWEST_IMPORT_S = 0.150


def name_of(path: Path) -> str:
    return str(path.relative_to(SRC))


def imported(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def records_in_order() -> list[str]:
    """The records, each after what it may name, as the contract of provenance lists them."""
    config = configparser.ConfigParser()
    config.read(CONTRACTS)
    lines = config["importlinter:contract:provenance"]["layers"].split("\n")
    return [name.strip() for line in reversed(lines) if line.strip() for name in line.split("|")]


def later_records(stage: str, source: str) -> set[str]:
    """The records that ``source`` imports and that do not exist yet when ``stage`` runs."""
    order = records_in_order()
    later = {f"ratchet.records.{name}" for name in order[order.index(LATEST_RECORD[stage]) + 1 :]}
    return later & set(imported(source))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
class TestEveryModule:
    def test_fits_on_a_few_screens(self, path: Path) -> None:
        assert path.read_text().count("\n") <= LONGEST_MODULE

    def test_says_in_one_sentence_what_it_is_for(self, path: Path) -> None:
        first = (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]
        assert first.endswith((".", "?"))
        assert not {". ", "? "} & {first[at : at + 2] for at in range(len(first))}, "this is more than one sentence"
        assert len(first) <= LONGEST_DOCSTRING

    def test_has_a_name_that_says_something(self, path: Path) -> None:
        assert not VAGUE & {path.stem, *path.relative_to(SRC).parts}


@pytest.mark.parametrize("stage", LATEST_RECORD)
def test_a_stage_never_looks_downstream(stage: str) -> None:
    files = sorted((SRC / "stages" / stage).glob("*.py"))
    assert files
    assert {path.name: later_records(stage, path.read_text()) for path in files} == {path.name: set() for path in files}


def test_a_stage_that_looks_downstream_is_noticed() -> None:
    assert later_records("capture", "from ratchet.records.lesson import Lesson") == {"ratchet.records.lesson"}
    assert later_records("review", "def late():\n    from ratchet.records import release") == {
        "ratchet.records.release"
    }
    assert later_records("review", "from ratchet.records.lesson import Lesson") == set()


def test_every_stage_has_its_latest_record() -> None:
    stages = {path.name for path in (SRC / "stages").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert stages == set(LATEST_RECORD)


class TestImportingTheSdk:
    def test_loads_no_third_party_code(self) -> None:
        code = (
            "import sys; before = set(sys.modules); import ratchet; "
            "loaded = {name.split('.')[0] for name in set(sys.modules) - before}; "
            "print(sorted(loaded - sys.stdlib_module_names - {'ratchet'}))"
        )
        assert run_python(code, os.environ) == "[]"

    def test_takes_less_than_150_milliseconds(self, tmp_path: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)
        run_python("import ratchet", environment)
        taken = best_of_5("import ratchet", environment) - best_of_5("pass", environment)
        print(f"import ratchet takes {taken * 1000:.1f} ms")
        assert taken < SLOWEST_IMPORT_S


def run_python(code: str, environment: dict[str, str] | os._Environ[str]) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.strip()


def best_of_5(code: str, environment: dict[str, str]) -> float:
    taken = []
    for _ in range(5):
        started = time.perf_counter()
        run_python(code, environment)
        taken.append(time.perf_counter() - started)
    return min(taken)


def lint_imports(folder: Path, source: Path) -> tuple[int, str]:
    """import-linter on the package in ``source``: its exit status and what it printed."""
    command = [str(Path(sys.executable).with_name("lint-imports")), "--config", str(CONTRACTS), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(source), "COLUMNS": "200"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the package that may be spoilt."""
    source = tmp_path / "src"
    shutil.copytree(SRC, source / "ratchet", ignore=shutil.ignore_patterns("__pycache__"))
    return source


def test_the_import_contracts_hold() -> None:
    status, printed = lint_imports(ROOT, SRC.parent)
    assert status == 0, printed


@pytest.mark.parametrize(
    ("file", "line", "named"),
    [
        ("stages/serve/respond.py", "from ratchet.storage.sql_store import SqlStore", "ratchet.storage"),
        ("stages/capture/intake.py", "import sqlalchemy", "sqlalchemy"),
        ("stages/learn/propose.py", "from ratchet.stages.gate.decide import evaluate", "ratchet.stages.gate"),
        ("records/lesson.py", "from ratchet.records.release import Release", "ratchet.records.release"),
        ("storage/rows.py", "from ratchet.layers.layer import Answer", "ratchet.layers"),
        ("sdk/reply.py", "from ratchet.storage.sql_store import SqlStore", "ratchet.storage"),
        ("attic.py", "", "ratchet.attic"),
    ],
    ids=[
        "a stage that imports the storage",
        "a stage that imports a driver",
        "a stage that imports another stage",
        "a lesson that names its release",
        "storage that knows the layers",
        "a door that goes round the wiring",
        "a new room without a place",
    ],
)
def test_a_planted_violation_is_caught(copied: Path, file: str, line: str, named: str) -> None:
    spoilt = copied / "ratchet" / file
    text = spoilt.read_text() if spoilt.exists() else '"""A room."""\n'
    spoilt.write_text(f"{text}\n{line}\n")
    status, printed = lint_imports(copied, copied)
    assert status == 1
    assert "BROKEN" in printed
    assert named in printed.partition("Broken contracts")[2]
