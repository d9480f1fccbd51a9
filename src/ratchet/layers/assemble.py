"""Builds the layers of a release above its base, in the order in which a request passes through them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ratchet.interfaces import Vector
from ratchet.layers import examples, retrieval
from ratchet.layers.layer import Answerer, Bundle, LayerState
from ratchet.records.app import App
from ratchet.records.lesson import Lesson
from ratchet.records.passage import Passage

LEARNING: Collection[str] = ("retrieval", "examples")


def assemble(
    app: App,
    number: int,
    base: Answerer,
    passages: Sequence[Passage],
    lessons: Sequence[Lesson],
    embed: Callable[[Sequence[str]], Vector],
    learning: Collection[str] = LEARNING,
) -> Bundle:
    """A release ready to answer. ``embed`` gives the stored vectors of lasting texts; layers that are not among
    ``learning`` work as they do with no lesson at all."""
    layers: list[LayerState] = []
    if app.kind != "classify":
        layers.append(retrieval.build(app, passages, lessons if "retrieval" in learning else (), embed))
    layers.append(examples.build(app, lessons if "examples" in learning else (), embed))
    bare = app.kind != "classify" and not passages and not lessons
    return Bundle(app, number, base, tuple(layers), frozenset(lesson.id for lesson in lessons), bare)
