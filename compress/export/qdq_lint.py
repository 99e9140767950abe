"""Find what keeps TensorRT from building an INT8 engine of a Q/DQ ONNX file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.export.onnx_graph import dense_nodes, read_onnx, weights

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from onnx import ModelProto, NodeProto

_OPSETS = range(13, 25)
"""Opsets with per-channel Q/DQ that TensorRT 10.13 and later parse."""

_PAIR = ("QuantizeLinear", "DequantizeLinear")
_FLOAT_ONLY = ("Softmax", "Where")


@dataclass(frozen=True, slots=True)
class _Graph:
    """Index a graph by what makes and what reads each value."""

    nodes: tuple[NodeProto, ...]
    constants: dict[str, NDArray[Any]]
    makers: dict[str, NodeProto]
    readers: dict[str, list[NodeProto]]

    @classmethod
    def of(cls, model: ModelProto) -> _Graph:
        from onnx import numpy_helper

        found = weights(model.graph)
        constants = {name: numpy_helper.to_array(tensor) for name, tensor in found.items()}
        makers = {name: node for node in model.graph.node for name in node.output}
        readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                readers.setdefault(name, []).append(node)
        return cls(tuple(model.graph.node), constants, makers, readers)


def lint_qdq(path: Path) -> list[str]:
    """Return findings, empty when the file is ready for a strongly typed INT8 build.

    Zero points 0 and of type int8, constant positive scales, weights per output channel, no
    pair around softmax or the mask, standard operators and an opset that TensorRT parses.
    """
    model = read_onnx(path)
    graph = _Graph.of(model)
    findings = [*_opset(model), *_domains(graph)]
    for node in graph.nodes:
        if node.op_type in _PAIR:
            findings += [*_scale(graph, node), *_zero_point(graph, node), *_place(graph, node)]
    findings += [*_channels(graph), *_dense(graph, model)]
    return findings


def _opset(model: ModelProto) -> Iterator[str]:
    for row in model.opset_import:
        if row.domain in ("", "ai.onnx") and row.version not in _OPSETS:
            yield f"opset {row.version}; expected {_OPSETS.start} to {_OPSETS.stop - 1}"


def _domains(graph: _Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.op_type} of domain {node.domain}, which only ONNX Runtime has"


def _scale(graph: _Graph, node: NodeProto) -> Iterator[str]:
    scale = graph.constants.get(node.input[1])
    if scale is None:
        yield f"{node.name}: its scale is not a constant"
    elif not (scale > 0).all():
        yield f"{node.name}: its scale is not positive"


def _zero_point(graph: _Graph, node: NodeProto) -> Iterator[str]:
    if len(node.input) < 3 or not node.input[2]:
        if node.op_type == "QuantizeLinear":
            yield f"{node.name}: no zero point, which means uint8; expected int8"
        return
    zero = graph.constants.get(node.input[2])
    if zero is None:
        yield f"{node.name}: its zero point is not a constant"
    elif zero.dtype != "int8":
        yield f"{node.name}: zero point of type {zero.dtype}; expected int8"
    elif zero.any():
        yield f"{node.name}: zero point {zero.ravel()[zero.ravel() != 0][0]}; expected 0"


def _place(graph: _Graph, node: NodeProto) -> Iterator[str]:
    if node.op_type == "QuantizeLinear":
        maker = graph.makers.get(node.input[0])
        if maker is not None and maker.op_type in _FLOAT_ONLY:
            yield f"{node.name}: quantizes the output of {maker.op_type}"
        return
    for reader in graph.readers.get(node.output[0], []):
        if reader.op_type in _FLOAT_ONLY:
            yield f"{node.name}: feeds {reader.op_type} with quantized values"


def _channels(graph: _Graph) -> Iterator[str]:
    """Check the axis and count of each quantized weight's scales against its reader."""
    for node in graph.nodes:
        if node.op_type != "DequantizeLinear" or node.input[0] not in graph.constants:
            continue
        shape = graph.constants[node.input[0]].shape
        axis = next((row.i for row in node.attribute if row.name == "axis"), 1)
        for reader in graph.readers.get(node.output[0], []):
            expected = _output_axis(reader, len(shape))
            count = graph.constants[node.input[1]].size if node.input[1] in graph.constants else 0
            if axis % len(shape) != expected or count != shape[expected]:
                yield (
                    f"{node.name}: {count} scales along axis {axis}; expected one for each of the"
                    f" {shape[expected]} output channels along axis {expected}"
                )


def _output_axis(reader: NodeProto, rank: int) -> int:
    transposed = any(row.name == "transB" and row.i for row in reader.attribute)
    return rank - 2 if reader.op_type == "Gemm" and transposed else rank - 1


def _dense(graph: _Graph, model: ModelProto) -> Iterator[str]:
    for node in dense_nodes(model.graph):
        yield f"{node.name}: its weight is not quantized"
    if not any(node.op_type == "QuantizeLinear" for node in graph.nodes):
        yield "no Q/DQ pair"
