"""A running service for the tests of the web."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.running import Running, make_project, running


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One service for the tests of a module, in open mode, without its worker."""
    settings = make_project(tmp_path_factory.mktemp("project") / "live")
    with running(settings) as service:
        yield service


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Running]:
    """A service of one test alone."""
    with running(make_project(tmp_path / "fresh")) as service:
        yield service
