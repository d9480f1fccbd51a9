"""Checks of the machine: Python, packages, SQLite, disk, open files, clock."""

from __future__ import annotations

import importlib
import importlib.metadata
import re
import shutil
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

from ratchet.cli.checks.finding import Finding, fail, ok, warn

DISTRIBUTION = "ratchet-ai"
OLDEST_PYTHON = (3, 11)
FIRST_AFFECTED, LAST_AFFECTED = (3, 7, 0), (3, 51, 2)
REPAIRED = ((3, 50, 7), (3, 44, 6))
LITTLE_DISK, TOO_LITTLE_DISK = 10**9, 10**8
FEW_FILES = 1024
BUILT_AFTER = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
CLOCK_SLACK_S = 300.0


def python(version: tuple[int, ...] = tuple(sys.version_info[:3])) -> Finding:
    """Whether this Python is new enough."""
    name = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        return fail("Python", f"Python {name} is too old.", "Install Python 3.11 or newer, and Ratchet in it.")
    return ok("Python", name)


def packages(requirements: Iterable[str]) -> Finding:
    """Whether all of ``requirements`` (as package metadata has them) is installed, and which extras are."""
    needed, extras = _requirements(requirements)
    missing = [name for name in needed if not _installed(name)]
    if missing:
        fix = f"Run `pip install --upgrade {DISTRIBUTION}`."
        return fail("packages", f"Not installed: {', '.join(missing)}.", fix)
    lost = {extra: [name for name in names if not _installed(name)] for extra, names in extras.items()}
    halves = [extra for extra, names in lost.items() if 0 < len(names) < len(extras[extra])]
    if halves:
        said = "; ".join(f"[{extra}] lacks {', '.join(lost[extra])}" for extra in halves)
        fix = f"Run `pip install '{DISTRIBUTION}[{','.join(halves)}]'`."
        return warn("packages", f"Extras installed in part: {said}.", fix)
    whole, others = ([extra for extra in extras if bool(lost[extra]) == absent] for absent in (False, True))
    said = f"extras {', '.join(whole)}" if whole else "no extras"
    return ok("packages", f"{said} (not installed: {', '.join(others)})" if others else said)


def own_requirements() -> list[str]:
    """What the installed Ratchet asks for; empty when it runs from a folder that was never installed."""
    try:
        return importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []


def sqlite_module() -> ModuleType:
    """The SQLite build that the store uses."""
    try:
        return importlib.import_module("pysqlite3")
    except ImportError:
        return importlib.import_module("sqlite3")


def sqlite(name: str, version: str) -> Finding:
    """Whether this SQLite may, in rare cases, damage a store that two connections write."""
    numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:3])
    repaired = any(numbers[:2] == fixed[:2] and numbers >= fixed for fixed in REPAIRED)
    if FIRST_AFFECTED <= numbers <= LAST_AFFECTED and not repaired:
        return warn(
            "SQLite",
            f"{version} (module {name}) can, very rarely, damage a file that two connections write at the same moment. "
            "Ratchet writes over one connection, so only other programs could bring this about.",
            "Let no other program write to the store; or run `pip install 'pysqlite3>=0.6.1'`, or use a Python with "
            "SQLite 3.51.3 or newer.",
        )
    return ok("SQLite", f"{version} (module {name})")


def disk(folder: Path, free: int | None = None) -> Finding:
    """Whether there is room where the store is; ``free`` is in bytes, measured unless given."""
    if free is None:
        while not folder.exists() and folder != folder.parent:
            folder = folder.parent
        free = shutil.disk_usage(folder).free
    said = f"{free / 10**9:,.1f} GB free in {folder.resolve()}"
    if free < TOO_LITTLE_DISK:
        return fail("disk", f"Only {free / 10**6:,.0f} MB are free in {folder.resolve()}.", "Free some space.")
    if free < LITTLE_DISK:
        return warn("disk", f"{said}.", "Free some space before it is full: then nothing more is accepted.")
    return ok("disk", said)


def open_files(limit: int | None = None) -> Finding:
    """Whether a service here may hold enough connections; ``limit`` is the process's own unless given."""
    if limit is None:
        import resource

        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        limit = sys.maxsize if limit == resource.RLIM_INFINITY else limit
    if limit < FEW_FILES:
        return warn("open files", f"A process may open {limit} files.", f"Run `ulimit -n {FEW_FILES}` before serving.")
    return ok("open files", f"{limit:,} at once" if limit < sys.maxsize else "no limit")


def clock(store: Path, now: float | None = None) -> Finding:
    """Whether the clock may be right; ``now`` is in seconds since the epoch, the system's own unless given."""
    now = time.time() if now is None else now
    said = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC")
    fix = "Set the clock (switch time synchronisation on): it dates feedback, tokens and the audit log."
    if now < BUILT_AFTER:
        return fail("clock", f"The clock says {said}, which is before this version was made.", fix)
    ahead = (store.stat().st_mtime if store.is_file() else now) - now
    if ahead > CLOCK_SLACK_S:
        return warn("clock", f"The clock says {said}, but the store was written {ahead / 60:,.0f} minutes later.", fix)
    return ok("clock", said)


def _requirements(lines: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The packages always needed here, and those of each extra; what only some machines need is left out."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in lines:
        requirement, _, marker = line.partition(";")
        name = re.match(r"[\w.-]+", requirement.strip())
        extra = re.search(r"extra\s*==\s*['\"]([\w.-]+)['\"]", marker)
        if name and extra and extra[1] != "dev":
            extras.setdefault(extra[1], []).append(name.group())
        elif name and not marker.strip():
            needed.append(name.group())
    return needed, extras


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
