"""Records an answer as a trace, and says in the answer what became of it; neither may fail the answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from typing import Any

from ratchet.layers.layer import Answer as Reply
from ratchet.records.trace import Trace, Turn
from ratchet.stages.capture.batch import Prepared
from ratchet.web.gateway.exchange import LONGEST_NAME, Exchange, storable
from ratchet.web.gateway.turns import Heard

logger = logging.getLogger("ratchet.gateway")
LONGEST_WAIT_S = 2.0
WORDLESS = "(no text)"
NOTHING_HEARD = Heard()


async def record(exchange: Exchange, reply: Reply, heard: Heard = NOTHING_HEARD) -> None:
    """Store the exchange. Waits until it is on disk where the service is told to, but never for long."""
    trace = Trace(
        id=exchange.ids.trace_id,
        app=exchange.app.name,
        at=exchange.started,
        input=_asked(exchange),
        output=storable(reply.text or heard.output),
        context=exchange.context,
        release=exchange.release,
        source=reply.source,
        confidence=reply.confidence,
        passage_id=reply.passage_id,
        influences=reply.influences,
        latency_ms=(time.perf_counter() - exchange.clock) * 1000,
        history=tuple([Turn(storable(turn.role, 100), storable(turn.text)) for turn in exchange.talk.history]),
        model=storable(heard.model, LONGEST_NAME),
        input_tokens=heard.tokens_in,
        output_tokens=heard.tokens_out,
    )
    service = exchange.call.service
    try:
        if service.settings.service.record == "soon":
            service.take_soon(Prepared([trace]))
            return
        # Rows that were handed over are stored all the same when nobody waits any more.
        async with asyncio.timeout(LONGEST_WAIT_S):
            await service.take_quietly(Prepared([trace]))
    except Exception as error:
        logger.warning("The trace %s is not known to be stored: %s", trace.id, error or type(error).__name__)


def _asked(exchange: Exchange) -> str:
    """The question; of a request without the text of a user, the last text in it."""
    asked = exchange.talk.question
    if not asked.strip():
        asked = exchange.talk.history[-1].text if exchange.talk.history else WORDLESS
    return storable(asked)


def about(exchange: Exchange, reply: Reply) -> Mapping[str, Any]:
    """What an answer says of itself, under ``ratchet``."""
    return {
        "trace_id": exchange.ids.trace_id,
        "release": exchange.release,
        "source": reply.source,
        "influences": reply.influences,
        "feedback_token": exchange.token,
    }
