"""Add work of an ONNX classifier's own kind to its graph, without changing its results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from runtimes.artifact import Artifact, read_artifact, write_like
from runtimes.errors import UnsupportedError
from runtimes.files import new_folder
from runtimes.listed import MANIFEST

_SCALE = 1e-30


@dataclass(frozen=True, slots=True)
class DenseNode:
    """Name a dense layer's node by its index, and the width of its weights."""

    node: int
    columns: int
    weights: int


def slow_copy(source: Artifact, columns: int, target: Path) -> Artifact:
    """Write a copy of an ONNX artifact that computes so many columns of dense layers twice.

    0 columns make a plain copy. Raises UnsupportedError when the graph has no dense layer with
    constant weights, or fewer columns.
    """
    import onnx

    with new_folder(target) as folder:
        source.copy(folder)
        if columns:
            (folder / MANIFEST).unlink()
            model = onnx.load(source.model_file, load_external_data=False)
            add_work(model, columns)
            onnx.save(model, folder / source.model_file.name)
            write_like(source, folder)
    return read_artifact(target)


def add_work(model: Any, columns: int) -> None:
    """Compute `columns` columns of the graph's dense layers again, the largest layers first.

    Their sum is added to the output `logits`, or the first one, scaled so that it changes none.
    Raises UnsupportedError as `slow_copy` does.
    """
    layers = dense_layers(model)
    # The runtime would find and merge a layer that is computed again as a whole.
    if columns > (most := sum(layer.columns - 1 for layer in layers)):
        raise UnsupportedError(
            f"{columns} more columns asked for; the graph has {most}", action="ask for fewer"
        )
    sums = []
    for layer in layers:
        taken = min(columns, layer.columns - 1)
        if taken:
            sums.append(_again(model.graph, layer, taken))
        columns -= taken
    _add_to_logits(model.graph, sums)


def dense_layers(model: Any) -> list[DenseNode]:
    """List the nodes that multiply by constant weights (rows, columns), the largest first.

    A layer that processes the whole row comes before a pooler or a head: its weights are larger.
    """
    shapes = {weights.name: tuple(weights.dims) for weights in model.graph.initializer}
    layers = [
        DenseNode(place, shapes[node.input[1]][1], int(np.prod(shapes[node.input[1]])))
        for place, node in enumerate(model.graph.node)
        if node.op_type in ("MatMul", "MatMulInteger") and len(shapes.get(node.input[1], ())) == 2
    ]
    if not layers:
        raise UnsupportedError(
            "the graph has no MatMul or MatMulInteger with constant weights to do more of",
            expected="an fp32 or dynamically quantized transformer",
            action="give such a model",
        )
    return sorted(layers, key=lambda layer: (-layer.weights, layer.node))


def _again(graph: Any, layer: DenseNode, columns: int) -> str:
    """Add a dense layer's first columns once more; return the name of their sum, (batch, 1)."""
    from onnx import TensorProto, helper

    node = graph.node[layer.node]
    name = f"again_{layer.node}"
    inputs = list(node.input)
    ranks = {weights.name: len(weights.dims) for weights in graph.initializer}
    for place in (1, 3):  # the weights; their zero points, where each column has one
        if place < len(inputs) and ranks.get(inputs[place]):
            inputs[place] = _first(graph, inputs[place], columns, f"{name}_{place}")
    graph.node.append(helper.make_node(node.op_type, inputs, [f"{name}_out"], f"{name}_out"))
    _chain(
        graph,
        f"{name}_out",
        (f"{name}_float", "Cast", (), {"to": TensorProto.FLOAT}),
        (f"{name}_flat", "Flatten", (), {"axis": 1}),
        (f"{name}_sum", "ReduceSum", (_constant(graph, f"{name}_axis", [1]),), {"keepdims": 1}),
    )
    return f"{name}_sum"


def _first(graph: Any, weights: str, columns: int, name: str) -> str:
    """Slice the last axis of a constant; the runtime does so once, when it loads the graph."""
    from onnx import helper

    ends = [_constant(graph, f"{name}_{key}", [at]) for key, at in (("from", 0), ("to", columns))]
    axis = _constant(graph, f"{name}_axis", [-1])
    graph.node.append(helper.make_node("Slice", [weights, *ends, axis], [name], name))
    return name


def _add_to_logits(graph: Any, sums: Sequence[str]) -> None:
    from onnx import helper

    outputs = [output.name for output in graph.output]
    logits = "logits" if "logits" in outputs else outputs[0]
    for node in graph.node:
        for place, name in enumerate(node.output):
            if name == logits:
                node.output[place] = "logits_before"
    total = sums[0]
    for place, one in enumerate(sums[1:]):
        graph.node.append(helper.make_node("Add", [total, one], [f"again_total_{place}"]))
        total = f"again_total_{place}"
    scale = _constant(graph, "again_scale", _SCALE)
    graph.node.append(helper.make_node("Mul", [total, scale], ["again_scaled"]))
    graph.node.append(helper.make_node("Add", ["logits_before", "again_scaled"], [logits]))


def _chain(
    graph: Any, start: str, *steps: tuple[str, str, tuple[str, ...], Mapping[str, Any]]
) -> None:
    from onnx import helper

    for name, kind, others, attributes in steps:
        graph.node.append(helper.make_node(kind, [start, *others], [name], name, **attributes))
        start = name


def _constant(graph: Any, name: str, value: float | list[int]) -> str:
    from onnx import numpy_helper

    array = np.array(value, dtype=np.int64 if isinstance(value, list) else np.float32)
    graph.initializer.append(numpy_helper.from_array(array, name))
    return name
