"""Reads the providers and the apps of ratchet.toml."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, cast, get_args

from ratchet.project.table import Table
from ratchet.records.app import App, Kind
from ratchet.records.plan import ChangePlan
from ratchet.settings import AppSettings, ProviderSettings
from ratchet.stages.enrich.escalate import EscalationRules

PROVIDER_KEYS = ("base_url", "key", "connect_timeout_s", "read_timeout_s", "retries")
APP_KEYS = (
    "kind", "model", "provider", "embedding_model", "prompt", "knowledge", "learned_budget_s",
    "labels", "escalation", "plan",
)  # fmt: skip
ESCALATION_KEYS = tuple(field.name for field in dataclasses.fields(EscalationRules))
PLAN_KEYS = tuple(field.name for field in dataclasses.fields(ChangePlan))
KINDS: tuple[str, ...] = get_args(Kind)
MOST_STARS = 5
LONGEST_WAIT_S = 3600.0
LONGEST_BUDGET_S = 60.0
LONGEST_TEXT = 100_000


def read_provider(table: Table) -> ProviderSettings:
    """The provider that ``table`` declares."""
    table.only(PROVIDER_KEYS)
    if not re.fullmatch(r"[\w.-]{1,100}", table.path[-1]):
        raise table.wrong(
            f"The provider name {table.path[-1]!r} is not usable.", "Use up to 100 letters, digits, '-', '_' and '.'."
        )
    if not table.text("base_url"):
        raise table.wrong(
            f"{table.name} has no base_url.", 'Say where the endpoint is: base_url = "https://api.openai.com/v1".'
        )
    default = ProviderSettings(name="", base_url="")
    found = ProviderSettings(
        name=table.path[-1],
        base_url=table.text("base_url"),
        key_variable=_key_variable(table, default.key_variable),
        connect_timeout_s=table.positive("connect_timeout_s", default.connect_timeout_s, LONGEST_WAIT_S),
        read_timeout_s=table.positive("read_timeout_s", default.read_timeout_s, LONGEST_WAIT_S),
        retries=table.whole("retries", default.retries, 0, 10),
    )
    _check_address(table, found)
    return found


def _check_address(table: Table, provider: ProviderSettings) -> None:
    from ratchet.providers.openai_compatible import Endpoint

    with table.explained("base_url"):
        Endpoint(provider.base_url)


def _key_variable(table: Table, default: str) -> str:
    """The name of an environment variable; anything that may be a key itself is refused, and not repeated."""
    name = table.text("key", default)
    # Names have words joined by underscores; a long run of capitals and digits without one is a key.
    if re.fullmatch(r"[A-Z_][A-Z0-9_]*", name) and ("_" in name or len(name) < 20):
        return name
    raise table.wrong(
        "key is not the name of an environment variable; a key itself must not stand in this file.",
        f'Put the key into the environment (export {default}=...) and name the variable: key = "{default}". '
        "A key that was written here should be replaced by a new one.",
        "key",
    )


def read_app(table: Table, providers: Collection[str]) -> AppSettings:
    """The app that ``table`` declares; ``providers`` are the declared names."""
    table.only(APP_KEYS)
    name = table.path[-1]
    kind = cast("Kind", table.choice("kind", "answer", KINDS))
    labels = _labels(table.table("labels"), kind)
    with table.explained():
        App(name=name, kind=kind, base="", embedder="", labels=dict(labels))
    model, embedding_model = table.text("model"), table.text("embedding_model")
    return AppSettings(
        name=name,
        kind=kind,
        model=model,
        provider=_provider(table, providers, needed=bool(model or embedding_model)),
        embedding_model=embedding_model,
        prompt=_prompt(table),
        knowledge=_knowledge(table),
        labels=labels,
        rules=_rules(table.table("escalation")),
        plan=_plan(table.table("plan")),
        learned_budget_s=table.positive("learned_budget_s", AppSettings(name=name).learned_budget_s, LONGEST_BUDGET_S),
    )


def _labels(table: Table, kind: Kind) -> Mapping[str, str]:
    if kind != "classify":
        if table.values:
            raise table.wrong(
                f"{table.name} is given, but the app is of kind {kind}.",
                'Set kind = "classify", or take the labels out.',
            )
        return {}
    found = {}
    for label in table.values:
        if not label.strip() or not label.isprintable():
            raise table.wrong(f"The label {label!r} cannot be used.", "Give every label a name in plain text.", label)
        # An empty description is fine: the label's name stands for itself.
        found[label] = table.text(label) if table.values[label] != "" else ""
    if len(found) < 2:
        said = f"has {len(found)} label" + ("s" if not found else "")
        raise table.wrong(
            f"The classify app {table.path[-2]!r} {said}.",
            f'Declare at least two below {table.name}: spam = "buy now, cheap offer".',
        )
    return found


def _provider(table: Table, providers: Collection[str], *, needed: bool) -> str:
    name = table.text("provider")
    if name and name not in providers:
        there = f"Declared: {', '.join(providers)}." if providers else "None is declared."
        raise table.wrong(
            f"The provider {name!r} is not declared.", f"{there} Add [providers.{name}] with its base_url.", "provider"
        )
    if name and not needed:
        raise table.wrong(
            "provider is given without a model.", 'Add model = "...", or take provider out for an offline app.',
            "provider",
        )  # fmt: skip
    if needed and not name:
        if len(providers) == 1:
            return next(iter(providers))
        asked = "model" if "model" in table.values else "embedding_model"
        there = f"Say which: {', '.join(providers)}." if providers else "Add [providers.openai] with its base_url."
        raise table.wrong(f"{asked} is given without a provider.", f'{there} Then set provider = "NAME".', asked)
    return name


def _prompt(table: Table) -> str:
    path = table.file_at("prompt")
    if path is None:
        return ""
    if not path.is_file():
        raise table.wrong(f"There is no prompt file at {path}.", "Write it, or correct the path.", "prompt")
    try:
        words = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise table.wrong(f"The prompt {path} is not UTF-8.", "Save it as UTF-8.", "prompt") from None
    except OSError as error:
        raise table.wrong(f"The prompt {path} cannot be read: {error.strerror}.", "Allow it.", "prompt") from None
    if not words.strip():
        raise table.wrong(f"The prompt {path} is empty.", "Write what the model should do, or take it out.", "prompt")
    if len(words) > LONGEST_TEXT:
        raise table.wrong(
            f"The prompt {path} has {len(words):,} characters.", f"Use at most {LONGEST_TEXT:,}.", "prompt"
        )
    return words.strip()


def _knowledge(table: Table) -> Path | None:
    from ratchet.providers.knowledge_files import read_knowledge

    path = table.file_at("knowledge")
    if path is not None:
        try:
            with table.explained("knowledge"):
                read_knowledge(path, table.path[-1])
        except OSError as error:
            what = f"The knowledge at {path} cannot be read: {error.strerror}."
            raise table.wrong(what, "Give read permission on it.", "knowledge") from None
    return path


def _rules(table: Table) -> EscalationRules:
    table.only(ESCALATION_KEYS)
    default = EscalationRules()
    return EscalationRules(
        thumb_down=table.flag("thumb_down", default.thumb_down),
        stars_at_most=table.whole("stars_at_most", default.stars_at_most, 0, MOST_STARS),
        any_flag=table.flag("any_flag", default.any_flag),
        any_correction=table.flag("any_correction", default.any_correction),
        p_bad_above=table.share("p_bad_above", default.p_bad_above),
    )


def _plan(table: Table) -> ChangePlan:
    """The plan; each key is tried alone first, so that a refusal names its line."""
    table.only(PLAN_KEYS)
    given: dict[str, Any] = {}
    for name in table.values:
        default = getattr(ChangePlan(), name)
        value = table.like(name, default)
        with table.explained(name):
            ChangePlan(**{name: value})
        given[name] = type(default)(value)
    return ChangePlan(**given)
