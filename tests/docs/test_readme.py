"""What the README and the other pages tell a newcomer to type works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import (
    PAGES,
    README,
    ROOT,
    anchors_and_links,
    command_lines,
    commands,
    fenced,
    options,
    split_line,
)

BLOCKS = fenced(README, "python")
LINES = sorted({(page.name, line) for page in PAGES for line in command_lines(page)})


@pytest.mark.parametrize("block", BLOCKS, ids=[f"block {number}" for number in range(1, len(BLOCKS) + 1)])
def test_every_python_block_of_the_readme_runs_as_it_stands(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RATCHET_EMBEDDER", "lexical")
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RATCHET_STORE", raising=False)
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)


def test_the_readme_shows_both_ways_to_declare_an_app() -> None:
    assert any("@loop.app(" in block for block in BLOCKS)
    assert any("loop.offline(" in block for block in BLOCKS)


@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{page}: {line}" for page, line in LINES])
def test_every_command_line_in_the_pages_names_a_command_and_options_that_exist(page: str, line: str) -> None:
    name, rest, used = split_line(line)
    known = commands()[name]
    assert name, f"{page}: {line!r} names no command"
    # A group may be named as a whole; a word after it that is no command of its own is a mistake.
    assert not (getattr(known, "commands", {}) and rest and not used), f"{page}: {line!r} names no command"
    unknown = set(used) - options(name)
    assert not unknown, f"{page}: `ratchet {name}` has no {', '.join(sorted(unknown))}"
    assert len(rest) <= 2 * len(used) + _arguments(known), f"{page}: {line!r} has a word too many"


def _arguments(command: object) -> int:
    return sum(param.param_type_name == "argument" for param in getattr(command, "params", []))


def test_the_command_table_of_the_readme_names_every_command() -> None:
    told = {split_line(line)[0] for line in command_lines(README)}
    leaves = {name for name, command in commands().items() if not getattr(command, "commands", {})}
    assert not leaves - told, f"the README does not name: {sorted(leaves - told)}"


def test_every_relative_link_in_the_pages_leads_to_a_file() -> None:
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in anchors_and_links(page)
        if not (page.parent / target).exists()
    ]
    assert not dead


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs" / "index.md"
    linked = {(index.parent / target).resolve() for target in anchors_and_links(index)}
    unlinked = [page.name for page in PAGES if page != index and page not in linked]
    assert not unlinked


def test_every_make_target_named_in_the_pages_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {
        target
        for page in PAGES
        for target in re.findall(r"(?:`|^|\$ )make ([a-z-]+)", page.read_text(encoding="utf-8"), re.MULTILINE)
    }
    assert named >= {"demo", "test"}
    assert not named - targets


def test_the_pages_name_no_place_on_somebodys_machine() -> None:
    found = [
        f"{page.name}: {match}"
        for page in PAGES
        for match in re.findall(r"(?<![\w./])/(?:work|home|tmp|root|Users)/\S*", page.read_text(encoding="utf-8"))
    ]
    assert not found


def test_the_figures_of_the_readme_stand_in_one_marked_place() -> None:
    text = README.read_text(encoding="utf-8")
    assert text.count("<!-- figures -->") == text.count("<!-- /figures -->") == 1
    table = text.split("<!-- figures -->")[1].split("<!-- /figures -->")[0]
    assert "| base | final | corrections | ceiling |" in table
