"""A project folder with everything that a ratchet.toml may name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ratchet.errors import InvalidInput
from ratchet.project.read import read_project
from ratchet.settings import Settings

Read = Callable[..., Settings]
Refuse = Callable[..., InvalidInput]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Prompts, knowledge and a sentence encoder's folder, without a ratchet.toml."""
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "support.md").write_text("Answer from the passages.\n")
    (tmp_path / "knowledge").mkdir()
    (tmp_path / "knowledge" / "returns.md").write_text("# Returns\nWithin 30 days.\n")
    (tmp_path / "encoder").mkdir()
    (tmp_path / "encoder" / "model.safetensors").touch()
    return tmp_path


@pytest.fixture
def read(folder: Path) -> Read:
    """Reads the project with this ratchet.toml."""

    def call(text: str, **environment: str) -> Settings:
        (folder / "ratchet.toml").write_text(text, encoding="utf-8")
        return read_project(environment, folder)

    return call


@pytest.fixture
def refuse(read: Read) -> Refuse:
    """Expects this ratchet.toml to be refused, on that line, with a fix."""

    def call(text: str, line: int, *said: str) -> InvalidInput:
        with pytest.raises(InvalidInput) as refused:
            read(text)
        error = refused.value
        assert error.what.startswith(f"ratchet.toml, line {line}: "), error.what
        assert error.fix
        for words in said:
            assert words in str(error)
        return error

    return call
