"""Holds the messages of calls whose answer comes in a later request, in memory and for a limited time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from threading import Lock

from ratchet.web.otlp.payload import Event

Key = tuple[str, str]

LONGEST_S = 600.0
MOST_RECORDS = 1000
MOST_CHARACTERS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class _Held:
    events: Mapping[str, Event]  # by all that they say, so that none counts twice
    since: float
    characters: int


class Waiting:
    """Log records that wait for others of their span; one for a whole service, used by any number of threads.

    They are forgotten after ``longest_s`` seconds by the clock ``now``, when all together have more than
    ``most_characters``, oldest first, and when the process ends. ``lost`` counts the spans forgotten in these ways.
    """

    def __init__(
        self, now: Callable[[], float], *, longest_s: float = LONGEST_S, most_characters: int = MOST_CHARACTERS
    ) -> None:
        self.lost = 0
        self._now = now
        self._longest_s = longest_s
        self._most_characters = most_characters
        self._characters = 0
        self._held: OrderedDict[Key, _Held] = OrderedDict()
        self._lock = Lock()

    def add(self, key: Key, events: Iterable[Event]) -> tuple[Event, ...]:
        """All records of a span so far, these among them; they wait until `done`.

        A record that came before counts once; of a span with more than 1000, the first 1000 are taken.
        """
        with self._lock:
            self._forget_old()
            before = self._held.get(key) or _Held({}, self._now(), 0)
            new = {repr((event.name, event.nanoseconds, event.body, event.attributes)): event for event in events}
            together = dict(islice({**before.events, **new}.items(), MOST_RECORDS))
            characters = sum(map(len, together))
            # Assigned in place: it keeps its turn, by the time of its first record.
            self._held[key] = _Held(together, before.since, characters)
            self._characters += characters - before.characters
            while self._characters > self._most_characters:
                self._drop_oldest()
            return tuple(together.values())

    def done(self, key: Key) -> None:
        """The span's records wait no longer."""
        with self._lock:
            held = self._held.pop(key, None)
            self._characters -= held.characters if held else 0

    def _forget_old(self) -> None:
        oldest = self._now() - self._longest_s
        while self._held and next(iter(self._held.values())).since < oldest:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, held = self._held.popitem(last=False)
        self._characters -= held.characters
        self.lost += 1
