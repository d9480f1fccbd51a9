"""The sentence encoder: the graph against a plain reference, and the published weights against known facts."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ratchet.errors import InvalidInput
from ratchet.providers.sentence_encoder import (
    BATCH,
    MAX_TOKENS,
    MINILM_SHA256,
    SentenceEncoder,
    can_run,
    packaged_weights,
)

pytestmark = [
    pytest.mark.embedder,
    pytest.mark.skipif(not can_run(), reason="the packages of the `embed` extra are not installed"),
]
published = pytest.mark.skipif(
    packaged_weights() is None, reason="the package with the MiniLM weights is not installed"
)

Weights = dict[str, NDArray[np.float32]]
CONFIG = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "layer_norm_eps": 1e-6}
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"]
TEXTS = ["a", "b c d", "the end of it", "x " * 40, "m n o p q r s"]


def small_weights(seed: int = 1) -> Weights:
    """A BERT of 2 layers and 16 dimensions with random weights."""
    chance = np.random.default_rng(seed)
    hidden, wide = CONFIG["hidden_size"], 32

    def draw(*shape: int) -> NDArray[np.float32]:
        return chance.normal(0, 0.5, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(len(VOCABULARY), int(hidden)),
        "embeddings.position_embeddings.weight": draw(MAX_TOKENS, int(hidden)),
        "embeddings.token_type_embeddings.weight": draw(2, int(hidden)),
        "embeddings.LayerNorm.weight": draw(int(hidden)),
        "embeddings.LayerNorm.bias": draw(int(hidden)),
    }
    shapes = {f"attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")} | {
        "attention.output.dense": (hidden, hidden), "intermediate.dense": (wide, hidden), "output.dense": (hidden, wide)
    }  # fmt: skip
    for layer in range(int(CONFIG["num_hidden_layers"])):
        prefix = f"encoder.layer.{layer}."
        for name, (rows, columns) in shapes.items():
            found[f"{prefix}{name}.weight"] = draw(int(rows), int(columns))
            found[f"{prefix}{name}.bias"] = draw(int(rows))
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            found[f"{prefix}{name}.weight"] = draw(int(hidden))
            found[f"{prefix}{name}.bias"] = draw(int(hidden))
    return found


def reference(weights: Weights, ids: list[int]) -> NDArray[np.float64]:
    """BERT of Devlin et al. (2019) on one text, mean-pooled and normalised, in plain numpy."""

    def dense(state: Any, name: str) -> Any:
        return state @ weights[f"{name}.weight"].T.astype(np.float64) + weights[f"{name}.bias"]

    def norm(state: Any, name: str) -> Any:
        centred = state - state.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + CONFIG["layer_norm_eps"])
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    words, places = (weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position"))
    kinds = weights["embeddings.token_type_embeddings.weight"]
    state = norm(words[ids].astype(np.float64) + places[: len(ids)] + kinds[0], "embeddings.LayerNorm")
    heads = int(CONFIG["num_attention_heads"])
    for layer in range(int(CONFIG["num_hidden_layers"])):
        prefix = f"encoder.layer.{layer}."
        parts = (dense(state, f"{prefix}attention.self.{part}") for part in ("query", "key", "value"))
        query, key, value = (part.reshape(len(ids), heads, -1).transpose(1, 0, 2) for part in parts)
        logits = query @ key.transpose(0, 2, 1) / math.sqrt(query.shape[-1])
        shares = np.exp(logits - logits.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), -1)
        state = norm(state + dense(mixed, f"{prefix}attention.output.dense"), f"{prefix}attention.output.LayerNorm")
        wide = dense(state, f"{prefix}intermediate.dense")
        wide = wide * 0.5 * (1 + np.vectorize(math.erf)(wide / math.sqrt(2)))
        state = norm(state + dense(wide, f"{prefix}output.dense"), f"{prefix}output.LayerNorm")
    mean: NDArray[np.float64] = state.mean(0)
    return mean / np.linalg.norm(mean)


def small_model(folder: Path, weights: Weights | None = None) -> Path:
    """Writes the small BERT as a folder such as Hugging Face publishes."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder.mkdir(parents=True)
    save_file(weights or small_weights(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    known = {word: number for number, word in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(known, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.enable_padding(length=64)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def ids_of(text: str) -> list[int]:
    return [2, *(VOCABULARY.index(word) if word in VOCABULARY else 1 for word in text.split()), 3]


@pytest.fixture
def small(tmp_path: Path) -> SentenceEncoder:
    return SentenceEncoder(small_model(tmp_path / "model"), tmp_path / "cache")


def test_the_graph_computes_what_the_paper_says(small: SentenceEncoder) -> None:
    weights = small_weights()
    expected = np.stack([reference(weights, ids_of(text)) for text in TEXTS])
    assert np.abs(small.embed(TEXTS) - expected).max() < 1e-4
    assert small.dimensions == 16


def test_any_number_of_texts_comes_back_in_order_with_progress(small: SentenceEncoder) -> None:
    texts = [" ".join("abcdefgh"[: 1 + number % 8]) + f" {'xyz'[number % 3]}" for number in range(2 * BATCH + 5)]
    told: list[int] = []
    together = small.embed(texts, told.append)
    assert told == [BATCH, 2 * BATCH, len(texts)]
    assert np.abs(together - np.vstack([small.embed([text]) for text in texts])).max() < 1e-5
    assert small.embed([]).shape == (0, 16)


def test_a_text_beyond_the_greatest_length_is_cut_and_not_refused(small: SentenceEncoder) -> None:
    longest = "a " * (MAX_TOKENS - 2)
    assert np.abs(small.embed([longest + "b c d"]) - small.embed([longest])).max() < 1e-6


def test_the_fingerprint_is_of_these_weights(tmp_path: Path) -> None:
    one, other = small_model(tmp_path / "one"), small_model(tmp_path / "other", small_weights(2))
    digest = hashlib.sha256((one / "model.safetensors").read_bytes()).hexdigest()
    first = SentenceEncoder(one, tmp_path / "cache", expected_sha256=digest)
    assert digest in first.fingerprint
    assert SentenceEncoder(other, tmp_path / "cache").fingerprint != first.fingerprint
    assert SentenceEncoder(one, tmp_path / "elsewhere").fingerprint == first.fingerprint


def test_other_weights_than_the_published_are_refused_and_nothing_is_converted(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    with pytest.raises(InvalidInput) as refused:
        SentenceEncoder(model, tmp_path / "cache", expected_sha256=MINILM_SHA256)
    assert MINILM_SHA256 in refused.value.what
    assert str(model) in refused.value.what
    assert "Reinstall" in refused.value.fix
    assert list((tmp_path / "cache").glob("*.onnx")) == []


def test_weights_that_changed_in_place_get_another_fingerprint(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    before = SentenceEncoder(model, tmp_path / "cache")
    changed = small_model(tmp_path / "changed", small_weights(2)) / "model.safetensors"
    (model / "model.safetensors").write_bytes(changed.read_bytes())
    after = SentenceEncoder(model, tmp_path / "cache")
    assert after.fingerprint != before.fingerprint
    assert np.abs(after.embed(["a b"]) - before.embed(["a b"])).max() > 1e-3


def test_a_half_written_note_of_the_hash_is_not_believed(tmp_path: Path) -> None:
    model = small_model(tmp_path / "model")
    whole = SentenceEncoder(model, tmp_path / "cache").fingerprint
    (note,) = (tmp_path / "cache").glob("*.sha256")
    note.write_text(note.read_text()[:30])
    assert SentenceEncoder(model, tmp_path / "cache").fingerprint == whole


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as refused:
        SentenceEncoder(tmp_path, tmp_path / "cache")
    assert str(tmp_path) in refused.value.what
    assert "folder of a sentence encoder" in refused.value.fix


def test_the_conversion_happens_once_and_leaves_one_whole_file(tmp_path: Path) -> None:
    model, cache = small_model(tmp_path / "model"), tmp_path / "cache"
    SentenceEncoder(model, cache)
    (converted,) = cache.glob("encoder-*")
    before = converted.stat().st_mtime_ns
    SentenceEncoder(model, cache)
    assert [(file.name, file.stat().st_mtime_ns) for file in cache.glob("encoder-*")] == [(converted.name, before)]


def test_a_conversion_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    from ratchet.providers.bert_onnx import write_encoder

    weights = small_model(tmp_path / "model") / "model.safetensors"
    occupied = tmp_path / "cache" / "encoder.onnx"
    (occupied / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="onnx"):
        write_encoder(weights, CONFIG, occupied)
    assert [file.name for file in occupied.parent.iterdir()] == ["encoder.onnx"]
    lacking = {name: value for name, value in small_weights().items() if not name.endswith("query.bias")}
    with pytest.raises(KeyError, match=r"query\.bias"):
        write_encoder(small_model(tmp_path / "lacking", lacking) / "model.safetensors", CONFIG, tmp_path / "new.onnx")
    assert list(tmp_path.glob("new*")) == []


@pytest.fixture(scope="module")
def minilm(tmp_path_factory: pytest.TempPathFactory) -> SentenceEncoder:
    folder = packaged_weights()
    assert folder is not None
    return SentenceEncoder(folder, tmp_path_factory.mktemp("cache"), expected_sha256=MINILM_SHA256, threads=2)


@published
def test_the_packaged_weights_are_the_published_ones(minilm: SentenceEncoder) -> None:
    folder = packaged_weights()
    assert folder is not None
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest() == MINILM_SHA256
    assert minilm.fingerprint == f"bert-mean-256:{MINILM_SHA256}"
    assert minilm.dimensions == 384


@published
def test_vectors_have_length_one_whatever_the_text(minilm: SentenceEncoder) -> None:
    vectors = minilm.embed(["", "?", "Where is my parcel?", "日本語 🙂", "word " * 2000])
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


@published
def test_padding_does_not_change_a_vector(minilm: SentenceEncoder) -> None:
    texts = ["Hi", "Where is my parcel?", "It came late and it was broken. " * 12, "I want my money back now"]
    alone = np.vstack([minilm.embed([text]) for text in texts])
    assert np.abs(minilm.embed(texts) - alone).max() < 1e-5


@published
def test_paraphrases_are_nearer_than_unrelated_sentences(minilm: SentenceEncoder) -> None:
    pairs = [
        ("How do I get my money back?", "I would like a refund."),
        ("My package has not arrived.", "The parcel was never delivered."),
        ("I forgot my password.", "I cannot remember the secret word for signing in."),
        ("The weather is lovely today.", "What a sunny and pleasant day."),
    ]
    left, right = (minilm.embed([pair[side] for pair in pairs]) for side in (0, 1))
    cosines = left @ right.T
    for row in range(len(pairs)):
        others = np.delete(cosines[row], row)
        assert cosines[row, row] > others.max() + 0.05


@published
def test_the_published_similarity_of_the_model_card_is_reached(minilm: SentenceEncoder) -> None:
    # The three sentences and figures of https://sbert.net/docs/quickstart.html for all-MiniLM-L6-v2.
    sunny, lovely, stadium = minilm.embed(
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    )
    assert float(sunny @ lovely) == pytest.approx(0.6660, abs=1e-3)
    assert float(sunny @ stadium) == pytest.approx(0.1046, abs=1e-3)
    assert float(lovely @ stadium) == pytest.approx(0.1411, abs=1e-3)
