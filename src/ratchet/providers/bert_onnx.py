"""Build an ONNX sentence encoder from published BERT weights, with no torch.

The graph uses the fused operators of ``onnxruntime`` (``com.microsoft``): one per attention block, one per feed-forward
block. The result maps token ids to mean-pooled, L2-normalised sentence vectors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 9
Weights = Mapping[str, NDArray[np.float32]]


class _Graph:
    """Collects nodes and initializers; every method returns the name of the tensor it made."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.tensors.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: Any) -> str:
        outputs = [output, f"{output}_mask"] if op == "EmbedLayerNormalization" else [output]
        self.nodes.append(helper.make_node(op, inputs, outputs, domain=domain, **attributes))
        return output


def build_encoder(weights: Weights, *, layers: int, heads: int, epsilon: float) -> onnx.ModelProto:
    """An encoder with inputs ``input_ids``, ``attention_mask`` (both int32, batch x tokens) and one output
    ``embedding`` (float32, batch x hidden), each row of unit length.

    ``weights`` are the tensors of a Hugging Face ``BertModel``; a missing one raises ``KeyError``.
    """
    graph = _Graph()
    state = _embed_tokens(graph, weights, epsilon)
    for index in range(layers):
        state = _transformer_block(graph, weights, index, state, heads, epsilon)
    _mean_pool(graph, state)
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT32, ["batch", "tokens"])
        for name in ("input_ids", "attention_mask")
    )
    hidden = weights["embeddings.word_embeddings.weight"].shape[1]
    out = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", hidden])
    model = helper.make_model(
        helper.make_graph(graph.nodes, "sentence_encoder", [ids, mask], [out], graph.tensors),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("com.microsoft", 1)],
        producer_name="ratchet",
    )
    model.ir_version = IR_VERSION
    return model


def _embed_tokens(graph: _Graph, weights: Weights, epsilon: float) -> str:
    # Sentence encoders use token type 0 only, so its row is folded into the positions.
    positions = weights["embeddings.position_embeddings.weight"] + weights["embeddings.token_type_embeddings.weight"][0]
    return graph.node(
        "EmbedLayerNormalization",
        [
            "input_ids",
            "",
            graph.constant("word_embeddings", weights["embeddings.word_embeddings.weight"]),
            graph.constant("position_embeddings", positions),
            "",
            graph.constant("embedding_gamma", weights["embeddings.LayerNorm.weight"]),
            graph.constant("embedding_beta", weights["embeddings.LayerNorm.bias"]),
        ],
        "embedded",
        domain="com.microsoft",
        epsilon=epsilon,
    )


def _transformer_block(graph: _Graph, weights: Weights, index: int, state: str, heads: int, epsilon: float) -> str:
    prefix, name = f"encoder.layer.{index}.", f"layer{index}_"

    def weight(key: str) -> NDArray[np.float32]:
        return weights[prefix + key]

    def dense(key: str, inputs: str, output: str) -> str:
        return graph.node("MatMul", [inputs, graph.constant(f"{output}_weight", weight(f"{key}.weight").T)], output)

    parts = [f"attention.self.{part}" for part in ("query", "key", "value")]
    packed = np.concatenate([weight(f"{part}.weight").T for part in parts], axis=1)
    packed_bias = np.concatenate([weight(f"{part}.bias") for part in parts])
    attended = graph.node(
        "Attention",
        [
            state,
            graph.constant(f"{name}qkv", packed),
            graph.constant(f"{name}qkv_bias", packed_bias),
            "attention_mask",
        ],
        f"{name}attended",
        domain="com.microsoft",
        num_heads=heads,
    )
    state = _add_and_normalise(
        graph,
        weight,
        "attention.output",
        dense("attention.output.dense", attended, f"{name}projected"),
        state,
        f"{name}attention_out",
        epsilon,
    )
    widened = graph.node(
        "BiasGelu",
        [
            dense("intermediate.dense", state, f"{name}wide"),
            graph.constant(f"{name}wide_bias", weight("intermediate.dense.bias")),
        ],
        f"{name}gelu",
        domain="com.microsoft",
    )
    return _add_and_normalise(
        graph, weight, "output", dense("output.dense", widened, f"{name}narrow"), state, f"{name}out", epsilon
    )


def _add_and_normalise(
    graph: _Graph, weight: Any, key: str, update: str, residual: str, output: str, epsilon: float
) -> str:
    return graph.node(
        "SkipLayerNormalization",
        [
            update,
            residual,
            graph.constant(f"{output}_gamma", weight(f"{key}.LayerNorm.weight")),
            graph.constant(f"{output}_beta", weight(f"{key}.LayerNorm.bias")),
            graph.constant(f"{output}_bias", weight(f"{key}.dense.bias")),
        ],
        output,
        domain="com.microsoft",
        epsilon=epsilon,
    )


def _mean_pool(graph: _Graph, state: str) -> None:
    mask = graph.node("Cast", ["attention_mask"], "mask_float", to=TensorProto.FLOAT)
    row = graph.node("Unsqueeze", [mask, graph.constant("axis_one", np.array([1], np.int64))], "mask_row")
    summed = graph.node("MatMul", [row, state], "summed")
    # The sum needs no division by the count: a unit-length vector is the same for the sum and for the mean.
    flat = graph.node("Squeeze", [summed, "axis_one"], "flat")
    graph.node("LpNormalization", [flat], "embedding", axis=-1, p=2)


def write_encoder(weights_file: Path, config: Mapping[str, Any], target: Path) -> None:
    """Convert ``weights_file`` (safetensors) to ONNX at ``target``, atomically: a crash leaves no half file."""
    from safetensors.numpy import load_file

    model = build_encoder(
        load_file(weights_file),
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        epsilon=config["layer_norm_eps"],
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(model.SerializeToString())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
