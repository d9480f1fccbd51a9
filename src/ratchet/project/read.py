"""Reads the settings of a project: command option, then environment, then ratchet.toml, then default."""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ratchet.errors import InvalidInput
from ratchet.project.apps import read_app, read_provider
from ratchet.project.lines import Lines
from ratchet.project.table import Table
from ratchet.settings import EMBEDDER, STORE, AppSettings, ProviderSettings, ServiceSettings, Settings

FILE = "ratchet.toml"
PROJECT = "RATCHET_PROJECT"
HOST = "RATCHET_HOST"
PORT = "RATCHET_PORT"
SECTIONS = ("service", "store", "embedder", "providers", "apps")
SERVICE_KEYS = tuple(field.name for field in dataclasses.fields(ServiceSettings))
RECORD = ("durable", "soon")
STORE_KEYS = ("file",)
EMBEDDER_KEYS = ("name",)
HIGHEST_PORT = 65_535
LONGEST_TOKEN_HOURS = 24.0 * 366
MOST_REQUESTS_PER_MINUTE = 1_000_000


def project_folder(environment: Mapping[str, str], named: str | Path | None = None) -> Path:
    """The project's folder: ``named``, or what RATCHET_PROJECT names, or the current one.

    A project that is named (by its folder or its ratchet.toml) must have that file, else ``InvalidInput``. The current
    folder need not have one.
    """
    asked = str(named) if named is not None else environment.get(PROJECT, "")
    if not asked.strip():
        return Path()
    path = Path(asked).expanduser()
    folder = path.parent if path.name == FILE and not path.is_dir() else path
    if not (folder / FILE).is_file():
        raise InvalidInput(f"There is no {FILE} in {folder}.", f"Run `ratchet init {folder}` to make a project there.")
    return folder


def read_project(environment: Mapping[str, str], folder: Path, store: str | Path | None = None) -> Settings:
    """The settings of the project in ``folder``; ``store`` overrides. Without a ratchet.toml there, the defaults.

    Paths in the file are relative to ``folder``. Raises ``InvalidInput`` with the line and the fix for anything in the
    file that cannot be used.
    """
    path = folder / FILE
    if not path.is_file():
        settings = Settings.read(environment, store)
        return dataclasses.replace(settings, service=_from_environment(environment, settings.service))
    file = _parsed(path)
    file.only(SECTIONS)
    places = {STORE: str(_store(file.table("store"))), EMBEDDER: _embedder(file.table("embedder"))}
    providers = _providers(file)
    return dataclasses.replace(
        Settings.read({**places, **environment}, store),
        service=_from_environment(environment, _service(file.table("service"))),
        providers=providers,
        apps=_apps(file, providers),
    )


def _parsed(path: Path) -> Table:
    try:
        # Windows editors put a byte order mark first, which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InvalidInput(f"{path} is not UTF-8.", "Save it as UTF-8.") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.", "Give read permission on it.") from None
    try:
        values = tomllib.loads(text)
        lines = Lines(text)
    except RecursionError:
        raise InvalidInput(f"{path} is nested too deep.", "Write plain tables and keys.") from None
    except ValueError as error:
        raise _syntax_error(text, str(error)) from None
    return Table(FILE, path.parent, lines, (), values)


def _syntax_error(text: str, message: str) -> InvalidInput:
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", message)
    if found is None:  # not about the syntax: a number with thousands of digits
        return InvalidInput(f"{FILE} cannot be used: {message}.", "Correct the value.")
    said = message[: found.start()]
    line = found[1] or text.count("\n") + 1
    if re.search(r"twice|overwrite|already|immutable", said, re.IGNORECASE):
        fix = "Two parts of the file have the same name: rename or merge them."
    else:
        fix = 'Correct that line; texts stand in quotes: name = "value".'
    return InvalidInput(f"{FILE}, line {line}: {said}.", fix)


def _store(table: Table) -> Path:
    table.only(STORE_KEYS)
    if "://" in table.text("file"):
        raise table.wrong("file is an address, not a file.", 'Name a file: file = "ratchet.db".', "file")
    path = table.file_at("file") or table.folder / "ratchet.db"
    if path.is_dir():
        raise table.wrong(f"{path} is a folder.", 'Name a file in it: file = "FOLDER/ratchet.db".', "file")
    if not path.parent.is_dir():
        raise table.wrong(f"There is no folder {path.parent} for the store.", "Make it, or correct the path.", "file")
    return path


def _embedder(table: Table) -> str:
    table.only(EMBEDDER_KEYS)
    name = table.text("name", "auto")
    if name in ("auto", "lexical"):
        return name
    folder = table.file_at("name") or table.folder
    if not (folder / "model.safetensors").is_file():
        raise table.wrong(
            f"There is no sentence encoder in {folder}.",
            'Use "auto", "lexical", or a folder with model.safetensors, config.json and tokenizer.json.',
            "name",
        )
    return str(folder)


def _service(table: Table) -> ServiceSettings:
    table.only(SERVICE_KEYS)
    default = ServiceSettings()
    return ServiceSettings(
        host=table.text("host", default.host),
        port=table.whole("port", default.port, 0, HIGHEST_PORT),
        origins=_origins(table, default.origins),
        token_hours=table.positive("token_hours", default.token_hours, LONGEST_TOKEN_HOURS),
        requests_per_minute=table.whole(
            "requests_per_minute", default.requests_per_minute, 0, MOST_REQUESTS_PER_MINUTE
        ),
        learn=table.flag("learn", default.learn),
        record="soon" if table.choice("record", default.record, RECORD) == "soon" else "durable",
    )


def _origins(table: Table, default: tuple[str, ...]) -> tuple[str, ...]:
    found = table.texts("origins", default)
    for place, origin in enumerate(found):
        if origin != "*" and not _is_origin(origin):
            raise table.wrong(
                f"{origin!r} is not a web origin.",
                'Write scheme and host, without a path: "https://www.example.com". "*" stands for any.',
                "origins",
                str(place),
            )
    return found


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc and "*" not in text


def _providers(file: Table) -> tuple[ProviderSettings, ...]:
    return tuple(read_provider(table) for table in file.tables("providers"))


def _apps(file: Table, providers: tuple[ProviderSettings, ...]) -> tuple[AppSettings, ...]:
    names = [provider.name for provider in providers]
    return tuple(read_app(table, names) for table in file.tables("apps"))


def _from_environment(environment: Mapping[str, str], service: ServiceSettings) -> ServiceSettings:
    """``service`` with what RATCHET_HOST and RATCHET_PORT say instead."""
    changes: dict[str, Any] = {}
    if HOST in environment:
        changes["host"] = environment[HOST].strip()
        if not changes["host"]:
            raise InvalidInput(f"{HOST} is empty.", "Set it to an address such as 127.0.0.1, or leave it unset.")
    if PORT in environment:
        written = environment[PORT].strip()
        if not re.fullmatch(r"[0-9]{1,5}", written) or int(written) > HIGHEST_PORT:
            raise InvalidInput(f"{PORT} is {written!r}.", f"Use a whole number from 0 to {HIGHEST_PORT}.")
        changes["port"] = int(written)
    return dataclasses.replace(service, **changes)
