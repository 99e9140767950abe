"""Find what prevents TensorRT from building an INT8 engine of a Q/DQ ONNX file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from compress.graph.graph_index import GraphIndex, attribute
from compress.graph.onnx_graph import dense_nodes, read_onnx

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_OPSETS = range(13, 25)
"""Opsets with per-channel Q/DQ that TensorRT 10.13 and later parse."""

_PAIR = ("QuantizeLinear", "DequantizeLinear")
_FLOAT_ONLY = ("Softmax", "Where")


def lint_qdq(path: Path) -> list[str]:
    """Return the findings; empty when the file is ready for a strongly typed INT8 build.

    The file needs zero points 0 of type int8, constant positive scales, weights per output channel,
    no pair around softmax or the mask, standard operators and an opset that TensorRT parses.
    """
    model = read_onnx(path)
    index = GraphIndex(model.graph)
    findings = [*_opset(model), *_domains(index)]
    for node in index.graph.node:
        if node.op_type in _PAIR:
            findings += [*_scale(index, node), *_zero_point(index, node), *_place(index, node)]
    findings += [*_channels(index), *_dense(index)]
    return findings


def _opset(model: ModelProto) -> Iterator[str]:
    for row in model.opset_import:
        if row.domain in ("", "ai.onnx") and row.version not in _OPSETS:
            yield f"opset {row.version}; expected {_OPSETS.start} to {_OPSETS.stop - 1}"


def _domains(index: GraphIndex) -> Iterator[str]:
    for node in index.graph.node:
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.op_type} of domain {node.domain}, which only ONNX Runtime has"


def _scale(index: GraphIndex, node: NodeProto) -> Iterator[str]:
    scale = index.constant(node.input[1])
    if scale is None:
        yield f"{node.name}: its scale is not a constant"
    elif not (scale > 0).all():
        yield f"{node.name}: its scale is not positive"


def _zero_point(index: GraphIndex, node: NodeProto) -> Iterator[str]:
    if len(node.input) < 3 or not node.input[2]:
        if node.op_type == "QuantizeLinear":
            yield f"{node.name}: no zero point, which means uint8; expected int8"
        return
    zero = index.constant(node.input[2])
    if zero is None:
        yield f"{node.name}: its zero point is not a constant"
    elif zero.dtype != "int8":
        yield f"{node.name}: zero point of type {zero.dtype}; expected int8"
    elif zero.any():
        yield f"{node.name}: zero point {zero.ravel()[zero.ravel() != 0][0]}; expected 0"


def _place(index: GraphIndex, node: NodeProto) -> Iterator[str]:
    if node.op_type == "QuantizeLinear":
        maker = index.makers.get(node.input[0])
        if maker is not None and maker.op_type in _FLOAT_ONLY:
            yield f"{node.name}: quantizes the output of {maker.op_type}"
        return
    for reader in index.readers[node.output[0]]:
        if reader.op_type in _FLOAT_ONLY:
            yield f"{node.name}: feeds {reader.op_type} with quantized values"


def _channels(index: GraphIndex) -> Iterator[str]:
    """Check the axis and count of each quantized weight's scales against its reader."""
    for node in index.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in index.tensors:
            continue
        shape = tuple(index.tensors[node.input[0]].dims)
        axis = attribute(node, "axis", 1)
        scale = index.constant(node.input[1])
        count = 0 if scale is None else scale.size
        for reader in index.readers[node.output[0]]:
            expected = _output_axis(reader, len(shape))
            if axis % len(shape) != expected or count != shape[expected]:
                yield (
                    f"{node.name}: {count} scales along axis {axis}; expected one for each of the"
                    f" {shape[expected]} output channels along axis {expected}"
                )


def _output_axis(reader: NodeProto, rank: int) -> int:
    transposed = reader.op_type == "Gemm" and attribute(reader, "transB", 0)
    return rank - 2 if transposed else rank - 1


def _dense(index: GraphIndex) -> Iterator[str]:
    for node in dense_nodes(index.graph):
        yield f"{node.name}: its weight is not quantized"
    if not any(node.op_type == "QuantizeLinear" for node in index.graph.node):
        yield "no Q/DQ pair"
