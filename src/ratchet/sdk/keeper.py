"""Keeps the service and this process in step: declares apps there, fetches the releases in force."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING

from ratchet.errors import RatchetError, Unavailable
from ratchet.providers.knowledge_files import read_knowledge
from ratchet.records.app import App
from ratchet.sdk.kept_release import KeptRelease, file_of
from ratchet.wire.apps import AppIn, PassageIn

if TYPE_CHECKING:
    from ratchet.sdk.api import Api
    from ratchet.sdk.app_function import AppFunction
    from ratchet.sdk.breaker import Breaker
    from ratchet.sdk.kept_bundle import ChooseEmbed

logger = logging.getLogger("ratchet.sdk")
EVERY_S = 15.0
JITTER = 0.3
REFUSED_FOR_S = 60.0
NUDGED_EVERY_S = 0.5


class Watched:
    """One app of this process: whether the service knows it, and its kept release."""

    def __init__(self, function: AppFunction, kept: KeptRelease) -> None:
        self.function = function
        self.kept = kept
        self.began = time.monotonic()
        self.record = App(
            name=function.name, kind=function.kind, base=f"function:{function.function_name}", embedder="",
            labels=dict(function.labels), prompt=function.prompt,
        )  # fmt: skip
        self.is_declared = False
        self.settled = threading.Event()
        self._refused_until = 0.0
        self._lock = threading.Lock()

    def declare(self, api: Api) -> None:
        """Declare the app at the service, once; raises what the service says. A refusal stands for a minute."""
        with self._lock:
            if self.is_declared or time.monotonic() < self._refused_until:
                return
            try:
                self._declare(api)
                self.is_declared = True
            except Unavailable:
                raise
            except Exception:
                self._refused_until = time.monotonic() + REFUSED_FOR_S
                raise
            finally:
                self.settled.set()

    def _declare(self, api: Api) -> None:
        app = self.record
        api.declare_app(
            app.name, AppIn(kind=app.kind, base=self.function.function_name, labels=app.labels, prompt=app.prompt)
        )
        if self.function.knowledge is not None:
            passages = read_knowledge(Path(self.function.knowledge), app.name)
            api.put_knowledge(
                app.name, [PassageIn(passage_id=found.id, text=found.text, title=found.title) for found in passages]
            )


class Keeper:
    """A daemon thread that tends the apps of this process every ``every_s`` seconds or so, and when it is woken."""

    def __init__(
        self,
        api: Api,
        breaker: Breaker,
        folder: Path,
        choose: ChooseEmbed,
        *,
        every_s: float = EVERY_S,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._api = api
        self._breaker = breaker
        self._folder = folder
        self._choose = choose
        self._every_s = every_s
        self._chance = chance
        self._lock = threading.Lock()
        self._watched: dict[str, Watched] = {}
        self._wake = threading.Event()
        self._closed = False
        self._tended = 0.0
        self._thread: threading.Thread | None = None
        self._said: dict[str, str] = {}

    def watch(self, function: AppFunction) -> Watched:
        """Tend that app from now on. Raises ``InvalidInput`` for an app that cannot be one."""
        with self._lock:
            watched = self._watched.get(function.name)
            if watched is None or watched.function is not function:
                kept = KeptRelease(function.name, file_of(self._folder, function.name), self._choose)
                watched = self._watched[function.name] = Watched(function, kept)
                self._wake.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="ratchet-keeper", daemon=True)
                self._thread.start()
            return watched

    def wake(self) -> None:
        """Tend the apps now."""
        self._wake.set()

    def nudge(self) -> None:
        """Tend the apps now, unless that was done a moment ago: for those who may ask for it with every request."""
        if time.monotonic() - self._tended > NUDGED_EVERY_S:
            self._wake.set()

    def declare(self, names: Collection[str]) -> None:
        """Make sure that the service knows those of these apps that are declared here; raises ``Unavailable``."""
        for watched in [self._watched[name] for name in names if name in self._watched]:
            try:
                watched.declare(self._api)
            except Unavailable:
                raise
            except Exception as error:
                self._say(watched, error)

    def close(self) -> None:
        """End the thread, once what it is doing is done; nothing waits for it."""
        self._closed = True
        self._wake.set()

    def _run(self) -> None:
        while not self._closed:
            self._wake.clear()
            self._tended = time.monotonic()
            for watched in list(self._watched.values()):
                self._tend(watched)
            self._wake.wait(self._every_s * (1 + JITTER * self._chance()))

    def _tend(self, watched: Watched) -> None:
        if self._closed or (self._breaker.is_open and not self._breaker.take_probe()):
            return
        try:
            watched.declare(self._api)
            if not watched.is_declared:
                return  # refused a moment ago
            content = self._api.release_content(watched.record.name, revision=watched.kept.revision)
            self._breaker.succeeded()
            if content is not None:
                watched.kept.take(content)
        except Unavailable as error:
            self._breaker.failed()
            self._say(watched, error)
        except Exception as error:
            self._say(watched, error)
        else:
            self._said.pop(watched.record.name, None)

    def _say(self, watched: Watched, error: Exception) -> None:
        """Log what is wrong with an app, once until it is right again or something else is wrong."""
        name, said = watched.record.name, str(error)
        if self._said.get(name) == said:
            return
        self._said[name] = said
        if isinstance(error, RatchetError):
            logger.warning("%s is not in step with the service: %s", name, said)
        else:
            logger.error("%s is not in step with the service.", name, exc_info=error)
