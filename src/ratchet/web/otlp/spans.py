"""Which spans are traces: each answer of a model once, or else the run of a chain or an agent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ratchet.web.otlp.dialects import genai_attributes, genai_events, openinference
from ratchet.web.otlp.evaluations import Known
from ratchet.web.otlp.messages import Exchange
from ratchet.web.otlp.payload import Attributes, Span
from ratchet.web.otlp.received import Call, Refused, make_trace
from ratchet.wire.traces import TraceIn

# Tuples, not sets: an attribute may hold a list, which no set can be asked for.
_MODEL_CALLS = ("chat", "text_completion", "generate_content")
_RUNS = ("invoke_agent", "invoke_workflow")
_MOST_ABOVE = 64
_DIALECTS = (genai_attributes.read_messages, openinference.read_messages, genai_attributes.read_numbered)


def is_model_call(attributes: Attributes) -> bool:
    """Whether the span is one call of a language model that answers in text."""
    kind = attributes.get("openinference.span.kind")
    if isinstance(kind, str):
        return kind.upper() == "LLM"
    operation = attributes.get("gen_ai.operation.name")
    if isinstance(operation, str):
        return operation in _MODEL_CALLS
    return (
        attributes.get("langfuse.observation.type") == "generation"
        or attributes.get("llm.request.type") in ("chat", "completion")
        or "gen_ai.input.messages" in attributes
        or "gen_ai.prompt.0.content" in attributes
    )


def is_run(attributes: Attributes) -> bool:
    """Whether the span is a run of a chain or an agent, which may call models."""
    kind = attributes.get("openinference.span.kind")
    if isinstance(kind, str):
        return kind.upper() in ("CHAIN", "AGENT")
    return (
        attributes.get("gen_ai.operation.name") in _RUNS
        or attributes.get("traceloop.span.kind") in ("workflow", "agent")
        or attributes.get("langfuse.observation.type") in ("agent", "chain")
    )


def read_traces(spans: Sequence[Span], default_app: str) -> tuple[list[TraceIn], list[Refused], Known]:
    """The traces in ``spans``, what was refused, and which spans they came from."""
    tree = _Tree(spans)
    traces: list[TraceIn] = []
    refused: list[Refused] = []
    known = Known()
    for span in sorted(spans, key=lambda span: span.end):
        exchange = tree.exchange(span)
        if exchange is None:
            continue
        call = _call(span, tree)
        if exchange.is_empty:
            known.awaits(call)
            continue
        made = make_trace(call, exchange, default_app)
        if isinstance(made, TraceIn):
            traces.append(made)
            known.made(call, made.app)
        elif made is not None:
            refused.append(made)
    return traces, refused, known


def _call(span: Span, tree: _Tree) -> Call:
    return Call(
        trace=span.trace,
        span=span.span,
        start=span.start,
        end=span.end,
        attributes=span.attributes,
        resource=span.resource,
        above=tuple(above.attributes for above in tree.above(span)),
    )


class _Tree:
    """The spans of one request, and which stand above which."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self._spans = {(span.trace, span.span): span for span in spans if span.trace and span.span}
        calls = [span for span in spans if is_model_call(span.attributes)]
        self._called = {span.trace for span in calls}
        self._said = {id(span): _model_exchange(span) for span in calls}
        self._whole = {(span.trace, span.span) for span in calls if self._said[id(span)].is_whole}

    def above(self, span: Span) -> Iterator[Span]:
        """The spans around ``span``, nearest first, as far as this request has them."""
        seen = {span.span}
        while span.parent not in seen and len(seen) <= _MOST_ABOVE:
            found = self._spans.get((span.trace, span.parent))
            if found is None:
                return
            yield found
            seen.add(found.span)
            span = found

    def exchange(self, span: Span) -> Exchange | None:
        """What was said in ``span``; None if it is no trace, empty if the messages are not in it."""
        said = self._said.get(id(span))
        if said is not None:
            # A framework and the client below it may both report the call: the outer one is kept.
            return None if any((above.trace, above.span) in self._whole for above in self.above(span)) else said
        if is_run(span.attributes) and span.trace not in self._called and self._is_outermost(span):
            exchange = _run_exchange(span)
            return exchange if exchange.is_whole else None
        return None

    def _is_outermost(self, span: Span) -> bool:
        chain = [span, *self.above(span)]
        return chain[-1].is_entry and not any(is_run(above.attributes) for above in chain[1:])


def _model_exchange(span: Span) -> Exchange:
    exchange = Exchange()
    for read in _DIALECTS:
        exchange = exchange.filled_from(read(span.attributes))
        if exchange.is_whole:
            return exchange
    return exchange.filled_from(genai_events.read_events(span.events)).filled_from(
        openinference.read_values(span.attributes)
    )


def _run_exchange(span: Span) -> Exchange:
    return openinference.read_values(span.attributes).filled_from(_model_exchange(span))
