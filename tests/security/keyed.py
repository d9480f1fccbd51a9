"""A service in keyed mode: keys of every kind, and content that only some of them may see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ratchet.records.key import SCOPES
from tests.web.running import Running, make_project, running

SHOP, EVIL = "https://shop.example", "https://evil.example"
SECRET_WORDS = "a-word-that-stands-in-the-content-alone"


@dataclass(frozen=True, slots=True)
class Keyed:
    """``keys`` are secrets by what they may do: each scope, ``all`` scopes, ``browser`` (for support, from SHOP),
    ``other`` (all scopes, for the app triage alone), ``revoked``, ``expired``."""

    running: Running
    keys: dict[str, str]
    traces: dict[str, str]
    feedback_id: str
    status_token: str
    case_id: str
    lesson_id: str

    def token(self, app: str = "support", *, user: str = "kim") -> str:
        """A good feedback token for the app's trace."""
        return self.running.service.tokens.make(app, self.traces[app], user)


def a_key(running: Running, name: str, admin: str = "", **more: object) -> str:
    body = {"name": name, **more}
    made = running.post("/v1/keys", body, key=admin)
    assert made.status == 201, made.data
    return str(made.json()["secret"])


def _keys(service: Running) -> dict[str, str]:
    admin = a_key(service, "admin", scopes=list(SCOPES))
    keys = {scope: a_key(service, scope, admin, scopes=[scope]) for scope in SCOPES}
    keys["all"] = admin
    keys["other"] = a_key(service, "other", admin, scopes=[*SCOPES], apps=["triage"])
    keys["browser"] = a_key(service, "page", admin, kind="browser", apps=["support"], origins=[SHOP])
    keys["expired"] = a_key(service, "expired", admin, scopes=list(SCOPES), expires_at=1.0)
    keys["revoked"] = a_key(service, "revoked", admin, scopes=list(SCOPES))
    revoked = next(key["id"] for key in service.get("/v1/keys", key=admin).json()["keys"] if key["name"] == "revoked")
    assert service.call("DELETE", f"/v1/keys/{revoked}", key=admin).status == 200
    return keys


@contextmanager
def keyed(folder: Path) -> Iterator[Keyed]:
    """A service with keys and content, without its worker."""
    settings = make_project(folder)
    settings = replace(settings, service=replace(settings.service, learn=False, origins=(SHOP,)))
    with running(settings) as service:
        keys = _keys(service)
        key = keys["all"]
        traces = {}
        for app, question in (("support", "May I return it?"), ("triage", "refund please")):
            asked = {"input": f"{question} {SECRET_WORDS}", "user": "kim"}
            traces[app] = service.post(f"/v1/apps/{app}/answer", asked, key=key).json()["id"]
        said = {"id": traces["support"], "thumb": "down", "comment": SECRET_WORDS, "user": "kim"}
        told = service.post("/v1/feedback", said, key=key).json()
        verdict = {"reviewer": "ana", "erred": True, "answer": f"Yes. {SECRET_WORDS}"}
        case = told["review_id"]
        lesson = service.post(f"/v1/cases/{case}/verdict", verdict, key=key).json()["lesson"]["id"]
        assert service.post("/v1/apps/support/learn", {"now": True}, key=key).json()["release"] == 1
        yield Keyed(service, keys, traces, told["feedback_id"], told["status_url"].partition("token=")[2], case, lesson)
