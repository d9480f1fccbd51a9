"""Applications with a real instrumentation of the OpenAI client, each in a process of its own.

``python -m tests.web.otlp.emit RUNS``, with a JSON list of ``[instrumentation, environment]``: each run asks a scripted
model two questions, the second as a stream, and exports to the ``OTEL_EXPORTER_OTLP_ENDPOINT`` of its environment.
The model takes ``ANSWER_DELAY_S`` seconds for an answer.
"""

from __future__ import annotations

import json
import os
import sys
import traceback

import openai
from openinference.instrumentation.openai import OpenAIInstrumentor as OpenInference
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor as Official
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from ratchet.providers.scripted import Reply, ScriptedServer

FIRST = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hello, how can I help?"},
    {"role": "user", "content": "When does my refund come?"},
]
SECOND = [{"role": "user", "content": "How long may I return it?"}]
ANSWERS = ["Within five days.", "Thirty days."]


def run(name: str) -> None:
    delay_s = float(os.environ.get("ANSWER_DELAY_S", "0"))
    tracing, logging = TracerProvider(), LoggerProvider()
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    instrument(name, tracing, logging)
    with (
        ScriptedServer([Reply(text, delay_s=delay_s) for text in ANSWERS]) as server,
        openai.OpenAI(base_url=server.base_url, api_key="none") as client,
    ):
        answer = client.chat.completions.create(model="small", messages=FIRST)  # type: ignore[arg-type]
        assert answer.choices[0].message.content == ANSWERS[0]
        stream = client.chat.completions.create(model="small", messages=SECOND, stream=True)  # type: ignore[arg-type]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == ANSWERS[1]
    tracing.shutdown()
    logging.shutdown()


def instrument(name: str, tracing: TracerProvider, logging: LoggerProvider) -> None:
    if name == "openinference":
        OpenInference().instrument(tracer_provider=tracing)
    else:
        Official().instrument(tracer_provider=tracing, logger_provider=logging)


def main(runs: list[tuple[str, dict[str, str]]]) -> int:
    """Each run in a fork of this process, which has imported all that takes long; the number of those that failed."""
    children = [os.fork() or child(name, settings) for name, settings in runs]
    return sum(os.waitpid(process, 0)[1] != 0 for process in children)


def child(name: str, settings: dict[str, str]) -> int:
    try:
        os.environ.update(settings)
        run(name)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
