"""What the release in force knows about a question, within a budget; its last word on an answer."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from ratchet.layers import layer
from ratchet.layers.layer import Answer as Reply
from ratchet.layers.layer import Bundle, Learned, Request
from ratchet.records.app import App
from ratchet.records.trace import Context
from ratchet.web.gateway.exchange import Exchange
from ratchet.web.gateway.rungs import Rungs
from ratchet.web.gateway.turns import Conversation
from ratchet.wiring import House

logger = logging.getLogger("ratchet.gateway")


async def look_up(exchange: Exchange, rungs: Rungs) -> None:
    """Find what was learned within the app's time budget; without it the bare prompt goes to the model."""
    service, app = exchange.call.service, exchange.app
    try:
        bundle = service.active_bundle(app)
        if bundle is not None and (bundle.is_bare or not exchange.talk.question.strip()):
            exchange.bundle, exchange.release = bundle, bundle.number
            exchange.learned = Learned(prompt=bundle.app.prompt, release=bundle.number)
            return
        async with asyncio.timeout(service.app_settings(app.name).learned_budget_s):
            found = await service.in_thread(_found, service.house, rungs, app, exchange.talk, exchange.context)
    except Exception as error:
        reason = "too slow" if isinstance(error, TimeoutError) else "failed"
        logger.warning("What %s learned could not be used (%s, %s).", app.name, reason, type(error).__name__)
        exchange.fall_back(reason)
        return
    exchange.bundle, exchange.request, exchange.learned, in_force = found
    exchange.release = exchange.bundle.number
    if not in_force:
        service.metrics.event("ratchet_fallbacks_total", "release")


def _found(
    house: House, rungs: Rungs, app: App, talk: Conversation, context: Context
) -> tuple[Bundle, Request, Learned, bool]:
    # Nothing is written into the exchange here: a thread that comes too late must not change what was sent meanwhile.
    bundle, in_force = rungs.bundle(house, app)
    vector = house.outside.vectors.embed([talk.question])[0]
    request = Request(app, talk.question, vector, context, talk.history)
    return bundle, request, layer.before(bundle, request), in_force


def reviewed(exchange: Exchange) -> Reply | None:
    """The answer that a reviewer gave to this very question, if it can stand for the model's."""
    if not exchange.is_plain or not exchange.talk.is_open:
        return None
    return layer.reviewed_answer(exchange.learned)


def finished(exchange: Exchange, reply: Reply) -> Reply:
    """The reply as the layers let it pass; as it was when they fail, or when there are none.

    A reply in a form that the client prescribed keeps its text: a label in its place would be no answer.
    """
    if exchange.fell_back:
        return replace(reply, source="fallback")
    if exchange.bundle is None or exchange.request is None:
        return reply
    try:
        done = layer.after(exchange.bundle, exchange.request, exchange.learned, reply)
    except Exception:
        logger.exception("The layers of %s failed after the answer.", exchange.app.name)
        exchange.call.service.metrics.event("ratchet_fallbacks_total", "failed")
        return replace(reply, source="fallback")
    if done.text != reply.text and (not exchange.is_plain or not reply.text):
        return reply
    return done
