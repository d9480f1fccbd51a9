"""Bodies that are too large, too slow, too deep, or not what every reader understands alike: refused, everywhere the
same, and nobody else notices."""

from __future__ import annotations

import gzip
import json
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ratchet.web.routes.table import ROUTES
from ratchet.web.routing import LARGEST_BATCH, LARGEST_BODY, Route
from tests.faults.serving import Served
from tests.web.running import Running, make_project, running
from tests.web.test_strict_json import UNREADABLE

MIB = 1024 * 1024
MOST_GROWTH = 50 * MIB
PLACES = {"app": "support", "id": "unknown", "number": "1"}
READING = [route for route in ROUTES if route.takes is not None]
# OTLP's JSON is protobuf's: numbers may be large, a later value of a key wins, and half a character is replaced.
# What stands under names that OTLP does not know is not looked at.
READ_BY_OTLP = {
    *("2 ** 63", "-2 ** 63", "5,000 digits", "5,000 digits and a sign", "a number beyond all bounds", "a negative one"),
    *("half a surrogate", "the other half", "halves in the wrong order", "Latin-1", "an overlong encoding"),
    *("a surrogate as UTF-8", "a key twice", "a key twice, once escaped", "33 levels of objects"),
}
JSON_ROUTES = [pytest.param(route, id=f"{route.method} {route.path}") for route in READING]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(make_project(tmp_path_factory.mktemp("bodies") / "project")) as service:
        yield service


def send(live: Running, route: Route, body: bytes, **headers: str) -> Any:
    return live.call(route.method, route.path.format(**PLACES), raw=body, headers=headers)


@pytest.mark.parametrize("route", JSON_ROUTES)
class TestOnEveryRouteThatReadsJson:
    def test_what_not_every_reader_understands_alike_is_unreadable(self, live: Running, route: Route) -> None:
        told = {name: send(live, route, body).status for name, body in UNREADABLE.items()}
        read = READ_BY_OTLP if route.takes is bytes else set()
        assert told == {name: 200 if name in read else 400 for name in UNREADABLE}

    def test_the_refusal_says_so_in_the_form_of_the_route(self, live: Running, route: Route) -> None:
        told = send(live, route, UNREADABLE["half an object"])
        assert told.headers["content-type"] == "application/json"
        error = told.json() if route.takes is bytes else told.json()["error"]
        assert "JSON" in error["message"]

    def test_another_shape_is_unusable(self, live: Running, route: Route) -> None:
        for body in (b"[]", b"null", b"1", b'"text"', b"true"):
            assert send(live, route, body).status == (400 if route.takes is bytes else 422), body

    def test_another_content_type_is_not_read(self, live: Running, route: Route) -> None:
        for kind in (
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "x" * 500,
        ):
            assert send(live, route, b"{}", **{"content-type": kind}).status == 415, kind

    def test_a_body_over_its_limit_is_too_large(self, live: Running, route: Route) -> None:
        for over in (1, MIB):
            assert send(live, route, b" " * (route.largest + over)).status == 413


def open_line(live: Running | Served) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", int(live.url.rpartition(":")[2])), 30)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def head(path: str = "/v1/traces/batch", *more: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, "", ""]).encode()


def status_on(line: socket.socket) -> int:
    """The status of the answer that comes; 0 when the other side only hangs up."""
    told = b""
    while b"\r\n" not in told:
        piece = line.recv(4096)
        if not piece:
            return 0
        told += piece
    return int(told.split()[1])


def pour(line: socket.socket, pieces: Iterator[bytes]) -> None:
    """Send until all is sent or the other side has had enough."""
    try:
        for piece in pieces:
            line.sendall(piece)
    except OSError:
        pass


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A service in a process of its own, whose memory can be measured."""
    served = Served(tmp_path_factory.mktemp("alone") / "project", options=("--no-learn",))
    try:
        yield served.start().ready()
    finally:
        served.close()


class Growth:
    """Watches how far the memory of a service grows above what it was."""

    def __init__(self, served: Served) -> None:
        self._process = psutil.Process(served.process.pid)
        self._before = self._process.memory_info().rss
        self._most = self._before
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._done.wait(0.005):
            self._most = max(self._most, self._process.memory_info().rss)

    def __enter__(self) -> Growth:
        self._thread.start()
        return self

    def __exit__(self, *about: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def size(self) -> int:
        return self._most - self._before


class TestALargeBody:
    @pytest.mark.parametrize("size", [LARGEST_BATCH + 1, 100 * MIB])
    def test_that_says_so_is_refused_before_it_is_sent(self, alone: Served, size: int) -> None:
        with open_line(alone) as line, Growth(alone) as growth:
            began = time.monotonic()
            line.sendall(head("/v1/traces/batch", f"Content-Length: {size}") + b'{"traces": [')
            assert status_on(line) == 413
            assert time.monotonic() - began < 1
            pour(line, (b" " * MIB for _ in range(size // MIB)))
        assert growth.size < MOST_GROWTH

    def test_in_pieces_without_a_length_is_refused_at_the_limit(self, alone: Served) -> None:
        with open_line(alone) as line, Growth(alone) as growth:
            line.sendall(head("/v1/traces/batch", "Transfer-Encoding: chunked"))
            piece = b"%x\r\n%s\r\n" % (MIB, b" " * MIB)
            sending = threading.Thread(target=pour, args=(line, (piece for _ in range(100))))
            sending.start()
            began = time.monotonic()
            assert status_on(line) == 413
            assert time.monotonic() - began < 1
            sending.join(30)
            assert not sending.is_alive()
        assert growth.size < MOST_GROWTH
        assert alone.call("GET", "/readyz").status == 200

    def test_in_pieces_of_a_byte_is_read_or_refused(self, alone: Served) -> None:
        body = json.dumps({"traces": [{"app": "pieces", "id": "tr_pieces", "input": "a" * 2000}]}).encode()
        with open_line(alone) as line:
            line.sendall(head("/v1/traces/batch", "Transfer-Encoding: chunked"))
            line.sendall(b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n")
            assert status_on(line) == 200

    def test_that_unpacks_to_far_more_is_refused(self, alone: Served) -> None:
        bomb = gzip.compress(b" " * (1000 * MIB), 9)
        assert len(bomb) < LARGEST_BODY
        for content_type in ("application/json", "application/x-protobuf"):
            with Growth(alone) as growth:
                began = time.monotonic()
                told = alone.call("POST", "/v1/traces", body=bomb,
                                  headers={"content-type": content_type, "content-encoding": "gzip"})  # fmt: skip
                assert told.status in (400, 413)
                assert time.monotonic() - began < 1
            assert growth.size < MOST_GROWTH

    def test_that_is_packed_is_unpacked_for_exporters_alone(self, live: Running) -> None:
        for route in READING:
            told = send(live, route, gzip.compress(b"{}"), **{"content-encoding": "gzip"})
            assert told.status == (200 if route.takes is bytes else 415), route.path

    @pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "5, 6", "", "9" * 30, "٥"])
    def test_of_a_senseless_length_is_refused(self, live: Running, length: str) -> None:
        with open_line(live) as line:
            line.sendall(head("/v1/traces/batch", f"Content-Length: {length}") + b"{}\r\n\r\n")
            assert 400 <= status_on(line) < 500

    def test_with_two_lengths_is_refused(self, live: Running) -> None:
        for more in (("Content-Length: 2", "Content-Length: 40"), ("Content-Length: 2", "Transfer-Encoding: chunked")):
            with open_line(live) as line:
                line.sendall(head("/v1/feedback", *more) + b"{}")
                line.settimeout(5)
                assert 400 <= status_on(line) < 500, more


class TestSlowClients:
    def test_do_not_hold_up_the_others(self, alone: Served) -> None:
        """200 connections that send a byte now and then; what others wait for their answers hardly changes."""

        def ask() -> float:
            began = time.perf_counter()
            assert alone.call("GET", "/healthz").status == 200
            return time.perf_counter() - began

        quiet = sorted(ask() for _ in range(100))
        lines = [open_line(alone) for _ in range(200)]
        try:
            for number, line in enumerate(lines):
                # Half of them are slow with their headers, half with their body.
                line.sendall(b"POST /v1/traces/batch HTTP/1.1\r\nHost: 127" if number % 2 else
                             head("/v1/traces/batch", "Content-Length: 1000") + b"{")  # fmt: skip
            disturbed = []
            for number in range(100):
                lines[number].sendall(b" ")
                disturbed.append(ask())
        finally:
            for line in lines:
                line.close()
        assert statistics.median(disturbed) < 2 * statistics.median(quiet) + 0.02
        assert sorted(disturbed)[-2] < 2 * quiet[-2] + 0.1

    def test_that_hang_up_in_the_middle_leave_nothing_behind(self, alone: Served) -> None:
        for _ in range(50):
            with open_line(alone) as line:
                line.sendall(head("/v1/traces/batch", "Content-Length: 1000") + b'{"traces": [{"app": "half"')
        assert alone.call("GET", "/v1/apps/half").status == 404
        assert "Traceback" not in alone.log()

    def test_that_never_finish_are_told_so(self, live: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("ratchet.web.edge.SLOWEST_BODY_S", 0.3)
        for more, begun in (
            ("Content-Length: 1000", b"{"),
            (f"Content-Length: {MIB}", b"{"),
            ("Transfer-Encoding: chunked", b"1\r\n{\r\n"),
        ):
            with open_line(live) as line:
                line.settimeout(10)
                line.sendall(head("/v1/traces/batch", more) + begun)
                assert status_on(line) == 408, more


ODD = {
    "NUL": "a\x00b",
    "another direction": "\u202eabc\u202c \u2067x\u2069",
    "four bytes": "😀🏳️‍🌈𝕏",
    "no characters": "\ufffe\uffff\U0010ffff",
    "a mark": "\ufeffa",
    "control characters": "a\x01\x1b[31m\x7f\x85",
    "line breaks of all kinds": "a\r\nb\rc\u2028d\u2029e\x0b\x0c",
    "one grapheme": "a" + "\u0301" * 99_000,
    "composed": "é",
    "decomposed": "e\u0301",
    "another alphabet's a": "а",
    "white space around": "  a  ",
}
ONE_MEGABYTE = "a" + "\u0301" * 500_000


class TestOddTexts:
    """Stored and given back identical, or refused."""

    def check(self, live: Running, key: str, text: str) -> str:
        """Send it in every field that holds text; what became of it."""
        trace = {"app": "odd", "id": f"t{key}", "input": text, "output": text, "model": text[:1000],
                 "context": {"user": text[:1000], "session": text[:1000], "tags": [text[:1000]]},
                 "history": [{"role": "user", "text": text}]}  # fmt: skip
        said = {"app": "odd", "id": f"t{key}", "event_id": f"f{key}", "user": text[:1000], "comment": text,
                "correction": text, "scores": {"words": text}}  # fmt: skip
        answered = live.post("/v1/traces/batch", {"traces": [trace], "feedback": [said]})
        if answered.status != 200:
            assert answered.status in (400, 413, 422), answered.data[:300]
            return "refused"
        first, second = (row["outcome"] for row in answered.json()["results"])
        assert {first, second} <= {"stored", "rejected"}
        if first == "stored":
            got = live.get(f"/v1/traces/t{key}").json()["trace"]
            assert {**got, **trace, "context": got["context"]} == got
            assert {**got["context"], **trace["context"]} == got["context"]
        if second == "stored":
            got = live.get(f"/v1/feedback/f{key}").json()
            assert (got["user"], got["comment"], got["correction"]) == (text[:1000], text, text)
            assert [score["value"] for score in got["scores"]] == [text]
        return first if first == second else f"{first}, {second}"

    @pytest.mark.parametrize("name", ODD)
    def test_are_kept_as_they_are_or_refused(self, live: Running, name: str) -> None:
        outcome = self.check(live, name.replace(" ", "-").replace("'", ""), ODD[name])
        assert outcome == ("rejected" if name == "NUL" else "stored")

    def test_of_a_megabyte_are_refused(self, live: Running) -> None:
        assert self.check(live, "megabyte", ONE_MEGABYTE) == "refused"

    def test_that_look_alike_stay_apart(self, live: Running) -> None:
        rows = [{"app": "alike", "id": key, "input": key} for key in ("é", "e\u0301", "а", "a", "A", "ａ")]
        assert live.post("/v1/traces/batch", {"traces": rows}).json()["stored"] == 6
        found = live.get("/v1/traces?app=alike").json()["traces"]
        assert {row["id"] for row in found} == {row["id"] for row in rows}

    def test_with_a_nul_character_are_refused_on_every_route(self, live: Running) -> None:
        nul = "a\x00b"
        for method, path, body in (
            ("POST", "/v1/feedback", {"app": "support", "id": "t", "comment": nul}),
            ("POST", "/v1/feedback", {"app": "support", "id": nul, "thumb": "up"}),
            ("POST", "/v1/feedback", {"app": "support", "id": "t", "scores": {nul: 1}}),
            ("POST", "/v1/feedback", {"app": "support", "id": "t", "flags": [nul]}),
            ("POST", "/v1/feedback/tokens", {"app": "support", "trace_id": nul}),
            ("POST", "/v1/feedback/tokens", {"app": "support", "trace_id": "t", "user": nul}),
            ("PUT", "/v1/apps/mine", {"kind": "classify", "labels": {nul: "a", "b": "c"}}),
            ("PUT", "/v1/apps/mine", {"kind": "classify", "labels": {"a": nul, "b": "c"}}),
            ("PUT", "/v1/apps/mine", {"base": nul}),
            ("PUT", "/v1/apps/mine", {"prompt": nul}),
            ("POST", "/v1/apps/support/answer", {"input": nul}),
            ("POST", "/v1/apps/support/answer", {"input": "a", "user": nul}),
            ("POST", "/v1/apps/support/answer", {"input": "a", "tags": [nul]}),
            ("POST", "/v1/apps/support/answer", {"input": "a", "history": [{"role": "user", "text": nul}]}),
            ("POST", "/v1/apps/support/learned", {"input": nul}),
            ("POST", "/v1/apps/support/rollback", {"actor": nul, "reason": "a"}),
            ("POST", "/v1/apps/support/promote", {"actor": "a", "reason": nul, "number": 1}),
            ("POST", "/v1/keys", {"name": nul}),
            ("POST", "/v1/keys", {"name": "a", "apps": [nul]}),
            ("POST", "/v1/keys", {"name": "a", "kind": "browser", "origins": [f"https://{nul}"]}),
        ):
            assert live.call(method, path, body).status in (400, 422), (path, body)
        for path in ("/v1/traces?app=a%00b", "/v1/feedback?user=a%00b", "/v1/audit?app=%00"):
            assert live.get(path).status == 422
        for path in ("/v1/traces/a%00b", "/v1/apps/a%00b", "/v1/lessons/%00", "/v1/models/%00"):
            assert live.get(path).status == 404

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(text=st.text(max_size=200), number=st.integers(0, 2**60))
    def test_of_any_kind_come_back_or_are_refused(self, live: Running, text: str, number: int) -> None:
        outcome = self.check(live, f"h{number}-{abs(hash(text))}"[:60], text)
        if "\x00" not in text and text.strip():
            assert outcome in ("stored", "duplicate")
