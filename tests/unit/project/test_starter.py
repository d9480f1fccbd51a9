"""The project that ``ratchet init`` writes is valid, answers offline, and never replaces anything."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ratchet import Ratchet
from ratchet.errors import Conflict, InvalidInput
from ratchet.project.read import read_project
from ratchet.project.starter import starter_files, write_project
from ratchet.settings import AppSettings, ServiceSettings

QUESTIONS = {
    "Can I return it after 30 days?": "After 30 days we cannot take it back.",
    "How long does delivery take?": "2 to 4 working days",
    "What does a repair cost?": "A repair costs 35 euros",
}


def test_it_is_a_valid_project_with_one_offline_app(tmp_path: Path) -> None:
    write_project(tmp_path)
    settings = read_project({}, tmp_path)
    (app,) = settings.apps
    assert app == AppSettings(name="support", prompt=app.prompt, knowledge=tmp_path / "knowledge")
    assert app.prompt.startswith("You answer customers of Lampwright")
    assert (settings.service, settings.store, settings.providers) == (
        ServiceSettings(), tmp_path / "ratchet.db", ()
    )  # fmt: skip


def test_its_commented_example_is_valid_too(tmp_path: Path) -> None:
    write_project(tmp_path)
    file = tmp_path / "ratchet.toml"
    text, _, example = file.read_text(encoding="utf-8").partition("# [providers.openai]")
    uncommented = re.sub(r"^# ?", "", "# [providers.openai]" + example, flags=re.MULTILINE)
    file.write_text(text + uncommented, encoding="utf-8")
    settings = read_project({}, tmp_path)
    assert [(provider.name, provider.key_variable) for provider in settings.providers] == [("openai", "OPENAI_API_KEY")]
    assert [(app.name, app.model, app.provider) for app in settings.apps] == [
        ("support", "", ""), ("assistant", "gpt-4.1-mini", "openai"),
    ]  # fmt: skip


@pytest.mark.parametrize("embedder", ["lexical", pytest.param("auto", marks=pytest.mark.embedder)])
def test_its_knowledge_answers_the_first_questions_of_a_newcomer(tmp_path: Path, embedder: str) -> None:
    write_project(tmp_path)
    with Ratchet(tmp_path / "ratchet.db", environment={"RATCHET_EMBEDDER": embedder}) as loop:
        support = loop.offline("support", knowledge=tmp_path / "knowledge")
        for question, right in QUESTIONS.items():
            assert right in support(question), question
        assert support("Who won the cup in 1987?").source == "abstained"


def test_its_readme_names_its_files_and_the_questions() -> None:
    readme = " ".join(starter_files()[Path("README.md")].split())
    assert all(question in readme for question in QUESTIONS)
    assert all(name in readme for name in ("`ratchet.toml`", "`prompts/support.md`", "`knowledge/`", "`ratchet.db`"))
    assert starter_files()[Path(".gitignore")].splitlines()[-1] == "ratchet.db*"


def test_a_folder_that_has_other_files_gets_the_project_beside_them(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("mine")
    assert sorted(write_project(tmp_path)) == sorted(starter_files())
    assert (tmp_path / "main.py").read_text() == "mine"


def test_what_exists_is_named_and_nothing_is_written(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / ".gitignore").symlink_to("nowhere")
    with pytest.raises(Conflict, match=r"has \.gitignore, README\.md already"):
        write_project(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".gitignore", "README.md"]
    assert (tmp_path / "README.md").read_text() == "mine"


def test_where_it_cannot_be_written_no_file_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "prompts").write_text("a file where a folder must be")
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_project(tmp_path)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["prompts"]


def test_a_folder_that_is_not_there_is_made(tmp_path: Path) -> None:
    write_project(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b" / "ratchet.toml").is_file()
