"""A small real HTTP service over a real store: the routes that the SDK's transport needs, and no more."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from ratchet import Conflict, InvalidInput, Ratchet, RatchetError, Unauthorized, UnknownName
from ratchet.interfaces import Vector
from ratchet.layers.layer import Request, answer
from ratchet.providers.answerers import OwnFunction
from ratchet.records.canonical import content_hash
from ratchet.records.passage import Passage
from ratchet.records.trace import Context
from ratchet.wire.apps import (
    AnswerOut,
    AppIn,
    AppOut,
    AskIn,
    KnowledgeIn,
    KnowledgeOut,
    LearnedOut,
    LearnedPassage,
    LearnIn,
    LearnOut,
    ReleaseContent,
)  # fmt: skip
from ratchet.wire.releases import LessonsOut, MovedOut, MoveIn, ReleaseDetail, ReleaseOut, ReleasesOut
from ratchet.wire.review import DecidedOut, QueueOut, ReserveIn, VerdictIn
from ratchet.wire.traces import TraceBatchIn
from ratchet.wiring import House

T = TypeVar("T")
STATUS = {InvalidInput: 422, UnknownName: 404, Conflict: 409, Unauthorized: 401}


@dataclass
class Asked:
    """One request, and what goes with its answer."""

    method: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes
    status: int = 200
    answered: dict[str, str] = field(default_factory=dict)

    def read(self, kind: type[T]) -> T:
        return msgspec.json.decode(self.body, type=kind)


class SmallService:
    """Start it, stop it, start it again on the same port. ``slow_s`` delays every answer; ``seen`` are the requests."""

    def __init__(self, store: Path, functions: dict[str, Callable[..., object]]) -> None:
        self.store = store
        self.functions = functions
        self.port = 0
        self.slow_s = 0.0
        self.key = ""
        self.seen: list[tuple[str, str]] = []
        self.loop: Ratchet | None = None
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> SmallService:
        self.loop = Ratchet(self.store, environment={"RATCHET_EMBEDDER": "lexical"})
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service.handle(self)

            do_POST = do_PUT = do_DELETE = do_GET

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self._server = Server(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def stop(self) -> None:
        if self._server is not None and self.loop is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
            self.loop.close()

    @property
    def open(self) -> Ratchet:
        assert self.loop is not None
        return self.loop

    @property
    def house(self) -> House:
        return self.open.house

    def handle(self, http: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(http.path)
        body = http.rfile.read(int(http.headers.get("Content-Length") or 0))
        ask = Asked(http.command, parse_qs(parts.query), dict(http.headers.items()), body)
        self.seen.append((http.command, parts.path))
        time.sleep(self.slow_s)
        if self._server is None:  # a connection kept alive beyond the end of the service
            http.close_connection = True
            http.connection.close()
            return
        try:
            if self.key and ask.headers.get("Authorization") != f"Bearer {self.key}":
                raise Unauthorized("The key is wrong.", "Use another.")
            out = self.route(parts.path, ask)
        except RatchetError as error:
            said = {"message": f"{error.what} {error.fix}", "type": "x", "code": "x", "param": None, "fix": error.fix}
            ask.status, out = STATUS.get(type(error), 500), {"error": said}
        payload = b"" if ask.status == 304 else msgspec.json.encode(out)
        http.send_response(ask.status)
        for name, value in {**ask.answered, "Content-Type": "application/json"}.items():
            http.send_header(name, value)
        http.send_header("Content-Length", str(len(payload)))
        http.end_headers()
        http.wfile.write(payload)

    def route(self, path: str, ask: Asked) -> Any:
        if path == "/v1/traces/batch":
            return self.open.deliver(ask.read(TraceBatchIn))
        if path == "/v1/apps":
            return [self.app_out(app.name) for app in self.open.apps()]
        if found := re.fullmatch(r"/v1/cases/([^/]+)(?:/(\w+))?", path):
            return self.of_case(found[1], found[2], ask.body)
        if found := re.fullmatch(r"/v1/lessons/([^/]+)/revoke", path):
            return self.open.revoke(found[1], **msgspec.json.decode(ask.body))
        if found := re.fullmatch(r"/v1/apps/([^/]+)/releases(?:/(\d+))?", path):
            return self.releases(found[1], found[2])
        if found := re.fullmatch(r"/v1/apps/([^/]+)(?:/(\w+))?", path):
            self.reopen(found[1], ask.method)
            return self.of_app(found[1], found[2] or "", ask)
        raise UnknownName(f"There is no route {path}.", "Add it.")

    def reopen(self, name: str, method: str) -> None:
        house = self.house
        function = self.functions.get(name)
        if method != "PUT" and name not in house.bases and function is not None:
            known = house.store.apps.get(name)
            house.declare(name, known.kind, OwnFunction("echo", function), known.labels, known.prompt)

    def of_case(self, case_id: str, action: str | None, body: bytes) -> Any:
        if action == "reserve":
            wanted = msgspec.json.decode(body, type=ReserveIn)
            return self.open.reserve(case_id, wanted.reviewer, wanted.seconds)
        if action == "verdict":
            decided = self.open.decide(case_id, **msgspec.to_builtins(msgspec.json.decode(body, type=VerdictIn)))
            return DecidedOut(verdict=decided.verdict, lesson=decided.lesson)
        return self.open.case(case_id)

    def of_app(self, name: str, action: str, ask: Asked) -> Any:
        return getattr(self, f"app_{action or ask.method.lower()}")(name, ask)

    def app_put(self, name: str, ask: Asked) -> Any:
        given = ask.read(AppIn)
        base = OwnFunction(given.base, self.functions[name])
        return self.house.declare(name, given.kind, base, given.labels, given.prompt)

    def app_get(self, name: str, ask: Asked) -> Any:
        return self.app_out(name)

    def app_knowledge(self, name: str, ask: Asked) -> Any:
        passages = [
            Passage(id=row.passage_id, app=name, title=row.title, text=row.text)
            for row in ask.read(KnowledgeIn).passages
        ]
        return KnowledgeOut(version=self.house.know(name, passages), passages=len(passages))

    def app_answer(self, name: str, ask: Asked) -> Any:
        asked = ask.read(AskIn)
        reply = self.open.answer(name, asked.input, user=asked.user)
        return AnswerOut(
            id=reply.id, app=name, output=str(reply), release=reply.release, source=reply.source,
            confidence=reply.confidence, passage_id=reply.passage_id, influences=list(reply.influences),
            feedback_token=f"token-{asked.user}",
        )  # fmt: skip

    def app_release(self, name: str, ask: Asked) -> Any:
        content = self.content(name)
        ask.answered["ETag"] = f'"{content.revision}"'
        if ask.headers.get("If-None-Match") == ask.answered["ETag"]:
            ask.status = 304
        return content

    def app_learn(self, name: str, ask: Asked) -> Any:
        turn = self.open.learn(name, now=ask.read(LearnIn).now)
        return LearnOut(
            summary=turn.summary(), decision=turn.gate.decision if turn.gate else "",
            candidate_id=turn.candidate.id if turn.candidate else "",
            release=turn.release.number if turn.release else None, waiting=turn.waiting, gathering=turn.gathering,
            assessed=turn.enriched.assessed, opened=turn.enriched.opened,
        )  # fmt: skip

    def app_queue(self, name: str, ask: Asked) -> Any:
        count = int(ask.query["count"][0])
        cases = self.open.cases(name)[:count] if ask.query.get("sample") == ["false"] else self.open.queue(name, count)
        return QueueOut(cases=[self.open.case(case.id) for case in cases])

    def app_lessons(self, name: str, ask: Asked) -> Any:
        return LessonsOut(lessons=self.open.lessons(name))

    def app_rollback(self, name: str, ask: Asked) -> Any:
        move = ask.read(MoveIn)
        return MovedOut(release=self.open.rollback(name, actor=move.actor, reason=move.reason, to=move.number))

    def app_promote(self, name: str, ask: Asked) -> Any:
        move = ask.read(MoveIn)
        return MovedOut(release=self.open.promote(name, move.number or 0, actor=move.actor, reason=move.reason))

    def app_out(self, name: str) -> AppOut:
        store = self.house.store
        app = store.apps.get(name)
        waiting = len(self.open.cases(name))
        return AppOut(
            app=app, release=store.releases.active(name), traces=store.traces.count(name), waiting=waiting, tallies={}
        )

    def app_learned(self, name: str, ask: Asked) -> LearnedOut:
        asked, house = ask.read(AskIn), self.house
        app = house.store.apps.get(name)
        vector: Vector = house.outside.vectors.embed([asked.input])[0]
        bundle = house.bundles.active(app)
        _, known = answer(bundle, Request(app, asked.input, vector, Context(user=asked.user)))
        return LearnedOut(
            trace_id=house.outside.ids.new("tr"), release=known.release, prompt=known.prompt,
            passages=[
                LearnedPassage(
                    id=hit.passage.id, title=hit.passage.title, text=hit.passage.text, score=hit.score,
                    lesson_id=hit.lesson_id,
                )
                for hit in known.passages
            ],
            examples=list(known.examples), reviewed=known.reviewed, messages=known.messages(asked.input),
            feedback_token=f"token-{asked.user}",
        )  # fmt: skip

    def content(self, name: str) -> ReleaseContent:
        store = self.house.store
        app, number = store.apps.get(name), store.releases.active(name)
        release = store.releases.get(name, number) if number else None
        version = int(str(release.manifest.content["knowledge"])) if release else store.knowledge.version(name)
        denied = store.lessons.denied(name)
        bank = store.lessons.bank(name, release.bank_version) if release else []
        lessons = [lesson for lesson in bank if lesson.id not in denied]
        return ReleaseContent(
            app=app, number=number, id=release.id if release else "",
            manifest=release.manifest.to_json() if release else "",
            revision=content_hash([app.prompt, number, version, sorted(denied)]), lessons=lessons,
            passages=store.knowledge.passages(name, version),
        )  # fmt: skip

    def releases(self, name: str, number: str | None) -> Any:
        store = self.house.store
        live = store.releases.active(name)
        out = [
            ReleaseOut(
                app=name, number=release.number, id=release.id, manifest=release.manifest.to_json(),
                candidate_id=release.candidate_id, at=release.at, lessons=release.lessons, status=release.status,
                live=release.number == live,
            )
            for release in self.open.releases(name)
        ]  # fmt: skip
        if number is None:
            return ReleasesOut(releases=out, candidates=store.releases.candidates(name))
        found = next(release for release in out if release.number == int(number))
        return ReleaseDetail(
            release=found, candidate=store.releases.candidate(found.candidate_id),
            reports=store.releases.reports(found.candidate_id),
        )  # fmt: skip
