"""Feedback tokens: for one answer and one purpose, for a while, and nobody else can make or change one."""

from __future__ import annotations

import base64
import itertools
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratchet.errors import Unauthorized
from ratchet.providers.system import ReplayClock
from ratchet.web.tokens import Grant, Tokens, _Signer, rotate
from ratchet.wiring import House

HOURS = 24.0


@pytest.fixture
def tokens(house: House) -> Tokens:
    return Tokens(house.outside, HOURS)


def refused(tokens: Tokens, token: str) -> bool:
    try:
        tokens.read(token)
    except Unauthorized:
        return True
    return False


def test_reads_what_it_made(tokens: Tokens, clock: ReplayClock) -> None:
    for app, subject, user in (("support", "tr_1", "kim"), ("trennung", "é😀\n", ""), ("a", "b" * 64, "c" * 1000)):
        token = tokens.make(app, subject, user)
        assert tokens.read(token) == Grant(app, subject, user, clock.now() + HOURS * 3600)
        assert set(token) <= set(string.ascii_letters + string.digits + "-_."), "it fits into a header and a link"


def test_ends_after_its_hours(tokens: Tokens, clock: ReplayClock) -> None:
    token = tokens.make("support", "tr_1")
    clock.advance(HOURS * 3600 - 1)
    assert not refused(tokens, token)
    clock.advance(1)
    assert refused(tokens, token)


def test_is_for_one_purpose(tokens: Tokens) -> None:
    feedback, status = tokens.make("support", "x"), tokens.make("support", "x", purpose="status")
    assert feedback != status
    assert refused(tokens, status)
    with pytest.raises(Unauthorized):
        tokens.read(feedback, purpose="status")


def test_any_other_text_is_no_token(tokens: Tokens) -> None:
    token = tokens.make("support", "tr_1", "kim")
    letters = string.ascii_letters + string.digits + "-_"
    changed = {token[:place] + letter + token[place + 1 :] for place in range(len(token)) for letter in letters}
    shortened = {token[:place] for place in range(len(token))} | {token[place:] for place in range(1, len(token))}
    longer = {
        before + token + after for before, after in itertools.product(("", "A", ".", " "), ("", "=", ".", "\n", "A"))
    }
    for other in (changed | shortened | longer) - {token}:
        assert refused(tokens, other), other


@given(st.text())
def test_no_text_breaks_the_reading(text: str) -> None:
    assert refused(READER, text)


def test_those_of_another_secret_are_refused(tokens: Tokens, clock: ReplayClock) -> None:
    payload = msgspec.json.encode(["support", "tr_1", "kim", int(clock.now()) + 3600])
    value = base64.urlsafe_b64encode(payload).rstrip(b"=")
    for secret in (b"", b"guess", b"0" * 32):
        assert refused(tokens, _Signer.of([secret], "feedback").sign(value).decode())
    assert refused(tokens, value.decode())
    assert refused(tokens, value.decode() + ".")


def test_what_is_signed_but_is_no_grant_is_refused(tokens: Tokens) -> None:
    signer = tokens._signers["feedback"]
    for payload in (b"", b"[]", b"null", b'["a", "b", "c", "d"]', b'["a", "b", "c", null]', b"\xff"):
        assert refused(tokens, signer.sign(base64.urlsafe_b64encode(payload)).decode())
    assert refused(tokens, signer.sign(b"A").decode())


def test_a_new_secret_ends_no_token_and_the_next_one_does(house: House, tokens: Tokens) -> None:
    first = tokens.make("support", "tr_1")
    house.outside.clock.advance(1)  # type: ignore[attr-defined]
    rotate(house.outside)
    tokens.reload()
    second = tokens.make("support", "tr_1")
    assert not refused(tokens, first)
    assert not refused(tokens, second)
    house.outside.clock.advance(1)  # type: ignore[attr-defined]
    rotate(house.outside)
    tokens.reload()
    assert refused(tokens, first)
    assert not refused(tokens, second)
    assert [entry.action for entry in house.store.audit.entries(None)].count("token_secret.rotated") == 3


def test_a_service_that_starts_again_reads_the_tokens_of_before(house: House, tokens: Tokens) -> None:
    token = tokens.make("support", "tr_1")
    assert Tokens(house.outside, HOURS).read(token) == tokens.read(token)


class _NoHouse:
    """What reading needs, without a store: hypothesis runs a test many times in one fixture."""

    class clock:
        @staticmethod
        def now() -> float:
            return 1_790_000_000.0

    class store:
        class keys:
            @staticmethod
            def token_secrets() -> list[tuple[str, float, str]]:
                return [("ts_1", 0.0, "ab" * 32)]


READER = Tokens(_NoHouse, HOURS)  # type: ignore[arg-type]
