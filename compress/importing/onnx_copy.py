"""Copy another tool's ONNX model, and read its properties from the graph."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compress.graph.onnx_graph import read_onnx
from compress.importing.copied import POSITIONS, Copied, Weights, precision_of
from runtimes.errors import UnsupportedError
from runtimes.onnx_external import check_external_data, external_locations

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

MODEL = "model.onnx"
_DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc")
"""The domains of ONNX Runtime's operators; other operators need another library."""

_PACKED = {"MatMulNBits": 4, "GatherBlockQuantized": 4}
"""Operators with weights packed in bytes, and their default number of bits."""

_SIDE_INPUTS = {
    "DequantizeLinear": 1,
    "QuantizeLinear": 1,
    "MatMulNBits": 2,
    "GatherBlockQuantized": 2,
    "MatMulInteger": 2,
}
"""The first input of an operator that is a scale or a zero point."""

_TABLES = ("Gather", "GatherBlockQuantized", "EmbedLayerNormalization", "QEmbedLayerNormalization")


def copy_onnx(source: Path, folder: Path) -> Copied:
    """Write model.onnx, and its weights beside it as *.onnx.data, into a folder.

    The file is copied byte for byte unless it has int32 inputs or weights under another name.
    Raises ArtifactError on a damaged file or weights outside its folder, UnsupportedError on
    operators that need a library of their own.
    """
    model = read_onnx(source, weights=False)
    _check_domains(source, model)
    graph = model.graph
    widened = _widen_inputs(graph)
    renamed = _rename_weights(source, model, folder)
    if widened or renamed:
        (folder / MODEL).write_bytes(model.SerializeToString())
        check_external_data(folder / MODEL)
    else:
        shutil.copyfile(source, folder / MODEL)
    weights = list(_weights(graph))
    return Copied(
        precision=precision_of(weights),
        parameters=sum(row.elements for row in weights),
        positions=_positions(graph),
        producer=f"{model.producer_name} {model.producer_version}".strip(),
        widened=widened,
    )


def _check_domains(source: Path, model: ModelProto) -> None:
    own = {(function.domain, function.name) for function in model.functions}
    for node in _nodes(model.graph):
        if node.domain not in _DOMAINS and (node.domain, node.op_type) not in own:
            raise UnsupportedError(
                f"{source}: the operator {node.op_type!r} of {node.domain!r}",
                expected="operators that ONNX Runtime brings; edgepress loads no other library",
                action="export the model without custom operators",
            )


def _widen_inputs(graph: GraphProto) -> tuple[str, ...]:
    """Make int32 inputs take int64, like all tokenizer ids here; return their names."""
    from onnx import TensorProto, helper

    constants = {tensor.name for tensor in graph.initializer}
    narrow = [
        value
        for value in graph.input
        if value.type.tensor_type.elem_type == TensorProto.INT32 and value.name not in constants
    ]
    casts = []
    for value in narrow:
        name = f"{value.name}_int32"
        _replace_input(graph, value.name, name)
        casts.append(helper.make_node("Cast", [value.name], [name], name, to=TensorProto.INT32))
        value.type.tensor_type.elem_type = TensorProto.INT64
    nodes = [*casts, *graph.node]
    if casts:
        del graph.node[:]
        graph.node.extend(nodes)
    return tuple(value.name for value in narrow)


def _replace_input(graph: GraphProto, old: str, new: str) -> None:
    for node in _nodes(graph):
        for place, name in enumerate(node.input):
            if name == old:
                node.input[place] = new


def _rename_weights(source: Path, model: ModelProto, folder: Path) -> bool:
    """Copy external weights under names that belong to model.onnx; tell whether names changed."""
    places = sorted(external_locations(source))
    names = {place: f"model-{number}.onnx.data" for number, place in enumerate(places)}
    if len(places) == 1:
        names = {places[0]: f"{MODEL}.data"}
    for place, name in names.items():
        shutil.copyfile(source.parent / place, folder / name)
    if all(place == name for place, name in names.items()):
        return False
    for tensor in _tensors(model.graph):
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = names[entry.value]
    return True


def _nodes(graph: GraphProto) -> Iterator[NodeProto]:
    """Yield the nodes of a graph and of those inside its nodes."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in _graphs(attribute):
                yield from _nodes(inner)


def _graphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def _tensors(graph: GraphProto) -> Iterator[TensorProto]:
    """Yield the constants of a graph and of those inside its nodes."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            for inner in _graphs(attribute):
                yield from _tensors(inner)


def _weights(graph: GraphProto) -> Iterator[Weights]:
    """Yield the constants that are parameters: no indices, shapes, scales or zero points."""
    readers = _readers(graph)
    for name, tensor in _constants(graph).items():
        reading = readers.get(name, [])
        if any(place >= _SIDE_INPUTS.get(node.op_type, place + 1) for node, place in reading):
            continue
        node = next((node for node, _ in reading), None)
        kind = node.op_type if node else ""
        product = kind not in _TABLES and not _feeds_a_table(node, readers)
        bits = _bits(node) if kind in _PACKED else 0
        dtype = f"int{bits}" if bits else _dtype(tensor)
        if dtype:
            elements = math.prod(tensor.dims) * (8 // bits if bits else 1)
            yield Weights(dtype, elements, product and len(tensor.dims) > 1)


def _constants(graph: GraphProto) -> Mapping[str, TensorProto]:
    """Return the constants by the name that nodes read them by."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    constants[node.output[0]] = attribute.t
    return constants


def _readers(graph: GraphProto) -> Mapping[str, list[tuple[NodeProto, int]]]:
    """Return for each value the nodes that read it, with the index of the input."""
    readers: dict[str, list[tuple[NodeProto, int]]] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            readers.setdefault(name, []).append((node, place))
    return readers


def _feeds_a_table(
    node: NodeProto | None, readers: Mapping[str, list[tuple[NodeProto, int]]]
) -> bool:
    """Tell whether a node's result on weights, such as dequantized values, is a table."""
    if node is None or node.op_type not in ("DequantizeLinear", "Cast"):
        return False
    return any(reader.op_type in _TABLES for reader, _ in readers.get(node.output[0], []))


def _bits(node: Any) -> int:
    known = {attribute.name: attribute.i for attribute in node.attribute}
    return int(known.get("bits", _PACKED[node.op_type]))


def _dtype(tensor: TensorProto) -> str:
    """Return how a parameter is stored, "" for other constants."""
    from onnx import TensorProto

    kinds = {
        "fp32": (TensorProto.FLOAT, TensorProto.DOUBLE),
        "fp16": (TensorProto.FLOAT16, TensorProto.BFLOAT16),
        "int8": (TensorProto.INT8, TensorProto.UINT8),
        "int4": (TensorProto.INT4, TensorProto.UINT4),
    }
    return next((name for name, types in kinds.items() if tensor.data_type in types), "")


def _positions(graph: GraphProto) -> int | None:
    rows = [
        tensor.dims[0]
        for tensor in graph.initializer
        if POSITIONS in tensor.name and len(tensor.dims) == 2 and tensor.dims[0] > 1
    ]
    return max(rows, default=None)
