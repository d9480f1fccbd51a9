"""Answers come from the release in force; when learning fails the bare base answers, and only its own errors pass."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from ratchet.interfaces import Outside, Vector
from ratchet.layers.layer import Answer, Learned, Request
from ratchet.providers.answerers import OwnFunction
from ratchet.providers.lexical_embedder import LexicalEmbedder
from ratchet.providers.system import ReplayClock
from ratchet.records.app import App
from ratchet.records.canonical import Json
from ratchet.records.trace import Context
from ratchet.stages.serve.respond import respond
from ratchet.storage.vector_bank import StoredVectors
from ratchet.wiring import House
from tests.conftest import ask, correct
from tests.scenes import edit


class Failing:
    """A layer that fails before or after the base is asked."""

    def __init__(self, where: str) -> None:
        self.where = where

    def before(self, request: Request, learned: Learned) -> Learned:
        if self.where == "before":
            raise RuntimeError("this layer fails")
        return learned

    def after(self, request: Request, learned: Learned, answer: Answer) -> Answer:
        raise RuntimeError("this layer fails")

    def manifest(self) -> dict[str, Json]:
        return {}


class DeadEmbedder(LexicalEmbedder):
    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vector:
        raise OSError("no embedder today")


def break_layers(house: House, app: App, where: str) -> None:
    bundle = house.bundles.active(app)
    house.bundles._kept[app.name, bundle.number] = replace(bundle, layers=(*bundle.layers, Failing(where)))


def test_the_release_in_force_answers_and_the_trace_says_how(house: House, classify: App, clock: ReplayClock) -> None:
    lesson = correct(house, classify, "my parcel is late", answer="refund").lesson
    assert lesson is not None
    assert house.loop.turn("triage").release is not None
    clock.advance(60)
    context = Context(user="carl", segment="web")
    base = house.bases["triage"]
    served = respond(house.outside, house.bundles, classify, base, "My parcel is late!", context)
    trace = served.trace
    assert (trace.output, trace.source, trace.release, trace.context) == ("refund", "reviewed", 1, context)
    assert (trace.input, trace.at, trace.latency_ms) == ("My parcel is late!", clock.now(), 0.0)
    assert [influence.id for influence in trace.influences] == [lesson.id]
    assert served.answer.text == trace.output


def test_an_answer_names_the_passage_it_rests_on(house: House, support: App) -> None:
    trace = ask(house, support, "how do I reset my password").trace
    assert (trace.source, trace.passage_id, trace.release) == ("base", "password", 0)
    assert [(influence.kind, influence.id) for influence in trace.influences] == [("passage", "password")]


@pytest.mark.parametrize("where", ["before", "after"])
def test_when_a_layer_fails_the_base_answers(
    house: House, support: App, caplog: pytest.LogCaptureFixture, where: str
) -> None:
    app = house.declare("own", "answer", OwnFunction("mine", lambda question, learned: f"base: {question}"))
    break_layers(house, app, where)
    with caplog.at_level(logging.ERROR, logger="ratchet.serve"):
        served = ask(house, app, "hello")
    assert (served.answer.text, served.trace.source, served.trace.release) == ("base: hello", "fallback", 0)
    assert "Learning failed for app own" in caplog.text


def test_the_built_in_classifier_answers_as_the_bare_base_would_when_a_layer_fails(house: House, classify: App) -> None:
    before = ask(house, classify, "where is my parcel").trace
    break_layers(house, classify, "after")
    after = ask(house, classify, "where is my parcel").trace
    assert (after.output, after.confidence, after.source) == (before.output, before.confidence, "fallback")


def test_when_a_release_was_altered_the_base_answers(house: House, classify: App) -> None:
    correct(house, classify, "my parcel is late", answer="refund")
    assert house.loop.turn("triage").release is not None
    house.bundles.forget("triage")
    edit(house, "UPDATE lessons SET answer = 'account'")
    trace = ask(house, classify, "my parcel is late").trace
    assert (trace.output, trace.source, trace.release) == ("delivery", "fallback", 0)


def test_when_the_embedder_fails_the_base_answers(house: House) -> None:
    app = house.declare("own", "answer", OwnFunction("mine", lambda question, learned: "still here"))
    outside = Outside(
        house.store, StoredVectors(DeadEmbedder(), house.store.vectors), house.outside.clock, house.outside.ids
    )
    served = respond(outside, house.bundles, app, house.bases["own"], "hello", Context())
    assert (served.answer.text, served.trace.source) == ("still here", "fallback")


@pytest.mark.parametrize("broken", [False, True])
def test_the_functions_own_error_passes_through_unchanged(house: House, broken: bool) -> None:
    error = KeyError("the caller's own")

    def function(question: str, learned: Learned) -> str:
        raise error

    app = house.declare("own", "answer", OwnFunction("mine", function))
    if broken:
        break_layers(house, app, "before")
    with pytest.raises(KeyError) as caught:
        ask(house, app, "hello")
    assert caught.value is error
    assert house.store.traces.count("own") == 0


def test_when_learning_fails_the_function_still_gets_its_prompt_and_nothing_learned(house: House) -> None:
    seen: list[Learned] = []

    def function(question: str, learned: Learned) -> str:
        seen.append(learned)
        return "ok"

    app = house.declare("own", "answer", OwnFunction("mine", function), prompt="Be kind.")
    break_layers(house, app, "before")
    ask(house, app, "hello")
    assert seen == [Learned(prompt="Be kind.")]
