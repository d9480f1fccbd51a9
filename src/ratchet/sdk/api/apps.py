"""Routes of apps: declaring them, asking them, what they learned, and one turn of the loop."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.records.app import App
from ratchet.sdk.api.calling import LONG_TIMEOUT_S, Caller, encoded, part
from ratchet.wire.apps import (
    AnswerOut,
    AppIn,
    AppOut,
    AskIn,
    KnowledgeIn,
    KnowledgeOut,
    LearnedOut,
    LearnIn,
    LearnOut,
    PassageIn,
    ReleaseContent,
)


class AppRoutes(Caller):
    """``/v1/apps/...`` without releases and review."""

    def apps(self) -> list[AppOut]:
        """All apps, and how they stand."""
        return self._get(list[AppOut], "/v1/apps")

    def app(self, name: str) -> AppOut:
        """One app, and how it stands."""
        return self._get(AppOut, f"/v1/apps/{part(name)}")

    def declare_app(self, name: str, app: AppIn) -> App:
        """Declare an app whose base is a function of the caller's own."""
        return self._post(App, f"/v1/apps/{part(name)}", app, method="PUT")

    def put_knowledge(self, name: str, passages: Sequence[PassageIn]) -> KnowledgeOut:
        """Make these all of the app's knowledge; may take minutes, for each new text is embedded."""
        body = KnowledgeIn(passages=list(passages))
        return self._post(
            KnowledgeOut, f"/v1/apps/{part(name)}/knowledge", body, method="PUT", timeout_s=LONG_TIMEOUT_S
        )

    def answer(self, name: str, question: AskIn) -> AnswerOut:
        """The answer of an app that the service runs."""
        return self._post(AnswerOut, f"/v1/apps/{part(name)}/answer", question, timeout_s=max(self.timeout_s, 60.0))

    def learned(self, name: str, question: AskIn, *, timeout_s: float | None = None) -> LearnedOut:
        """What the release in force knows about a question, for the caller's own function."""
        return self._post(LearnedOut, f"/v1/apps/{part(name)}/learned", question, timeout_s=timeout_s)

    def release_content(self, name: str, *, revision: str = "") -> ReleaseContent | None:
        """The release in force with all that it reads; ``None`` when it still has that ``revision``."""
        known = {"If-None-Match": f'"{revision}"'} if revision else {}
        answer = self._send("GET", f"/v1/apps/{part(name)}/release", headers=known, timeout_s=max(self.timeout_s, 60.0))
        return None if answer.status == 304 else self._read(ReleaseContent, answer)

    def learn(self, name: str, *, now: bool = False) -> LearnOut:
        """Run one turn of the loop; may take minutes."""
        answer = self._send(
            "POST", f"/v1/apps/{part(name)}/learn", body=encoded(LearnIn(now=now)), timeout_s=LONG_TIMEOUT_S
        )
        return self._read(LearnOut, answer)
