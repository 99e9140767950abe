"""Store embedding tables in 8 or 4 bits, each row in blocks with a scale of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.export.onnx_graph import drop_unused_weights, uses, weights

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_LEAST_VALUES = 4096
"""Smaller tables (token types) save nothing that their scales do not cost."""

_BLOCK = {8: 128, 4: 32}


def quantize_embeddings(model: ModelProto, bits: int) -> None:
    """Replace look-ups in fp32 tables by GatherBlockQuantized (com.microsoft), in place.

    Symmetric: a value is (q - 2^(bits-1)) · scale of its block. Only the rows that are looked
    up are ever expanded.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    for node in _lookups(graph):
        name = node.input[0]
        table = numpy_helper.to_array(weights(graph)[name])
        packed, scales = pack_rows(table, bits, _BLOCK[bits])
        names = f"{name}_q{bits}", f"{name}_scale"
        if names[0] not in weights(graph):
            graph.initializer.append(numpy_helper.from_array(packed, names[0]))
            graph.initializer.append(numpy_helper.from_array(scales, names[1]))
        _look_up_quantized(node, names, bits)
    if not any(row.domain == "com.microsoft" for row in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    drop_unused_weights(graph)


def pack_rows(
    table: NDArray[np.float32], bits: int, block: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return a (rows, width) table as uint8 (rows, width · bits / 8) and its scales (rows, blocks).

    4-bit values lie two a byte, the even column in the low half.
    """
    rows, width = table.shape
    blocks = -(-width // block)
    padded = np.pad(table, ((0, 0), (0, blocks * block - width))).reshape(rows, blocks, block)
    half = 1 << (bits - 1)
    scales = np.abs(padded).max(axis=-1) / (half - 1)
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    whole = np.rint(padded / scales[..., None]).astype(np.int16) + half
    values = whole.astype(np.uint8).reshape(rows, -1)[:, :width]
    if bits == 4:
        values = values[:, 0::2] | (values[:, 1::2] << 4)
    return np.ascontiguousarray(values), scales


def _lookups(graph: GraphProto) -> list[NodeProto]:
    tables = {
        tensor.name
        for tensor in graph.initializer
        if len(tensor.dims) == 2 and np.prod(tensor.dims) >= _LEAST_VALUES and tensor.data_type == 1
    }
    found = [node for node in graph.node if node.op_type == "Gather" and node.input[0] in tables]
    by_gather: dict[str, int] = {}
    for node in found:
        by_gather[node.input[0]] = by_gather.get(node.input[0], 0) + 1
    used = uses(graph)
    return [node for node in found if used[node.input[0]] == by_gather[node.input[0]]]


def _look_up_quantized(node: NodeProto, names: tuple[str, str], bits: int) -> None:
    from onnx import helper

    settings: dict[str, Any] = {
        "bits": bits,
        "block_size": _BLOCK[bits],
        "gather_axis": 0,
        "quantize_axis": 1,
    }
    inputs = [names[0], node.input[1], names[1]]
    node.CopyFrom(
        helper.make_node(
            "GatherBlockQuantized",
            inputs,
            list(node.output),
            name=node.name,
            domain="com.microsoft",
            **settings,
        )
    )
