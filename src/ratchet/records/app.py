"""An app: one LLM-powered function of the user's product, and the words it may answer with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ratchet.errors import InvalidInput

Kind = Literal["answer", "classify", "chat"]


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One LLM-powered function.

    ``labels`` maps each label of a ``classify`` app to the words that describe it (its name where there are none);
    it is empty for the other kinds. ``base`` names what answers when nothing is learned. ``embedder`` is the
    fingerprint pinned for this app's vectors.
    """

    name: str
    kind: Kind
    base: str
    embedder: str
    labels: dict[str, str]
    prompt: str = ""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 100 or not self.name.replace("-", "").replace("_", "").isalnum():
            raise InvalidInput(
                f"The app name {self.name!r} is not usable.", "Use up to 100 letters, digits, '-' and '_'."
            )
        if self.kind not in ("answer", "classify", "chat"):
            raise InvalidInput(f"The kind {self.kind!r} is unknown.", "Use 'answer', 'classify' or 'chat'.")
        if self.kind == "classify" and len(self.labels) < 2:
            raise InvalidInput(
                f"The classify app {self.name!r} has {len(self.labels)} label(s).", "Declare at least two labels."
            )
