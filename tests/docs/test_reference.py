"""Nothing can be used that is not explained: commands, options, public names, settings, audit actions."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ratchet
from ratchet.backtest import result
from ratchet.records.plan import ChangePlan
from ratchet.settings import Settings
from ratchet.storage.tables import metadata
from tests.docs.pages import ROOT, commands, options

SOURCE = ROOT / "src" / "ratchet"
ACTIONS = ROOT / "docs" / "audit-actions.md"
BACKTEST = ROOT / "docs" / "backtest.md"
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
WORDS = re.findall(r"^\| \*\*([^*]+)\*\* \| .+ \| (.+) \|$", (ROOT / "docs" / "glossary.md").read_text(), re.MULTILINE)
LONGEST_DECISION = 800
_ACTION = re.compile(r"[a-z_]+\.[a-z_]+")


@pytest.mark.parametrize("name", sorted(commands()), ids=[f"ratchet {name}".strip() for name in sorted(commands())])
def test_every_command_and_every_option_and_argument_has_help(name: str) -> None:
    command: Any = commands()[name]
    assert (command.help or "").strip(), f"`ratchet {name}` has no help"
    silent = [param.name for param in command.params if not (getattr(param, "help", "") or "").strip()]
    assert not silent, f"`ratchet {name}` says nothing about {silent}"


@pytest.mark.parametrize("name", [name for name in ratchet.__all__ if not name.startswith("__")])
def test_every_public_name_has_a_docstring_of_its_own(name: str) -> None:
    thing = getattr(ratchet, name)
    assert (vars(thing).get("__doc__") or "").strip()
    assert not _generated(thing), f"{name} has only the docstring that dataclasses make"


def _generated(thing: type) -> bool:
    return (thing.__doc__ or "").startswith(f"{thing.__name__}(")


@pytest.mark.parametrize("name", [name for name in ratchet.__all__ if not name.startswith("__")])
def test_every_public_method_of_a_public_name_has_a_docstring(name: str) -> None:
    thing = getattr(ratchet, name)
    silent = [
        method
        for method, value in vars(thing).items()
        if not method.startswith("_") and (inspect.isfunction(value) or isinstance(value, property | classmethod))
        if not inspect.getdoc(getattr(thing, method))
    ]
    assert not silent


@pytest.mark.parametrize("record", [ChangePlan, Settings])
def test_every_field_of_the_settings_and_of_the_change_plan_is_described(record: Any) -> None:
    described = set(re.findall(r"``(\w+)``", record.__doc__ or ""))
    missing = [field.name for field in dataclasses.fields(record) if field.name not in described]
    assert not missing, f"{record.__name__} does not describe {missing}"


def test_every_setting_read_from_the_environment_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    read = set(re.findall(r'"(RATCHET_\w+)"', (SOURCE / "settings.py").read_text(encoding="utf-8")))
    assert read
    assert not [name for name in read if name not in readme]


def test_every_audit_action_in_the_source_is_on_its_page_and_the_other_way_round() -> None:
    used = set(_actions())
    listed = set(re.findall(r"^\| `([^`]+)`", ACTIONS.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(used) >= 9
    assert not used - listed, "not on the page of audit actions"
    assert not listed - used, "on the page, but nothing writes it"


def _actions() -> Iterator[str]:
    """The action of every ``audit.append`` call. Where it is handed in, every action-like string of that module."""
    for file in SOURCE.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            if not _appends_to_audit(call):
                continue
            action = call.args[2] if len(call.args) > 2 else next(k.value for k in call.keywords if k.arg == "action")
            yield from _texts(action) if isinstance(action, ast.Constant) else _texts(tree)


def _appends_to_audit(call: ast.Call) -> bool:
    function = call.func
    if not isinstance(function, ast.Attribute) or function.attr != "append":
        return False
    owner = function.value
    return (isinstance(owner, ast.Attribute) and owner.attr == "audit") or (
        isinstance(owner, ast.Name) and owner.id == "audit"
    )


def _texts(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _ACTION.fullmatch(node.value):
            yield node.value


def test_every_option_of_the_backtest_is_on_its_page_and_the_other_way_round() -> None:
    listed = set(re.findall(r"^\| `(--[a-z-]+)`", BACKTEST.read_text(encoding="utf-8"), re.MULTILINE))
    assert listed == options("backtest") - {"--help"}


def test_every_field_of_a_backtest_result_is_on_its_page() -> None:
    page = BACKTEST.read_text(encoding="utf-8")
    keys = {
        key.value
        for node in ast.walk(ast.parse(inspect.getsource(result)))
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant)
    }
    assert "curve" in keys
    assert not sorted(key for key in keys if f"`{key}`" not in page)


@pytest.mark.parametrize(("word", "carried"), WORDS, ids=[word for word, _ in WORDS])
def test_what_the_glossary_says_carries_a_word_is_there(word: str, carried: str) -> None:
    classes, _, stored = carried.partition(";")
    names = [name for mark, name in re.findall(r"(check |= )?`([\w.]+)`", classes) if not mark]
    assert names or carried == "none" or "check" in classes
    for name in names:
        _resolve(name)
    for name in [name for mark, name in re.findall(r"(check |= )?`([\w.]+)`", stored) if not mark]:
        table, _, column = name.partition(".")
        assert table in metadata.tables, f"{word}: there is no table {table}"
        assert not column or column in metadata.tables[table].c, f"{word}: no column {name}"


def test_the_glossary_has_the_words_of_the_service() -> None:
    words = {word for word, _ in WORDS}
    assert len(words) == len(WORDS)
    assert words >= {"app", "trace", "feedback", "lesson", "release", "key", "scope", "feedback token", "gateway",
                     "provider", "observed app", "kept release", "spool", "lease", "open mode"}  # fmt: skip


def _resolve(name: str) -> object:
    """What a name of the glossary stands for: a path below ``ratchet``, or a class of the records with a field."""
    if name[0].isupper():
        modules = [
            importlib.import_module(f"ratchet.records.{path.stem}") for path in (SOURCE / "records").glob("*.py")
        ]
        owner, _, rest = name.partition(".")
        found: Any = next(vars(module)[owner] for module in modules if owner in vars(module))
        return _inner(found, rest)
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(("ratchet", *parts[:end])))
        except ModuleNotFoundError:
            continue
        return _inner(module, ".".join(parts[end:]))
    raise AssertionError(f"there is no {name}")


def _inner(found: Any, rest: str) -> object:
    for part in filter(None, rest.split(".")):
        assert hasattr(found, part) or part in getattr(found, "__annotations__", {}), f"{found} has no {part}"
        found = getattr(found, part, None)
    return found


@pytest.mark.parametrize("page", DECISIONS, ids=lambda page: page.stem)
def test_every_decision_has_its_four_parts_on_one_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == ["Context", "Decision", "Rejected", "Consequences"]
    assert text.startswith(f"# {page.name[:4]} ")
    assert len(text.split()) < LONGEST_DECISION


def test_the_decisions_are_numbered_without_a_gap() -> None:
    assert [int(page.name[:4]) for page in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(item for items in project["optional-dependencies"].values() for item in items)]
    names = [re.match(r"[\w.-]+", item)[0] for item in asked]  # type: ignore[index]
    page = next(page for page in DECISIONS if page.name.startswith("0003")).read_text(encoding="utf-8")
    rows = "\n".join(line for line in page.splitlines() if line.startswith("| "))
    assert not [name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", rows)]


def test_every_variable_of_the_environment_that_is_read_is_on_the_page_of_configuration() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    read = {name for file in SOURCE.rglob("*.py") for name in re.findall(r'"(RATCHET_[A-Z_]+)"', file.read_text())}
    assert len(read) >= 9
    assert not [name for name in sorted(read) if f"`{name}`" not in page]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in sorted(read) if f"`{name}`" not in readme]
