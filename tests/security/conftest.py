"""Services with keys and content for the tests of who may do what."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.security.keyed import Keyed, keyed


@pytest.fixture(scope="module")
def house_of_keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A service with content and a key of every kind, for the tests of a module."""
    with keyed(tmp_path_factory.mktemp("keyed") / "project") as made:
        yield made
