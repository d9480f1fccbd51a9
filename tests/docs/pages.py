"""What the documentation tests read: pages, their fenced blocks, and the command lines in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import typer.main

from ratchet.cli.main import app

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of a page in any of these languages."""
    return [body for language, body in _FENCE.findall(page.read_text(encoding="utf-8")) if language in languages]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def section(page: Path, title: str) -> str:
    """The part of a page below a heading of the second level, up to the next one."""
    parts = page.read_text(encoding="utf-8").split("\n## ")
    (found,) = [part for part in parts if part.partition("\n")[0] == title]
    return found


def inline_commands(text: str) -> list[str]:
    """Every ``ratchet ...`` between backticks, outside fenced blocks."""
    return [line for line in re.findall(r"`([^`\n]+)`", _FENCE.sub("", text)) if line.startswith("ratchet ")]


def command_lines(page: Path) -> list[str]:
    """Every ``ratchet ...`` line of the console blocks, and every one between backticks that names a command."""
    typed = [
        line.removeprefix("$ ").strip()
        for block in fenced(page, "console", "bash", "sh")
        for line in block.splitlines()
    ]
    return [*(line for line in typed if line.startswith("ratchet ")), *inline_commands(prose(page))]


def anchors_and_links(page: Path) -> list[str]:
    """The targets of the page's links and pictures, without anchors; addresses on the web are left out."""
    found = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target.split("#")[0] for target in found if "://" not in target and not target.startswith("#")]


@cache
def commands() -> dict[str, object]:
    """Every command by what is typed for it: ``release show``."""
    return dict(_walk(typer.main.get_command(app), ""))


def _walk(command: object, name: str) -> Iterator[tuple[str, object]]:
    yield name, command
    for sub, inner in getattr(command, "commands", {}).items():
        yield from _walk(inner, f"{name} {sub}".strip())


def options(name: str) -> set[str]:
    """The options of a command, ``--help`` among them."""
    params = [param for param in getattr(commands()[name], "params", []) if param.param_type_name == "option"]
    return {"--help", *(option for param in params for option in (*param.opts, *param.secondary_opts))}


def split_line(line: str) -> tuple[str, list[str], list[str]]:
    """The command that a line names, the rest of its words, and those of them that are options."""
    words = shlex.split(line)[1:]
    name = ""
    while words and f"{name} {words[0]}".strip() in commands():
        name = f"{name} {words.pop(0)}".strip()
    return name, words, [word.split("=")[0] for word in words if word.startswith("-")]
