"""Runs turns of the loop in the background."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ratchet.errors import Conflict, RatchetError
from ratchet.loop import Loop, TurnReport
from ratchet.stages.enrich.enrichment import enrich

logger = logging.getLogger("ratchet.worker")
LEASE_S = 120.0
EVERY_S = 1.0
Fingerprint = tuple[int, tuple[tuple[str, int], ...], int, int]


class TurnRunning(Conflict):
    """Another turn of the app is running; a later one may find something new to learn."""


@dataclass(slots=True)
class Worker:
    """One worker of one process.

    ``apps`` names the apps there are, ``learns`` those whose base is loaded here, so that a gate can ask it. A lease
    in the store keeps two turns of the same app from running at once. ``told`` hears the outcome of every turn.
    """

    loop: Loop
    owner: str
    apps: Callable[[], Iterable[str]]
    learns: Callable[[str], bool]
    told: Callable[[str, str], None] = lambda app, outcome: None
    _woken: threading.Event = field(default_factory=threading.Event)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _seen: dict[str, Fingerprint] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to work in a thread of its own."""
        self._thread = threading.Thread(target=self.run, name="ratchet-worker", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 30.0) -> None:
        """Finish the turn in hand, then stop."""
        self._stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def wake(self) -> None:
        """Look for work now."""
        self._woken.set()

    def run(self) -> None:
        """Look for work until stopped."""
        while not self._stopping.is_set():
            try:
                self.look()
            except Exception:  # the store may be out of reach for a while
                logger.exception("Looking for work failed.")
            self._woken.wait(EVERY_S)
            self._woken.clear()

    def look(self) -> None:
        """Judge what is new in every app, and run a turn where there is something new to learn."""
        for app in self.apps():
            if self._stopping.is_set():
                return
            try:
                self._look_at(app)
            except RatchetError as error:
                logger.warning("The turn of %s did not succeed: %s %s", app, error.what, error.fix)
                self.told(app, "failed")
            except Exception:
                logger.exception("The turn of %s failed.", app)
                self.told(app, "failed")

    def _look_at(self, app: str) -> None:
        enrich(self.loop.outside, app, self.loop.rules_of(app))
        before = self._fingerprint(app)
        if self._seen.get(app) == before or not self.learns(app):
            return
        # Noted first: a turn that fails is tried again when something changes, not once a second.
        self._seen[app] = before
        try:
            self.turn(app)
        except TurnRunning:
            # It may have begun before what was just seen arrived.
            del self._seen[app]
            return
        except Conflict as error:
            logger.info("No turn of %s now: %s", app, error.what)
        after = self._fingerprint(app)
        # The release it just made is no news; verdicts that came in meanwhile are.
        self._seen[app] = after if after[:3] == before[:3] else before

    def _fingerprint(self, app: str) -> Fingerprint:
        """What a turn depends on: verdicts, lessons, knowledge, and the release in force."""
        store = self.loop.outside.store
        return (
            store.cases.decided(app),
            tuple(sorted(store.lessons.counts(app).items())),
            store.knowledge.version(app),
            store.releases.active(app),
        )

    def turn(self, app: str, *, now: bool = False) -> TurnReport:
        """Run one turn. Raises ``TurnRunning`` while another turn of the same app runs, here or elsewhere."""
        outside = self.loop.outside
        # Requests turn apps beside this worker's own thread, so every turn holds the lease in a name of its own.
        name, owner, at = f"turn:{app}", outside.ids.new(self.owner), outside.clock.now()
        if outside.store.leases.take(name, owner, at, at + LEASE_S) is None:
            raise TurnRunning(f"Another turn of {app} is running.", "Wait until it is done.")
        renewing = threading.Event()
        renewer = threading.Thread(target=self._renew, args=(name, owner, renewing), name="ratchet-lease", daemon=True)
        renewer.start()
        try:
            report = self.loop.turn(app, now=now)
        finally:
            renewing.set()
            renewer.join()
            outside.store.leases.give_back(name, owner)
        self.told(app, _outcome(report))
        return report

    def _renew(self, name: str, owner: str, done: threading.Event) -> None:
        outside = self.loop.outside
        while not done.wait(LEASE_S / 4):
            at = outside.clock.now()
            try:
                outside.store.leases.take(name, owner, at, at + LEASE_S)
            except RatchetError as error:
                logger.warning("The lease of %s was not renewed: %s", name, error.what)


def _outcome(report: TurnReport) -> str:
    if report.release is not None:
        return "released"
    if report.gate is not None:
        return report.gate.decision
    return "waiting" if report.waiting else "nothing new"
