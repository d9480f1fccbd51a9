"""Providers and apps of a ratchet.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet.records.plan import ChangePlan
from ratchet.settings import AppSettings, ProviderSettings
from ratchet.stages.enrich.escalate import EscalationRules
from tests.unit.project.conftest import Read, Refuse

FULL = """
[providers.openai]
base_url = "https://api.example/v1"
key = "TEAM_API_KEY"
connect_timeout_s = 1
read_timeout_s = 20.5
retries = 2

[apps.support]
model = "small-model"
provider = "openai"
embedding_model = "small-embedder"
prompt = "prompts/support.md"
knowledge = "knowledge"
learned_budget_s = 0.2
[apps.support.escalation]
thumb_down = false
stars_at_most = 1
any_flag = false
any_correction = false
p_bad_above = 1
[apps.support.plan]
flip_reviews = 8
anchor_margin = 0
contained_releases = false

[apps.moderation]
kind = "classify"
[apps.moderation.labels]
spam = "buy now, cheap offer"
"fine, really" = ""
"""
CLASSIFY = '[apps.sort]\nkind = "classify"\n'
PROVIDER = '[providers.here]\nbase_url = "http://127.0.0.1:1/v1"\n'


def test_every_key_of_a_provider_and_of_an_app_is_read(read: Read, folder: Path) -> None:
    settings = read(FULL)
    assert settings.providers == (
        ProviderSettings(
            name="openai", base_url="https://api.example/v1", key_variable="TEAM_API_KEY", connect_timeout_s=1.0,
            read_timeout_s=20.5, retries=2,
        ),
    )  # fmt: skip
    support, moderation = settings.apps
    assert support == AppSettings(
        name="support",
        kind="answer",
        model="small-model",
        provider="openai",
        embedding_model="small-embedder",
        prompt="Answer from the passages.",
        knowledge=folder / "knowledge",
        rules=EscalationRules(thumb_down=False, stars_at_most=1, any_flag=False, any_correction=False, p_bad_above=1.0),
        plan=ChangePlan(flip_reviews=8, anchor_margin=0.0, contained_releases=False),
        learned_budget_s=0.2,
    )
    assert moderation == AppSettings(
        name="moderation", kind="classify", labels={"spam": "buy now, cheap offer", "fine, really": ""}
    )


def test_an_app_that_says_nothing_has_the_defaults(read: Read) -> None:
    assert read("[apps.support]").apps == (AppSettings(name="support"),)


def test_the_only_provider_need_not_be_named(read: Read) -> None:
    assert read(f'{PROVIDER}[apps.a]\nmodel = "m"').apps[0].provider == "here"
    assert read(f'{PROVIDER}[apps.a]\nembedding_model = "m"').apps[0].provider == "here"
    assert read(f"{PROVIDER}[apps.a]").apps[0].provider == ""


def test_knowledge_may_be_a_file_of_passages(read: Read, folder: Path) -> None:
    (folder / "k.jsonl").write_text('{"passage_id": "a", "text": "b"}\n')
    assert read('[apps.a]\nknowledge = "k.jsonl"').apps[0].knowledge == folder / "k.jsonl"


def test_a_plan_and_an_escalation_may_be_written_inline(read: Read) -> None:
    (app,) = read("[apps.a]\nplan = { power = 0.9 }\nescalation.stars_at_most = 0").apps
    assert (app.plan, app.rules) == (ChangePlan(power=0.9), EscalationRules(stars_at_most=0))


WRONG = {
    "an unknown key of an app": ('[apps.a]\nmodle = "x"', 2, "'modle' is not a key of [apps.a]", "'model'"),
    "an app outside a table": ("[apps]\na = 1", 2, "'a' in [apps] is a whole number, not a table", "[apps.NAME]"),
    "a name with a space": ('\n[apps."a b"]', 2, "'a b' is not usable", "letters"),
    "a name twice": ("[apps.a]\n[apps.a]", 2, "twice", "rename"),
    "an unknown kind": ('[apps.a]\nkind = "clasify"', 2, "kind is 'clasify'", "Did you mean 'classify'"),
    "a classifier without labels": (CLASSIFY, 1, "'sort' has 0 labels", "[apps.sort.labels]"),
    "a classifier with one label": (f'{CLASSIFY}[apps.sort.labels]\na = ""', 3, "has 1 label."),
    "a label of another type": (f'{CLASSIFY}[apps.sort.labels]\na = "x"\nb = 1', 5, "b of [apps.sort.labels] is a who"),
    "a label without a name": (f'{CLASSIFY}labels = {{ "" = "x", b = "y" }}', 3, "The label ''"),
    "labels of an answerer": ('[apps.a]\n[apps.a.labels]\nx = "y"', 2, "of kind answer", 'kind = "classify"'),
    "a provider that is not declared": (
        f'{PROVIDER}[apps.a]\nmodel = "m"\nprovider = "there"', 5, "'there' is not declared", "Declared: here",
    ),
    "a provider when none is declared": ('[apps.a]\nmodel = "m"\nprovider = "x"', 3, "None is declared"),
    "a model without any provider": ('[apps.a]\nmodel = "m"', 2, "without a provider", "[providers.openai]"),
    "a model with two providers": (
        f'{PROVIDER}{PROVIDER.replace("here", "b")}[apps.a]\nmodel = "m"', 6, "Say which: here, b",
    ),
    "a provider without a model": (f'{PROVIDER}[apps.a]\nprovider = "here"', 4, "without a model", "offline"),
    "a prompt that is not there": ('[apps.a]\nprompt = "x.md"', 2, "no prompt file at", "x.md"),
    "a prompt that is a folder": ('[apps.a]\nprompt = "prompts"', 2, "no prompt file"),
    "knowledge that is not there": ('[apps.a]\nknowledge = "x"', 2, "There is no knowledge at"),
    "knowledge without a passage": ('[apps.a]\nknowledge = "encoder"', 2, "is empty", "at least one passage"),
    "no time for what was learned": ("[apps.a]\nlearned_budget_s = 0", 2, "above 0"),
    "an unknown rule": ("[apps.a.escalation]\nthumbs = true", 2, "'thumbs' is not a key", "'thumb_down'"),
    "six stars": ("[apps.a.escalation]\nstars_at_most = 6", 2, "stars_at_most is 6", "from 0 to 5"),
    "more than certain": ("[apps.a.escalation]\np_bad_above = 1.1", 2, "p_bad_above is 1.1", "between 0 and 1"),
    "an unknown limit": ("[apps.a.plan]\npowr = 1", 2, "'powr' is not a key of [apps.a.plan]", "'power'"),
    "an impossible limit": ("[apps.a.plan]\npower = 0.8\nanchor_margin = 2", 3, "anchor_margin = 2", "between 0 and 1"),
    "a limit of zero": ("[apps.a.plan]\nflip_reviews = 0", 2, "flip_reviews = 0", "at least 1"),
    "a limit of another type": ("[apps.a.plan]\ncontained_releases = 1", 2, "not true or false"),
    "a limit that is no number": ("[apps.a.plan]\npower = nan", 2, "power = nan"),
    "a provider without an address": ("[providers.x]\nretries = 1", 1, "[providers.x] has no base_url"),
    "a provider without a name": ('[providers.""]', 1, "provider name '' is not usable"),
    "an unknown key of a provider": ('[providers.x]\nurl = "http://x"', 2, "'url' is not a key", "'base_url'"),
    "an address that is none": ('[providers.x]\nbase_url = "api.example"', 2, "not an http or https URL"),
    "a wait that is too long": (f"{PROVIDER}read_timeout_s = 1e9", 3, "at most 3600"),
    "too many retries": (f"{PROVIDER}retries = 11", 3, "from 0 to 10"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_refused_with_line_and_fix(refuse: Refuse, case: str) -> None:
    text, line, *said = WRONG[case]
    refuse(text, line, *said)


@pytest.mark.parametrize(
    ("words", "said"), [(b"  \n", "is empty"), (b"\xff", "not UTF-8"), (b"x" * 100_001, "100,001 characters")]
)
def test_a_prompt_that_cannot_be_used_is_refused(refuse: Refuse, folder: Path, words: bytes, said: str) -> None:
    (folder / "p.md").write_bytes(words)
    refuse('[apps.a]\nprompt = "p.md"', 2, said)


@pytest.mark.parametrize(
    "key",
    ["sk-abcdef0123456789", "AKIA0123456789ABCDEFGH", "Bearer abcdef", "abc-def", "lower_case_name", "A KEY", "é_KEY"],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(refuse: Refuse, key: str) -> None:
    error = refuse(f'{PROVIDER}key = "{key}"', 3, "environment variable", 'key = "OPENAI_API_KEY"', "export")
    assert key not in str(error)


@pytest.mark.parametrize(
    "line", ['api_key = "sk-abcdef0123456789"', 'base_url = "http://u:sk-abcdef0123456789@api.example"', "key = 123456"]
)
def test_a_secret_in_the_wrong_place_is_not_repeated_either(refuse: Refuse, line: str) -> None:
    text = PROVIDER if not line.startswith("base_url") else "[providers.x]\n\n"
    error = refuse(f"{text}{line}", 3)
    assert "sk-abcdef0123456789" not in str(error)
    assert "123456" not in str(error)
