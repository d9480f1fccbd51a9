"""Real parts for every test: a SQLite file, the lexical embedder, a clock and ids that tests control."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ratchet.layers.layer import Answerer
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import ReplayClock, SeededIds
from ratchet.records.app import App
from ratchet.records.passage import Passage
from ratchet.records.trace import Context, Trace
from ratchet.settings import Settings
from ratchet.stages.capture.intake import read_feedback, record_feedback, record_trace
from ratchet.stages.enrich.enrichment import enrich
from ratchet.stages.review.decide import Decided, decide
from ratchet.stages.serve.respond import Served, respond
from ratchet.wiring import House, open_house

LABELS = {"refund": "refund money back", "delivery": "delivery parcel shipping", "account": "account login password"}
PASSAGES = (
    ("returns", "Returns > How long", "You can return an item within 30 days of delivery."),
    ("refunds", "Refunds > When the money comes", "We pay refunds within 5 working days after the return arrived."),
    ("delivery", "Delivery > Times", "A parcel takes 2 to 4 working days."),
    ("password", "Account > Password", "Reset your password from the sign-in page."),
)
SHARED = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def clock() -> ReplayClock:
    return ReplayClock(1_790_000_000.0)


@pytest.fixture
def open_store(tmp_path: Path, clock: ReplayClock) -> Iterator[Callable[[], House]]:
    """Opens the same store again and again, as restarted processes would."""
    opened: list[House] = []
    ids = SeededIds(1)

    def reopen() -> House:
        for house in opened:
            house.close()
        opened.clear()
        settings = Settings(store=tmp_path / "ratchet.db", cache=tmp_path / "cache")
        opened.append(open_house(settings, embedder=LexicalEmbedder(), clock=clock, ids=ids))
        return opened[0]

    yield reopen
    for house in opened:
        house.close()


@pytest.fixture
def house(open_store: Callable[[], House]) -> House:
    return open_store()


@pytest.fixture
def classify(house: House) -> App:
    """An app that tells three kinds of message apart."""
    return house.declare("triage", "classify", labels=LABELS)


@pytest.fixture
def support(house: House) -> App:
    """An app that answers from four passages."""
    app = house.declare("support", "answer")
    house.know("support", [Passage(id=key, app="support", title=title, text=text) for key, title, text in PASSAGES])
    return app


def ask(house: House, app: App, question: str, *, user: str = "u1", segment: str = "") -> Served:
    """Ask, and store the trace."""
    base: Answerer = house.bases[app.name]
    served = respond(house.outside, house.bundles, app, base, question, Context(user=user, segment=segment))
    record_trace(house.outside, served.trace)
    return served


def complain(house: House, trace: Trace, *, user: str = "u1", correction: str = "") -> None:
    """Give a thumb down."""
    given = read_feedback(house.outside, trace.app, trace.id, user=user, thumb="down", correction=correction)
    record_feedback(house.outside, given)


def praise(house: House, trace: Trace, *, user: str = "u1") -> None:
    """Give a thumb up."""
    record_feedback(house.outside, read_feedback(house.outside, trace.app, trace.id, user=user, thumb="up"))


def correct(house: House, app: App, question: str, *, answer: str = "", passage_id: str = "") -> Decided:
    """Ask, complain, and have a reviewer say what is right."""
    served = ask(house, app, question)
    complain(house, served.trace)
    enrich(house.outside, app.name, house.loop.rules)
    case = next(case for case in house.store.cases.opened(app.name) if case.trace_id == served.trace.id)
    return decide(
        house.outside, case.id, reviewer="ana", erred=True, answer=answer, passage_id=passage_id, failure_mode=""
    )
