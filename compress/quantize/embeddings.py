"""Store embedding tables in 8 or 4 bits, in blocks with their own scales."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.graph.onnx_graph import drop_unused_weights, uses, weights

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto

_LEAST_VALUES = 4096
"""Smaller tables (token types) save less than their scales cost."""

_LEAST_WIDTH = 16
"""The smallest block that GatherBlockQuantized takes."""

BLOCK = {8: 128, 4: 32}
"""The columns that share a scale: wider blocks of 4 bits lose accuracy and save few bytes."""


def quantize_embeddings(model: ModelProto, bits: int) -> None:
    """Replace lookups in fp32 tables by GatherBlockQuantized (com.microsoft), in place.

    A value is (q - 2^(bits-1)) · scale of its block along the last axis. Only the rows that are
    read are expanded. The largest table, that of the pieces, gets `bits`, and every other 8:
    positions would add an error as large as that of the pieces, and their table is small.
    """
    from onnx import helper, numpy_helper

    graph = model.graph
    tables = {name: numpy_helper.to_array(weights(graph)[name]) for name in lookup_tables(graph)}
    largest = max(tables, key=lambda name: tables[name].size, default="")
    for name, table in tables.items():
        width = bits if name == largest else 8
        lead = table.shape[:-1]
        packed, scales = pack_rows(table.reshape(-1, table.shape[-1]), width, BLOCK[width])
        packed, scales = packed.reshape(*lead, -1), scales.reshape(*lead, -1)
        names = f"{name}_q{width}", f"{name}_scale"
        graph.initializer.append(numpy_helper.from_array(packed, names[0]))
        graph.initializer.append(numpy_helper.from_array(scales, names[1]))
        for node in [node for node in graph.node if node.input[:1] == [name]]:
            _look_up_quantized(graph, node, names, width, table.ndim - 1)
    if not any(row.domain == "com.microsoft" for row in model.opset_import):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    drop_unused_weights(graph)


def pack_rows(
    table: NDArray[np.float32], bits: int, block: int
) -> tuple[NDArray[np.uint8], NDArray[Any]]:
    """Return a (rows, width) table as uint8 (rows, width · bits / 8) and its scales (rows, blocks).

    Scales are fp16 for 4 bits, where fp32 scales would add a quarter of the size, else fp32. The
    value furthest from 0 in a block becomes the lowest integer, -2^(bits-1), so a scale has the
    opposite sign of that value: this uses all integers, a symmetric range leaves one out. Two 4-bit
    values share a byte, the even column in the low half.
    """
    rows, width = table.shape
    blocks = -(-width // block)
    padded = np.pad(table, ((0, 0), (0, blocks * block - width))).reshape(rows, blocks, block)
    half = 1 << (bits - 1)
    low, high = padded.min(axis=-1), padded.max(axis=-1)
    furthest = np.where(-low > high, low, high)
    scales = (furthest / -half).astype(np.float16 if bits == 4 else np.float32)
    scales[scales == 0] = 1.0
    whole = np.rint(padded / scales[..., None].astype(np.float32)).clip(-half, half - 1) + half
    values = whole.astype(np.uint8).reshape(rows, -1)[:, :width]
    if bits == 8:
        return np.ascontiguousarray(values), scales
    return values[:, 0::2] | (values[:, 1::2] << np.uint8(4)), scales


def lookup_tables(graph: GraphProto) -> list[str]:
    """Return the large fp32 tables that are used for lookups only."""
    used, looked_up = (
        uses(graph),
        Counter(node.input[0] for node in graph.node if node.op_type == "Gather"),
    )
    return [
        tensor.name
        for tensor in graph.initializer
        if len(tensor.dims) in (2, 3)
        and tensor.dims[-1] >= _LEAST_WIDTH
        and tensor.dims[-1] % 2 == 0
        if np.prod(tensor.dims) >= _LEAST_VALUES and tensor.data_type == 1
        if 0 < looked_up[tensor.name] == used[tensor.name]
    ]


def _look_up_quantized(
    graph: GraphProto, node: NodeProto, names: tuple[str, str], bits: int, axis: int
) -> None:
    from onnx import TensorProto, helper

    looked_up = f"{node.output[0]}_fp16" if bits == 4 else node.output[0]
    replacement = helper.make_node(
        "GatherBlockQuantized",
        [names[0], node.input[1], names[1]],
        [looked_up],
        name=node.name,
        domain="com.microsoft",
        bits=bits,
        block_size=BLOCK[bits],
        gather_axis=0,
        quantize_axis=axis,
    )
    if bits == 4:  # the result has the type of the scales
        cast = helper.make_node("Cast", [looked_up], list(node.output), to=TensorProto.FLOAT)
        graph.node.insert(list(graph.node).index(node) + 1, cast)
    node.CopyFrom(replacement)
