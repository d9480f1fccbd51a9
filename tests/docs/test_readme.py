"""What the README and the other pages tell a newcomer to type works."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from ratchet.project.read import read_project
from ratchet.project.starter import write_project
from tests.command import ratchet
from tests.docs.pages import (
    PAGES,
    README,
    ROOT,
    anchors_and_links,
    command_lines,
    commands,
    fenced,
    inline_commands,
    options,
    section,
    split_line,
)
from tests.docs.walking import URL, walking
from tests.web.running import make_project, running

BLOCKS = fenced(README, "python")
WALK = section(README, "Correct it once")
SERVED = [block for block in BLOCKS if URL in block and block not in WALK]
ALONE = [block for block in BLOCKS if URL not in block and block not in WALK]
LONGEST_WALK_S = 60
LINES = sorted({(page.name, line) for page in PAGES for line in command_lines(page)})


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an environment that says nothing of Ratchet but where to keep things."""
    for name in [name for name in os.environ if name.startswith(("RATCHET_", "OPENAI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RATCHET_EMBEDDER", "lexical")
    monkeypatch.setenv("RATCHET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("RATCHET_STATE", str(tmp_path / "state"))
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize("rates_with", ["curl", "page"])
def test_a_newcomer_who_does_what_the_readme_says_gets_the_corrected_answer(elsewhere: Path, rates_with: str) -> None:
    started = time.monotonic()
    with walking(elsewhere, rates_with) as walk:
        walk.through(WALK)
        again = walk.names["again"]
        lessons = walk.pool.request("GET", f"{walk.url}/v1/apps/support/lessons").json()["lessons"]
        assert [lesson["reviewer"] for lesson in lessons] == ["Ines"]
        assert lessons[0]["id"] in [item["id"] for item in again.ratchet["influences"]]
        assert again.choices[0].message.content != walk.names["first"].choices[0].message.content
        told = re.findall(r"# \.\.\. (.+)", WALK)[0]
        assert walk.names["first"].choices[0].message.content.endswith(told)
        refused = [line for line in inline_commands(WALK) if ratchet(*line.split()[1:], cwd=walk.here).returncode]
        assert refused == []
    taken = time.monotonic() - started
    print(f"the machine's part of the walk took {taken:.1f} s")
    assert taken < LONGEST_WALK_S
    done = [line.split()[:2] for line in walk.did if line.startswith(("ratchet ", "python ", "curl "))]
    assert [words[0] if words[0] == "curl" else words[1] for words in done] == [
        "init", "serve", "examples/browser/serve.py", "curl", "review",
    ]  # fmt: skip


@pytest.mark.parametrize("block", ALONE, ids=[f"block {number}" for number in range(1, len(ALONE) + 1)])
def test_every_python_block_that_needs_no_service_runs_in_an_empty_folder(block: str, elsewhere: Path) -> None:
    names: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block, "README.md", "exec"), names)


@pytest.mark.parametrize("block", SERVED, ids=[f"block {number}" for number in range(1, len(SERVED) + 1)])
def test_every_other_python_block_runs_beside_a_service(block: str, elsewhere: Path) -> None:
    with running(make_project(elsewhere / "project")) as service:
        exec(compile(block.replace(URL, service.url), "README.md", "exec"), {"__name__": "readme"})
        names = [app["app"]["name"] for app in service.get("/v1/apps").json()]
        assert "drafts" in names


def test_the_readme_has_blocks_of_every_kind() -> None:
    assert len(ALONE) >= 2
    assert len(SERVED) >= 1
    assert len(fenced(README, "toml")) == 1


def test_the_toml_of_the_readme_may_be_added_to_a_new_project(elsewhere: Path) -> None:
    write_project(elsewhere)
    (block,) = fenced(README, "toml")
    with (elsewhere / "ratchet.toml").open("a", encoding="utf-8") as file:
        file.write(block)
    settings = read_project({}, elsewhere)
    assert {app.name: app.model for app in settings.apps} == {"support": "", "assistant": "gpt-4.1-mini"}
    assert settings.providers[0].key_variable == "OPENAI_API_KEY"


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


def test_every_link_to_a_part_of_a_page_leads_to_a_heading() -> None:
    lost, seen = [], 0
    for page in PAGES:
        for target, anchor in re.findall(r"\]\(([^)\s:#]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
            seen += 1
            named = page.parent / target if target else page
            headings = re.findall(r"^#+ (.+)$", named.read_text(encoding="utf-8"), re.MULTILINE)
            if anchor not in [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]:
                lost.append(f"{page.name}: {target}#{anchor}")
    assert seen >= 5
    assert not lost


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
