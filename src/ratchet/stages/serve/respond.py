"""Answers one request with the release in force, and never fails it for learning reasons."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

import numpy as np

from ratchet.interfaces import Outside
from ratchet.layers.layer import Answer, Answerer, BaseFailed, Learned, Request, answer
from ratchet.records.app import App
from ratchet.records.trace import Context, Trace, Turn
from ratchet.stages.serve.bundles import Bundles

logger = logging.getLogger("ratchet.serve")


@dataclass(frozen=True, slots=True)
class Served:
    """An answer and the trace that records it (not yet stored)."""

    trace: Trace
    answer: Answer


def respond(
    outside: Outside,
    bundles: Bundles,
    app: App,
    base: Answerer,
    text: str,
    context: Context,
    history: tuple[Turn, ...] = (),
) -> Served:
    """Answer with the release in force; when learning fails, with the bare base.

    The base's own errors pass through unchanged: they are the caller's to handle.
    """
    started = outside.clock.now()
    request = Request(app, text, np.zeros(0, np.float32), context, history)
    try:
        request = replace(request, vector=outside.vectors.embed([text])[0])
        bundle = bundles.active(app)
        reply, _ = answer(bundle, request)
        number = bundle.number
    except BaseFailed as failure:
        raise failure.cause from None
    except Exception:
        logger.exception("Learning failed for app %s; the bare base answers.", app.name)
        reply, number = replace(base.answer(request, Learned(prompt=app.prompt)), source="fallback"), 0
    elapsed = (outside.clock.now() - started) * 1000
    trace = Trace(
        id=outside.ids.new("tr"),
        app=app.name,
        at=started,
        input=text,
        output=reply.text,
        context=context,
        release=number,
        source=reply.source,
        confidence=reply.confidence,
        passage_id=reply.passage_id,
        influences=reply.influences,
        latency_ms=elapsed,
        history=history,
        model=base.id.removeprefix("model:") if base.id.startswith("model:") else "",
    )
    return Served(trace, reply)
