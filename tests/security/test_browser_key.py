"""A browser key can write feedback for its own token and nothing else: thousands of hostile attempts, no success."""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import sqlite3
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ratchet.web.access import _checksum
from ratchet.web.routes.table import ROUTES
from ratchet.web.tokens import Tokens
from tests.security.keyed import EVIL, SECRET_WORDS, SHOP, Keyed
from tests.web.running import Answered

ATTEMPTS = 5000
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH")
LETTERS = string.ascii_letters + string.digits + "-_"
# Sent with no key at all, these say nothing about anybody's content.
PUBLIC = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/ratchet.js"}
WRONG_PLACES = (
    ("x-api-key", "{}"),
    ("authorization", "{}"),
    ("authorization", "Basic {}"),
    ("authorization", "Bearer {0} {0}"),
    ("authorization", "Bearer {},Bearer {}"),
    ("proxy-authorization", "Bearer {}"),
    ("cookie", "key={}"),
    ("x-ratchet-key", "{}"),
)
CLAIMS = {
    "x-forwarded-for": "127.0.0.1",
    "x-real-ip": "127.0.0.1",
    "forwarded": "for=127.0.0.1;host=localhost",
    "x-forwarded-host": "localhost",
    "host": "localhost",
    "x-http-method-override": "GET",
    "x-original-url": "/healthz",
    "x-rewrite-url": "/healthz",
    "sec-fetch-site": "same-origin",
    "x-ratchet-app": "support",
    "x-ratchet-user": "kim",
    "idempotency-key": "evil",
    "connection": "keep-alive, authorization",
}
ODD_PATHS = (
    "//v1/traces",
    "/v1//traces",
    "/v1/./traces",
    "/healthz/../v1/traces",
    "/v1/traces/",
    "/V1/TRACES",
    "/v1/traces%00",
    "/%76%31/traces",
    "/v1/traces;x",
    "/v1%2Ftraces",
)
Attempt = tuple[str, str, dict[str, str], bytes]


class Line:
    """One connection that is kept open, for requests that a client library would put right."""

    def __init__(self, url: str) -> None:
        self._address = url.removeprefix("http://")
        self._connection = http.client.HTTPConnection(self._address, timeout=30)

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answered:
        for again in (True, False):
            try:
                self._connection.request(method, path, body or None, headers)
                response = self._connection.getresponse()
                data = response.read()
                return Answered(response.status, {k.lower(): v for k, v in response.getheaders()}, data)
            except (http.client.HTTPException, ConnectionError):
                self._connection.close()
                if not again:
                    raise
        raise AssertionError

    def close(self) -> None:
        self._connection.close()


class Attacker:
    """Makes hostile requests. It owns a browser key for support, a good token for one answer of support, and knows the
    ids of everything, as a page may come to know them."""

    def __init__(self, made: Keyed, seed: int) -> None:
        self._chance = random.Random(seed)
        self._made = made
        self._key = made.keys["browser"]
        self._good = made.token("support")
        self._other = made.token("triage")
        self._expired = _tokens(made, hours=-1.0).make("support", made.traces["support"])
        self._ways: dict[str, Callable[[], Attempt]] = {
            "every route and method": self._any_route,
            "feedback without a token": lambda: self._feedback(self._said()),
            "a token with a piece of it changed": lambda: self._feedback(self._said(token=self._altered(self._good))),
            "a token cut short": lambda: self._feedback(self._said(token=self._cut(self._good))),
            "a token made up": lambda: self._feedback(self._said(token=self._forged())),
            "a token that has expired": lambda: self._feedback(self._said(token=self._expired)),
            "a token for another answer": lambda: self._feedback(self._said(token=self._good, id=self._other_id())),
            "a token for another app": lambda: self._feedback(self._said(token=self._other)),
            "a good token with another app": lambda: self._feedback(self._said(token=self._good, app="triage")),
            "a status token in place of a feedback token": self._swapped,
            "a good token from another origin": self._from_elsewhere,
            "a secret key in the body": self._secret_in_body,
            "the key in other places": self._misplaced,
            "headers that contradict each other": self._smuggled,
            "rows in a batch": self._batch,
            "the status of somebody's report": self._status,
        }  # fmt: skip

    def attempts(self, count: int) -> Iterator[tuple[str, Attempt]]:
        """That many, each way about as often; every route with every method comes first."""
        for route in ROUTES:
            for method in METHODS:
                yield "every route and method", self._at(method, route.path)
        ways = list(self._ways)
        for _ in range(count - len(ROUTES) * len(METHODS)):
            way = self._chance.choice(ways)
            yield way, self._ways[way]()

    def allowed(self) -> Attempt:
        """What the key is for: feedback with the good token, from its page."""
        return self._feedback(self._said(token=self._good))

    def _headers(self, **more: str) -> dict[str, str]:
        return {"content-type": "application/json", "origin": SHOP, "authorization": f"Bearer {self._key}", **more}

    def _said(self, **more: Any) -> dict[str, Any]:
        what = self._chance.choice(({"thumb": "up"}, {"comment": "pwned"}, {"scores": {"tone": 1.0}}, {"stars": 5}))
        if "token" not in more and "id" not in more:
            more |= {"id": self._made.traces["support"], "app": "support"}
        return {"event_id": f"evil{self._chance.randrange(10**12)}", **what, **more}

    def _feedback(self, said: dict[str, Any], **headers: str) -> Attempt:
        """With the key in a header or in the body, the token in the body or in a header, as JSON or as a beacon."""
        sent = self._headers(**headers)
        if self._chance.random() < 0.3:
            said["key"] = sent.pop("authorization").removeprefix("Bearer ")
        if "token" in said and self._chance.random() < 0.3 and said["token"].isascii() and said["token"].isprintable():
            sent["x-ratchet-feedback-token"] = said.pop("token")
            said.setdefault("id", self._made.traces["support"])
        if self._chance.random() < 0.2:
            sent["content-type"] = "text/plain;charset=UTF-8"
        return "POST", "/v1/feedback", sent, json.dumps(said).encode()

    def _any_route(self) -> Attempt:
        return self._at(self._chance.choice(METHODS), self._chance.choice(ROUTES).path)

    def _at(self, method: str, path: str) -> Attempt:
        made = self._made
        ids = (made.traces["support"], made.feedback_id, made.case_id, made.lesson_id, "support")
        places = {
            "app": self._chance.choice(("support", "triage")),
            "number": "1",
            "id": self._chance.choice(ids),
        }
        query = self._chance.choice(("", f"?token={self._good}", "?app=support", f"?key={self._key}"))
        headers = self._headers()
        if self._chance.random() < 0.5:
            headers["x-ratchet-feedback-token"] = self._good
        body = b"" if method in ("GET", "HEAD") else json.dumps(self._body_for(path)).encode()
        if path == "/v1/feedback" and method == "POST":
            headers.pop("x-ratchet-feedback-token", None)
        return method, path.format(**places) + query, headers, body

    def _body_for(self, path: str) -> Any:
        bodies = {
            "chat/completions": {"model": "support", "messages": [{"role": "user", "content": "hello"}]},
            "responses": {"model": "support", "input": "hello"},
            "embeddings": {"model": "support", "input": "hello"},
            "batch": {"traces": [{"app": "support", "id": "evil", "input": "hello"}]},
            "answer": {"input": "hello"},
            "learned": {"input": "hello"},
            "tokens": {"trace_id": self._made.traces["support"]},
            "verdict": {"reviewer": "eve", "erred": False},
            "reserve": {"reviewer": "eve"},
            "revoke": {"actor": "eve", "reason": "mine"},
            "rollback": {"actor": "eve", "reason": "mine"},
            "promote": {"actor": "eve", "reason": "mine", "number": 1},
            "keys": {"name": "evil"},
            "gaps": {"since": 1.0, "until": 2.0, "trace": 3},
            "knowledge": {"passages": []},
        }
        return next((body for end, body in bodies.items() if path.endswith(end)), self._said())

    def _altered(self, token: str) -> str:
        """Another text, which may even stand for the same bytes."""
        while True:
            place = self._chance.randrange(len(token))
            how = self._chance.randrange(4)
            if how == 0:
                other = token[:place] + self._chance.choice(LETTERS) + token[place + 1 :]
            elif how == 1:
                other = token[:place] + self._chance.choice("=. \t~é") + token[place:]
            elif how == 2:
                other = token + self._chance.choice(("=", "A", ".", "AA", "\n"))
            else:
                other = token.swapcase() if self._chance.random() < 0.1 else token[:place] + token[place + 1 :]
            if other != token:
                return other

    def _cut(self, token: str) -> str:
        place = self._chance.randrange(1, len(token))
        return self._chance.choice((token[:place], token[place:], token.partition(".")[0], token.partition(".")[2]))

    def _forged(self) -> str:
        """Our form, for somebody else's answer, with a signature of nobody, or with that of another token."""
        payload = json.dumps(["triage", self._made.traces["triage"], "kim", 9_999_999_999]).encode()
        value = base64.urlsafe_b64encode(payload).rstrip(b"=").decode()
        guess = base64.urlsafe_b64encode(self._chance.randbytes(32)).rstrip(b"=").decode()
        own = self._good.partition(".")[2]
        return self._chance.choice(
            (f"{value}.{guess}", f"{value}.{own}", f"{value}.", value, f"{value}..{own}", "null")
        )

    def _other_id(self) -> str:
        return self._chance.choice((self._made.traces["triage"], "tr_made_up", self._made.traces["support"] + " "))

    def _from_elsewhere(self) -> Attempt:
        near = (SHOP + ".evil.example", SHOP + ":8443", SHOP.replace("s:", ":"))
        origin = self._chance.choice((EVIL, "null", "file://", *near))
        return self._feedback(self._said(token=self._good), origin=origin)

    def _swapped(self) -> Attempt:
        if self._chance.random() < 0.5:
            return self._feedback(self._said(token=self._made.status_token))
        return "GET", f"/v1/feedback/{self._made.feedback_id}/status?token={self._good}", self._headers(), b""

    def _status(self) -> Attempt:
        """Of another report with one's own status token, or with a token of nobody."""
        token = self._chance.choice((self._altered(self._made.status_token), self._forged(), self._expired, "x"))
        token = "".join(letter for letter in token if letter in LETTERS + ".=~") or "x"
        if token == self._made.status_token:
            token = "x"
        subject = self._chance.choice((self._made.feedback_id, self._made.traces["support"], "other"))
        if self._chance.random() < 0.2:
            subject, token = "other", self._made.status_token
        return "GET", f"/v1/feedback/{subject}/status?token={token}", self._headers(), b""

    def _secret_in_body(self) -> Attempt:
        """A page has no business with a secret key, be it a good one; a made-up or a revoked one is none at all."""
        body = f"rk_{self._chance.choice(('sk', 'pk'))}_{self._chance.randrange(10**8):08d}_{'a' * 43}"
        key = self._chance.choice((self._made.keys["all"], self._made.keys["revoked"], f"{body}_{_checksum(body)}",
                                   self._altered(self._key)))  # fmt: skip
        headers = self._headers()
        del headers["authorization"]
        return "POST", "/v1/feedback", headers, json.dumps(self._said(key=key, token=self._good)).encode()

    def _misplaced(self) -> Attempt:
        """No token, or a route that is not for the key; and the key where it means nothing, or stands twice."""
        method, path, headers, body = self._any_route()
        if (method, path.partition("?")[0]) == ("POST", "/v1/feedback"):
            body = json.dumps(self._said()).encode()
        del headers["authorization"]
        headers.pop("x-ratchet-feedback-token", None)
        name, form = self._chance.choice(WRONG_PLACES)
        return method, path, {**headers, name: form.format(self._key, self._key)}, body

    def _smuggled(self) -> Attempt:
        """Claims about who asks, what is asked and where from, which proxies may add but nobody may trust."""
        method, path, headers, body = self._any_route()
        headers.pop("x-ratchet-feedback-token", None)
        for name in self._chance.sample(sorted(CLAIMS), 3):
            headers[name] = CLAIMS[name]
        if self._chance.random() < 0.3:
            path = self._chance.choice(ODD_PATHS)
            method = "GET"
        return method, path, headers, body if method not in ("GET", "HEAD") else b""

    def _batch(self) -> Attempt:
        rows = [self._said(token=self._good), self._said(), self._said(key=self._made.keys["browser"])]
        path = self._chance.choice(("/v1/feedback/batch", "/v1/traces/batch"))
        return "POST", path, self._headers(), json.dumps({"feedback": rows}).encode()


def _tokens(made: Keyed, hours: float) -> Tokens:
    """Signs as the service does, for other times."""
    return Tokens(made.running.service.house.outside, hours)


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Everything in the store, but who may work in the background just now."""
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found = {name: list(connection.execute(f'SELECT * FROM "{name}" ORDER BY 1')) for name in names}
    finally:
        connection.close()
    assert found["traces"]
    return {name: rows for name, rows in found.items() if name != "leases"}


def reads_content(made: Keyed, attempt: Attempt, answered: Answered) -> bool:
    """Whether the answer holds anything that only others may know."""
    told = answered.data.decode("utf-8", "replace") + str(answered.headers)
    path = attempt[1].partition("?")[0]
    known = attempt[1] + attempt[3].decode() + str(attempt[2])
    secrets = [SECRET_WORDS, *made.keys.values(), made.case_id, made.lesson_id, made.feedback_id, *made.traces.values()]
    if any(secret in told and secret not in known for secret in secrets):
        return True
    return answered.status < 400 and path not in PUBLIC and attempt[0] != "OPTIONS"


@pytest.mark.parametrize("count", [ATTEMPTS])
def test_no_attempt_reads_or_writes_anything(house_of_keys: Keyed, count: int) -> None:
    seed = int(os.environ.get("RATCHET_TEST_SEED") or random.SystemRandom().randrange(10**9))
    print(f"RATCHET_TEST_SEED={seed}")
    path = house_of_keys.running.service.settings.store
    attacker, line = Attacker(house_of_keys, seed), Line(house_of_keys.running.url)
    before, began = rows_of(path), time.monotonic()
    told: Counter[int] = Counter()
    tried: Counter[str] = Counter()
    for way, attempt in attacker.attempts(count):
        answered = line.send(*attempt)
        told[answered.status] += 1
        tried[way] += 1
        assert not reads_content(house_of_keys, attempt, answered), (way, attempt, answered)
        assert answered.status < 500, (way, attempt, answered)
    line.close()
    print(f"{sum(tried.values())} attempts in {len(tried)} ways, {time.monotonic() - began:.1f} s: {dict(told)}")
    assert rows_of(path) == before, "something was written"
    assert sum(tried.values()) == count
    assert min(tried.values()) > count / 50, "every way was tried"


def test_the_key_does_what_it_is_for(house_of_keys: Keyed) -> None:
    """The same machinery notices a success, so that it could have noticed one above."""
    path = house_of_keys.running.service.settings.store
    attacker, line = Attacker(house_of_keys, 1), Line(house_of_keys.running.url)
    before = rows_of(path)
    for _ in range(10):
        attempt = attacker.allowed()
        answered = line.send(*attempt)
        assert answered.status == 201, (attempt, answered)
        assert reads_content(house_of_keys, attempt, answered)
    line.close()
    after = rows_of(path)
    assert len(after["feedback"]) == len(before["feedback"]) + 10
    new = set(after["feedback"]) - set(before["feedback"])
    assert {row[:1] for row in new} == {("support",)}
    assert all(house_of_keys.traces["support"] in row for row in new), "of its own token's answer alone"
    assert after["traces"] == before["traces"]
