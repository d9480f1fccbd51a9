"""Files that hold a store, processes that can be killed, and small file systems that can be filled."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.settings import Settings
from ratchet.storage.database import sqlite_module
from ratchet.wiring import House, open_house

ROOT = Path(__file__).parents[2]
OpenAt = Callable[[Path], House]
Spawn = Callable[..., "subprocess.Popen[str]"]


def ask_sqlite(path: Path, statement: str) -> list[tuple[object, ...]]:
    """What ``statement`` gives on a connection of its own."""
    connection = sqlite_module().connect(path, isolation_level=None)
    try:
        return list(connection.execute(statement).fetchall())
    finally:
        connection.close()


@pytest.fixture
def open_at() -> Iterator[OpenAt]:
    """Opens a store at a path."""
    opened: list[House] = []

    def open_it(path: Path) -> House:
        opened.append(open_house(Settings(store=path), embedder=LexicalEmbedder()))
        return opened[-1]

    yield open_it
    for house in opened:
        house.close()


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """Starts a Python process with pipes; it is gone when the test ends."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts something at a new folder; skips the test where mounting is not allowed."""
    mounted: list[Path] = []

    def mount_it(*arguments: str, at: Path | None = None) -> Path:
        place = at or tmp_path / f"mounted-{len(mounted)}"
        if at is None:
            place.mkdir()
        if os.geteuid() != 0 or subprocess.run(["mount", *arguments, str(place)], capture_output=True).returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(place)
        return place

    yield mount_it
    for place in reversed(mounted):
        subprocess.run(["umount", "--lazy", str(place)], check=True)
