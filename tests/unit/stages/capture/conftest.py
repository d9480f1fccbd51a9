"""Every capture test has its apps declared: feedback on an app nobody declared is refused."""

from __future__ import annotations

import pytest

from ratchet.wiring import House
from tests.conftest import LABELS


@pytest.fixture(autouse=True)
def declared(house: House) -> None:
    for name in ("support", "other"):
        house.declare(name, "answer")
    house.declare("triage", "classify", labels=LABELS)
