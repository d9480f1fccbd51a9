"""The service: everything that requests need, put together over one house."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from ratchet.errors import RatchetError, UnknownName
from ratchet.layers.layer import Bundle
from ratchet.loop import Heard
from ratchet.records.app import App
from ratchet.records.trace import Context
from ratchet.settings import AppSettings, Settings
from ratchet.stages.capture.batch import OBSERVED, Intake, Prepared, Taken
from ratchet.stages.serve.respond import Served, respond
from ratchet.web.access import LOOPBACK, Access, Caller
from ratchet.web.committer import Committer
from ratchet.web.cors import Cors
from ratchet.web.gateway.turns import Conversation
from ratchet.web.gateway.upstream import Upstream
from ratchet.web.halves import Halves
from ratchet.web.metrics import Metrics
from ratchet.web.problems import Refusal
from ratchet.web.rates import Rates
from ratchet.web.tokens import Tokens
from ratchet.wiring import House, background_worker

logger = logging.getLogger("ratchet.web")
THREADS = 16
LOOKED_UP_S = 0.5
P = ParamSpec("P")
T = TypeVar("T")


class Service:
    """One process that serves. ``settings`` are the project's; the house is closed by :meth:`close`. ``description``
    gives the OpenAPI document."""

    def __init__(self, house: House, settings: Settings) -> None:
        self.house = house
        house.stand_in_for_functions()
        self.settings = settings
        self.stopping = False
        loopback = settings.service.host in LOOPBACK
        self.access = Access(house.outside, loopback=loopback)
        self.tokens = Tokens(house.outside, settings.service.token_hours)
        self.rates = Rates(house.outside.clock, settings.service.requests_per_minute)
        self.cors = Cors(self.access, settings.service.origins)
        self.metrics = Metrics()
        self.intake: Intake = house.loop.intake
        self.worker = background_worker(house, self._turned)
        store = house.store
        self._judged: Committer[Heard] = Committer(lambda batch: store.submit(lambda: house.loop.take(batch)))
        self._written: Committer[Taken] = Committer(lambda batch: store.submit(lambda: self.intake.write(batch)))
        self.halves = Halves(house.outside, self.intake)
        self._threads = ThreadPoolExecutor(THREADS, "ratchet-request")
        self._apps = {app.name: app for app in settings.apps}
        self._upstreams = {provider.name: Upstream(provider, self.metrics) for provider in settings.providers}
        self._known: dict[str, tuple[float, App]] = {}
        self._active: dict[str, tuple[float, int]] = {}
        self.description: Callable[[], bytes] = lambda: b"{}"

    async def take(self, prepared: Prepared) -> list[Heard]:
        """Store rows and judge what was complained about; resolves once all of it is on disk."""
        return await self._judged.put(prepared)

    async def take_quietly(self, prepared: Prepared) -> list[Taken]:
        """Store rows; what was complained about is judged a moment later."""
        return await self._written.put(prepared)

    def take_soon(self, prepared: Prepared) -> None:
        """Store rows a moment later, with nobody waiting."""
        self._written.put_soon(prepared)

    def take_now(self, prepared: Prepared) -> list[Taken]:
        """Store rows from a thread."""
        return self.house.store.submit(lambda: self.intake.write([prepared])[0]).result()

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what waits for the database or computes for long, off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(work, *args, **kwargs))

    def app(self, name: str, caller: Caller) -> App:
        """The app that a model's name selects. Raises ``Refusal`` (404) with the names there are."""
        at, app = self._known.get(name, (0.0, None))
        if app is None or not at <= time.monotonic() < at + LOOKED_UP_S:
            try:
                app = self.house.store.apps.get(name)
            except UnknownName:
                known = ", ".join(self.models(caller)) or "none yet"
                raise Refusal(
                    404, "model_not_found", f"There is no app named {name!r:.120}.", f"Use one of: {known}."
                ) from None
            self._known[name] = time.monotonic(), app
        if not caller.may_use(name):
            raise Refusal(404, "model_not_found", f"There is no app named {name!r:.120}.", "Use a key that is for it.")
        return app

    def models(self, caller: Caller) -> list[str]:
        """Names of the apps that can be asked here."""
        apps = [app for app in self.house.store.apps.all() if caller.may_use(app.name)]
        return [app.name for app in apps if app.base != OBSERVED and not app.base.startswith("function:")]

    def runs(self, name: str) -> bool:
        """Whether the project's ratchet.toml declares the app."""
        return name in self._apps

    def app_settings(self, name: str) -> AppSettings:
        """The app's settings; the defaults for one that ratchet.toml does not declare."""
        return self._apps.get(name) or AppSettings(name=name)

    def upstream_of(self, name: str) -> Upstream | None:
        """The provider of the app's model; ``None`` for an app that is answered here."""
        settings = self._apps.get(name)
        return self._upstreams.get(settings.provider) if settings is not None and settings.model else None

    def breakers(self) -> Iterator[tuple[str, bool]]:
        """Each provider, and whether calls of it are held back."""
        yield from ((name, upstream.breaker.is_open) for name, upstream in self._upstreams.items())

    def active_bundle(self, app: App) -> Bundle | None:
        """The release in force if it is loaded; which one that is, is looked up twice a second."""
        at, number = self._active.get(app.name, (0.0, 0))
        if not at <= time.monotonic() < at + LOOKED_UP_S:
            number = self.house.store.releases.active(app.name)
            self._active[app.name] = time.monotonic(), number
        return self.house.bundles.kept(app.name, number)

    def respond(self, app: App, talk: Conversation, context: Context) -> Served:
        """Answer with the app's own base."""
        house = self.house
        house.reopen(app.name)
        return respond(house.outside, house.bundles, app, house.bases[app.name], talk.question, context, talk.history)

    def moved(self, app: str) -> None:
        """Another release is in force: look again at once."""
        self._active.pop(app, None)
        self._known.pop(app, None)

    def warm(self) -> None:
        """Load what the declared apps answer with, so that the first requests need not wait for it."""
        self.halves.replay()
        for name in self._apps:
            try:
                bundle = self.house.bundles.active(self.house.store.apps.get(name))
                if not bundle.is_bare:
                    self.house.outside.vectors.embed(["warm"])
            except RatchetError as error:
                logger.warning("The release of %s cannot be loaded: %s %s", name, error.what, error.fix)

    async def close(self) -> None:
        """Finish what runs, then give the store up."""
        self.stopping = True
        await self._judged.drain()
        await self._written.drain()
        for upstream in self._upstreams.values():
            await upstream.close()
        await asyncio.get_running_loop().run_in_executor(None, self._close)

    def _close(self) -> None:
        self.worker.stop()
        self._threads.shutdown(wait=True)
        self.house.close()

    def _turned(self, app: str, outcome: str) -> None:
        self.metrics.event("ratchet_turns_total", outcome)
        self.moved(app)
