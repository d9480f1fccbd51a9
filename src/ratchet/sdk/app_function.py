"""An app, callable: your function (or the built-in one) behind the release in force."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ratchet.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from ratchet.layers.layer import Answerer, Learned
    from ratchet.records.trace import Context
    from ratchet.sdk.reply import Reply
    from ratchet.wiring import House

Kind = Literal["answer", "classify", "chat"]
OwnAnswer = "Callable[[str, Learned], object]"
Said = Mapping[str, str]


class Answers(Protocol):
    """Whatever an app is asked through."""

    def ask(self, app: AppFunction, question: str, context: Context, history: Iterable[Said]) -> Reply:
        """The answer, recorded."""
        ...


class AppFunction:
    """An app, callable: your function (or the built-in one) behind the release in force."""

    def __init__(
        self,
        ratchet: Answers,
        name: str,
        kind: Kind,
        labels: Mapping[str, str],
        knowledge: str | Path | None,
        prompt: str,
        function: Callable[[str, Learned], object] | None,
        *,
        model: str = "",
    ) -> None:
        self.name = name
        self.kind = kind
        self.labels = labels
        self.knowledge = knowledge
        self.prompt = prompt
        self.function = function
        self.ready = False
        self._model = model
        self._ratchet = ratchet

    def __call__(
        self,
        question: str,
        *,
        user: str = "",
        role: str = "",
        task_type: str = "",
        session: str = "",
        environment: str = "",
        segment: str = "",
        tags: Iterable[str] = (),
        history: Iterable[Said] = (),
    ) -> Reply:
        """The answer of the release in force. Your own function's errors pass through unchanged.

        ``history`` holds the turns before the question, each with ``role`` and ``content``. Raises ``InvalidInput``
        for an empty question or one of more than 100,000 characters.
        """
        from ratchet.stages.capture.validate import usable_text

        usable_text("question", question)
        context = context_of(
            user=user, role=role, task_type=task_type, session=session, environment=environment, segment=segment,
            tags=tags,
        )  # fmt: skip
        return self._ratchet.ask(self, question, context, history)

    def check(self) -> None:
        """Raise ``InvalidInput`` at once for knowledge that is not there: the program would start half blind."""
        if self.knowledge is not None and not Path(self.knowledge).exists():
            raise InvalidInput(
                f"The knowledge of {self.name} is not at {self.knowledge}.",
                "Name a JSONL file or a folder of .md and .txt files.",
            )

    def prepare(self, house: House) -> None:
        """Declare the app in the store, once per opening."""
        if self.ready:
            return
        from ratchet.providers.knowledge_files import read_knowledge

        passages = None if self.knowledge is None else read_knowledge(Path(self.knowledge), self.name)
        house.declare(self.name, self.kind, self.base(), self.labels, self.prompt)
        if passages is not None:
            house.know(self.name, passages)
        self.ready = True

    def base_into(self, house: House) -> None:
        """Make the base known, with nothing declared in the store yet."""
        base = self.base()
        if base is not None:
            house.bases[self.name] = base

    @property
    def function_name(self) -> str:
        """What the app's base is called where the function itself cannot be."""
        return str(getattr(self.function, "__name__", "function"))

    def base(self) -> Answerer | None:
        """What answers when nothing is learned; ``None`` for the built-in one of the kind."""
        if self._model:
            from ratchet.wiring import chat_model

            return chat_model(self._model)
        if self.function is None:
            return None
        from ratchet.providers.answerers import OwnFunction

        return OwnFunction(self.function_name, self.function)


def context_of(*, tags: Iterable[str] = (), **words: Any) -> Context:
    """The context of a request; lists become tuples."""
    from ratchet.records.trace import Context

    return Context(tags=tuple(tags), **words)
