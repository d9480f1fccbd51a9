"""Addresses and keys are checked at once; what is kept has a folder for each service."""

from __future__ import annotations

from pathlib import Path

import pytest

from ratchet import InvalidInput
from ratchet.sdk.address import checked_key, checked_url, state_folder


def test_a_url_loses_its_last_slash() -> None:
    assert checked_url("http://127.0.0.1:8400/") == "http://127.0.0.1:8400"
    assert checked_url("https://ratchet.internal/loop/") == "https://ratchet.internal/loop"


@pytest.mark.parametrize(
    "url", ["", "ratchet.db", "ftp://host", "http://", "http://host:0", "http://host:x", "http://a b", "http://ho\nst",
            "http://user:secret@host", "http://host?key=secret", "http://host#secret"],
)  # fmt: skip
def test_what_is_no_address_is_refused_and_not_shown(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_url(url)
    assert "secret" not in str(caught.value)


def test_a_key_fits_into_a_header() -> None:
    assert checked_key("rk_sk_abc") == "rk_sk_abc"
    assert checked_key("") == ""
    for key in ("rk_sk_a b", "rk_sk_a\r\nX: y", "schlüssel"):
        with pytest.raises(InvalidInput) as caught:
            checked_key(key)
        assert key not in str(caught.value)


def test_each_service_has_a_folder_of_its_own(tmp_path: Path) -> None:
    given = {"RATCHET_STATE": str(tmp_path)}
    one, other = state_folder("http://one", given), state_folder("http://other", given)
    assert one.parent == other.parent == tmp_path
    assert one != other
    assert one == state_folder("http://one", given)
    assert state_folder("http://one", {"XDG_STATE_HOME": "/x"}).parent == Path("/x/ratchet")
    assert state_folder("http://one", {}).parent == Path.home() / ".local/state/ratchet"
