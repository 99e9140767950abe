"""Write a bag student as an ONNX graph: lookup, sum, norm, and products."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from compress.graph.onnx_graph import LOGITS, OPSET, save_onnx

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto
    from torch import nn

    from compress.bag.network import Bag, Block

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
        _normalization("sum", "norm", bag.norm, "normalized"),
    ]
    reached = "normalized"
    for place, block in enumerate(cast("list[Block]", list(bag.blocks))):
        name = f"block_{place}"
        constants |= _layer(f"{name}_norm", block.norm)
        constants |= _product(f"{name}_inner", block.inner)
        constants |= _product(f"{name}_outer", block.outer)
        nodes += _ffn(reached, f"{name}_inner", f"{name}_outer", f"{name}_changed")
        nodes += [node("Add", [reached, f"{name}_changed"], [f"{name}_sum"], name=f"{name}_add")]
        nodes += [_normalization(f"{name}_sum", f"{name}_norm", block.norm, name)]
        reached = name
    nodes += _ffn(reached, "inner", "outer", LOGITS)
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


def _ffn(source: str, inner: str, outer: str, made: str) -> list[NodeProto]:
    """Return two products with an activation between them, by the names of their tensors."""
    from onnx import helper

    node = helper.make_node
    return [
        node("MatMul", [source, f"{inner}_weight"], [f"{inner}_product"], name=inner),
        node("Add", [f"{inner}_product", f"{inner}_bias"], [f"{inner}_sum"], name=f"{inner}_add"),
        node("Gelu", [f"{inner}_sum"], [f"{inner}_active"], name=f"{inner}_activation"),
        node("MatMul", [f"{inner}_active", f"{outer}_weight"], [f"{outer}_product"], name=outer),
        node("Add", [f"{outer}_product", f"{outer}_bias"], [made], name=f"{outer}_add"),
    ]


def _normalization(source: str, name: str, layer: nn.LayerNorm, made: str) -> NodeProto:
    from onnx import helper

    given = [source, f"{name}_weight", f"{name}_bias"]
    return helper.make_node("LayerNormalization", given, [made], name=name, epsilon=layer.eps)


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
