"""Remembers what the ids of given responses stand for, so that a client can go on from one of them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

MOST_KEPT = 5_000
LONGEST_CHAIN = 100


@dataclass(frozen=True, slots=True)
class _Given:
    """``provider_id`` is empty for an answer made here; then ``said`` holds its question and text, as items, and
    ``before`` the id of the response that it went on from."""

    provider_id: str
    before: str = ""
    said: tuple[dict[str, Any], ...] = ()


class Earlier:
    """The last 5,000 responses of this process. A client knows a response by its trace's id; the provider knows its
    own id, and nothing of what was answered here."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, _Given] = OrderedDict()

    def from_provider(self, trace_id: str, provider_id: object) -> None:
        """Remember how the provider calls an answer of its own."""
        if isinstance(provider_id, str) and provider_id:
            self._keep(trace_id, _Given(provider_id))

    def from_here(self, trace_id: str, before: object, question: str, text: str) -> None:
        """Remember an answer that the provider never saw."""
        said = ({"role": "user", "content": question}, {"role": "assistant", "content": text})
        self._keep(trace_id, _Given("", before if isinstance(before, str) else "", said))

    def resolved(self, body: dict[str, Any]) -> dict[str, Any]:
        """The body as the provider can understand it; an id that is not ours stays as it is."""
        before = body.get("previous_response_id")
        if not isinstance(before, str) or before not in self._given:
            return body
        items: list[dict[str, Any]] = []
        for _ in range(LONGEST_CHAIN):
            given = self._given.get(before)
            if given is None:
                break
            items = [*given.said, *items]
            before = given.provider_id or given.before
            if given.provider_id:
                break
        made = {**body, "previous_response_id": before}
        if not before:
            del made["previous_response_id"]
        if items:
            asked = body["input"]
            made["input"] = [*items, *([{"role": "user", "content": asked}] if isinstance(asked, str) else asked)]
        return made

    def _keep(self, trace_id: str, given: _Given) -> None:
        self._given[trace_id] = given
        if len(self._given) > MOST_KEPT:
            self._given.popitem(last=False)
