"""Checks of ratchet.toml, of its apps, and of the embedder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ratchet.cli.checks import store
from ratchet.cli.checks.finding import Finding, fail, ok, warn
from ratchet.errors import RatchetError
from ratchet.project.read import FILE
from ratchet.settings import AppSettings, Settings


def file(folder: Path, settings: Settings) -> Finding:
    """What the project declares; that it is valid is known when there are settings."""
    if not (folder / FILE).is_file():
        return warn(
            FILE,
            f"There is none in {folder.resolve()}: the defaults hold, and the service runs no app of its own.",
            "Run `ratchet init`, or name a project with --project or RATCHET_PROJECT.",
        )
    apps = ", ".join(app.name for app in settings.apps)
    if not apps:
        return warn(FILE, f"{folder / FILE} declares no app.", "Add [apps.NAME]; `ratchet init` shows an example.")
    providers = ", ".join(provider.name for provider in settings.providers)
    return ok(FILE, f"apps {apps}" + (f"; providers {providers}" if providers else "") + f" ({folder.resolve()})")


def apps(settings: Settings) -> Iterator[Finding]:
    """What answers in each app."""
    from ratchet.providers.knowledge_files import read_knowledge

    for app in settings.apps:
        name = f"app {app.name}"
        passages = len(read_knowledge(app.knowledge, app.name)) if app.knowledge is not None else 0
        base = f"model {app.model} of {app.provider}" if app.model else "offline"
        if app.kind == "classify":
            yield ok(name, f"{base}, {len(app.labels)} labels")
        elif not app.model and not passages:
            yield warn(
                name,
                f"{app.name} has neither a model nor knowledge: it says that it does not know, until lessons teach it.",
                f'Add knowledge = "FOLDER" or model = "NAME" to [apps.{app.name}].',
            )
        else:
            yield ok(name, f"{base}, {passages} passages")


def embedder(settings: Settings) -> tuple[Finding, str]:
    """Whether texts are compared by meaning, and the embedder's fingerprint (empty where it does not work)."""
    from ratchet.providers.lexical_embedder import LexicalEmbedder
    from ratchet.providers.sentence_encoder import can_run, packaged_weights
    from ratchet.wiring import choose_embedder

    wanted = settings.embedder
    at_hand = packaged_weights() is not None and can_run()
    if wanted == "lexical" or (wanted == "auto" and not at_hand):
        what = "The lexical embedder compares words, not meaning: other wordings of a question are often missed."
        fix = "Run `pip install 'ratchet-ai[embed]'`, and name a folder with all-MiniLM-L6-v2 as the embedder."
        return warn("embedder", what, 'Name "auto": the weights are installed.' if at_hand else fix), (
            LexicalEmbedder.fingerprint
        )
    try:
        found = choose_embedder(settings)
    except RatchetError as error:
        return fail("embedder", error.what, error.fix), ""
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        what = f"The embedder {wanted!r} cannot be loaded: {error}."
        return fail("embedder", what, "Name a folder with model.safetensors, config.json and tokenizer.json."), ""
    return ok("embedder", f"sentence encoder ({found.dimensions} dimensions)"), found.fingerprint


def against_store(settings: Settings, fingerprint: str) -> Iterator[Finding]:
    """Whether the store's apps were made with this embedder, and are of the kinds that the project declares."""
    try:
        known = store.look(settings.store).apps if settings.store.is_file() else {}
    except ValueError:
        return  # the check of the store says so
    others = sorted(name for name, (_, made_by) in known.items() if fingerprint and made_by != fingerprint)
    if others:
        yield fail(
            "embedder and store",
            f"The vectors of {', '.join(others)} were made by another embedder ({known[others[0]][1]}).",
            "Configure that embedder, or run `ratchet reembed` to move to this one.",
        )
    yield from _changed_kinds(settings.apps, known)


def _changed_kinds(declared: tuple[AppSettings, ...], known: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    for app in declared:
        kind = known[app.name][0] if app.name in known else app.kind
        if kind != app.kind:
            yield fail(
                f"app {app.name}",
                f"{app.name} is of kind {kind} in the store, and of kind {app.kind} in {FILE}.",
                f'Set kind = "{kind}", or give the new app another name.',
            )
