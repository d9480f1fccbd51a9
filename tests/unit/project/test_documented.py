"""Every key of ratchet.toml and every variable stands in docs/configuration.md, with its true type and default."""

from __future__ import annotations

import dataclasses
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ratchet.project import apps, read
from ratchet.records.plan import ChangePlan
from ratchet.settings import AppSettings, ProviderSettings, ServiceSettings
from ratchet.stages.enrich.escalate import EscalationRules

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
SECTIONS = {
    "[service]": read.SERVICE_KEYS,
    "[store]": read.STORE_KEYS,
    "[embedder]": read.EMBEDDER_KEYS,
    "[providers.NAME]": apps.PROVIDER_KEYS,
    "[apps.NAME]": tuple(key for key in apps.APP_KEYS if key not in ("labels", "escalation", "plan")),
    "[apps.NAME.escalation]": apps.ESCALATION_KEYS,
    "[apps.NAME.plan]": apps.PLAN_KEYS,
}
DEFAULTS: dict[str, Any] = {
    "[service]": ServiceSettings(),
    "[providers.NAME]": ProviderSettings(name="", base_url=""),
    "[apps.NAME]": AppSettings(name=""),
    "[apps.NAME.escalation]": EscalationRules(),
    "[apps.NAME.plan]": ChangePlan(),
}
TYPES = {bool: "true or false", int: "whole number", float: "number", str: "text", tuple: "list of texts"}
_ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


def rows(section: str) -> dict[str, tuple[str, str, str]]:
    """Type, default and meaning of every key in the table below that heading."""
    _, heading, rest = PAGE.partition(f"# `{section}`\n")
    assert heading, f"{section} has no heading"
    return {key: (kind, default, meaning) for key, kind, default, meaning in _ROW.findall(rest.split("\n#")[0])}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_is_documented_and_no_other(section: str) -> None:
    assert list(rows(section)) == list(SECTIONS[section])
    assert all(meaning.strip().endswith(".") for _, _, meaning in rows(section).values())


@pytest.mark.parametrize("section", DEFAULTS)
def test_every_type_and_default_is_the_true_one(section: str) -> None:
    for key, (kind, default, _) in rows(section).items():
        value = getattr(DEFAULTS[section], "key_variable" if key == "key" else key)
        if value not in ("", None):
            assert default == f"`{json.dumps(value)}`", key
            assert kind == TYPES[type(value)], key
        else:
            assert default in ("none", "must be given", "the only one"), key


def test_every_setting_can_be_made_in_the_file() -> None:
    renamed = {"name": None, "key_variable": "key", "rules": "escalation"}
    for record, keys in (
        (AppSettings, apps.APP_KEYS),
        (ProviderSettings, apps.PROVIDER_KEYS),
        (ServiceSettings, read.SERVICE_KEYS),
    ):
        wanted = {renamed.get(field.name, field.name) for field in dataclasses.fields(record)} - {None}
        assert wanted == set(keys)


def test_every_variable_that_the_source_names_is_documented() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "src" / "ratchet").rglob("*.py"))
    named = set(re.findall(r'"(RATCHET_[A-Z_]+)"', source))
    listed = set(re.findall(r"^\| `(RATCHET_[A-Z_]+)` \|", PAGE, re.MULTILINE))
    assert named == listed


def test_its_example_and_the_error_it_shows_are_true(tmp_path: Path) -> None:
    example = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0]
    tomllib.loads(example)
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "support.md").write_text("Answer.")
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "a.md").write_text("Words.")
    (tmp_path / "ratchet.toml").write_text(example)
    assert [app.name for app in read.read_project({}, tmp_path).apps] == ["support", "moderation"]
    (tmp_path / "ratchet.toml").write_text(example.replace("model =", "modle ="))
    shown = re.findall(r"^error: (.*)$", PAGE, re.MULTILINE)[0]
    with pytest.raises(read.InvalidInput, match=re.escape(shown)):
        read.read_project({}, tmp_path)
