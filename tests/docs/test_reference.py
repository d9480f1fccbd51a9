"""Nothing can be used that is not explained: commands, options, public names, settings, audit actions."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import ratchet
from ratchet.backtest import result
from ratchet.records.plan import ChangePlan
from ratchet.settings import Settings
from tests.docs.pages import ROOT, commands, options

SOURCE = ROOT / "src" / "ratchet"
ACTIONS = ROOT / "docs" / "audit-actions.md"
BACKTEST = ROOT / "docs" / "backtest.md"
_ACTION = re.compile(r"[a-z]+\.[a-z_]+")


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
