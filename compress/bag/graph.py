"""Write a bag student as an ONNX graph: lookup, sum, norm, and two products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.graph.onnx_graph import LOGITS, OPSET, save_onnx

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto
    from torch import nn

    from compress.bag.network import Bag

IDS = "input_ids"
_IR_VERSION = 10
"""The one that came with the opset; newer ones are refused by runtimes that know the opset."""


def write_graph(bag: Bag, path: Path) -> None:
    """Write the graph: int64 (batch, sequence) to fp32 logits (batch, classes)."""
    save_onnx(_model(bag), path)


def _model(bag: Bag) -> ModelProto:
    from onnx import TensorProto, helper, numpy_helper

    constants: dict[str, NDArray[Any]] = {
        "vectors": bag.folded_vectors().numpy(),
        "tokens": np.array([1], dtype=np.int64),
        **_layer("norm", bag.norm),
        **_product("inner", bag.inner),
        **_product("outer", bag.outer),
    }
    node = helper.make_node
    nodes = [
        node("Gather", ["vectors", IDS], ["found"], name="lookup"),
        node("ReduceSum", ["found", "tokens"], ["sum"], name="sum", keepdims=0),
        node(
            "LayerNormalization",
            ["sum", "norm_weight", "norm_bias"],
            ["normalized"],
            name="norm",
            epsilon=bag.norm.eps,
        ),
        node("MatMul", ["normalized", "inner_weight"], ["inner_product"], name="inner"),
        node("Add", ["inner_product", "inner_bias"], ["inner_sum"], name="inner_add"),
        node("Gelu", ["inner_sum"], ["active"], name="activation"),
        node("MatMul", ["active", "outer_weight"], ["outer_product"], name="outer"),
        node("Add", ["outer_product", "outer_bias"], [LOGITS], name="outer_add"),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "bag",
        [info(IDS, TensorProto.INT64, ["batch", "sequence"])],
        [info(LOGITS, TensorProto.FLOAT, ["batch", bag.outer.out_features])],
        [
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in constants.items()
        ],
    )
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_IR_VERSION)


def _layer(name: str, layer: nn.LayerNorm | nn.Linear) -> dict[str, NDArray[np.float32]]:
    """Return a layer's weight and bias by the names of their tensors."""
    return {
        f"{name}_weight": layer.weight.detach().numpy(),
        f"{name}_bias": layer.bias.detach().numpy(),
    }


def _product(name: str, layer: nn.Linear) -> dict[str, NDArray[np.float32]]:
    """Return a layer's tensors, with the weight as MatMul takes it."""
    tensors = _layer(name, layer)
    return {**tensors, f"{name}_weight": tensors[f"{name}_weight"].T}
