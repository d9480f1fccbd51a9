"""Writes down what decides how a release answers, and checks a loaded release against it."""

from __future__ import annotations

from collections.abc import Sequence

from ratchet.errors import Conflict
from ratchet.layers.examples import Examples
from ratchet.layers.layer import Bundle
from ratchet.layers.retrieval import Retrieval
from ratchet.records.canonical import Json, content_hash
from ratchet.records.release import Manifest, Release

LAYERS = {"examples": Examples, "retrieval": Retrieval}


def manifest_of(
    bundle: Bundle, parent: int, embedder: str, knowledge: int, suites: Sequence[tuple[str, str]]
) -> Manifest:
    """The manifest of a loaded release; the same content gives the same bytes."""
    content: dict[str, Json] = {
        "app": bundle.app.name,
        "kind": bundle.app.kind,
        "labels": dict(bundle.app.labels),
        "number": bundle.number,
        "parent": parent,
        "base": bundle.base.id,
        "prompt": content_hash(bundle.app.prompt),
        "embedder": embedder,
        "knowledge": knowledge,
        "validators": None,
        "weights": None,
        "suites": dict(suites),
        **layer_contents(bundle),
    }
    return Manifest(content)


def layer_contents(bundle: Bundle) -> dict[str, Json]:
    """What each layer says of itself, by layer name; ``None`` for a layer that the app does not have."""
    found: dict[str, Json] = {}
    for name, kind in LAYERS.items():
        layer = next((layer for layer in bundle.layers if isinstance(layer, kind)), None)
        found[name] = layer.manifest() if layer is not None else None
    return found


def verify(release: Release, bundle: Bundle) -> None:
    """Raise ``Conflict`` when the layers just loaded are not those that were released."""
    for name, content in layer_contents(bundle).items():
        if release.manifest.content[name] != content:
            raise Conflict(
                f"The {name} layer of release {release.number} is not what was released.",
                "Its lessons or knowledge were altered: restore a backup, or roll back to another release.",
            )
    if release.manifest.content["base"] != bundle.base.id:
        raise Conflict(
            f"Release {release.number} was made for the base {release.manifest.content['base']}, not {bundle.base.id}.",
            "Start the app with the base it was released with, or roll back to the bare base (0) and learn anew.",
        )
