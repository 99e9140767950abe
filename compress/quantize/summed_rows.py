"""Store a table whose looked-up rows are summed and normalized in 8 bits, with one scale a row.

The sum of rows of integers is one product with the rows' scales, which takes half the time of
expanding every row first. Integers without a sign need no zero point there: what it adds is the
same in all columns, and a normalization over the columns takes that out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.graph.graph_index import GraphIndex, attribute, order_nodes
from compress.graph.onnx_graph import drop_unused_weights
from compress.quantize.embeddings import lookup_tables, pack_rows, quantize_embeddings

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto


def quantize_lookups(model: ModelProto, bits: int) -> None:
    """Store lookup tables in so many bits, in place.

    In 4 bits one scale a row is too coarse, so rows are expanded by blocks there.
    """
    if bits == 8:
        _quantize_summed(model)
    quantize_embeddings(model, bits)


def _quantize_summed(model: ModelProto) -> None:
    index = GraphIndex(model.graph)
    for name in lookup_tables(model.graph):
        lookup = index.reader(name, "Gather")
        total = index.reader(lookup.output[0], "ReduceSum") if lookup else None
        if lookup is None or total is None or not _is_normalized(index, lookup, total):
            continue
        index.redirect(total.output[0], _summed(index, lookup, index.values(name)))
        order_nodes(model.graph)
        drop_unused_weights(model.graph)
        index = GraphIndex(model.graph)


def _is_normalized(index: GraphIndex, lookup: NodeProto, total: NodeProto) -> bool:
    """Tell whether rows (batch, tokens, width) are summed over the tokens, then normalized."""
    axes = index.constant(total.input[1]) if len(total.input) > 1 else None
    tokens = axes is not None and axes.tolist() == [1] and not attribute(total, "keepdims", 1)
    norm = index.reader(total.output[0], "LayerNormalization")
    over_width = norm is not None and attribute(norm, "axis", -1) == -1
    rows = attribute(lookup, "axis", 0) == 0 and len(index.values(lookup.input[0]).shape) == 2
    return tokens and over_width and rows


def _summed(index: GraphIndex, lookup: NodeProto, table: NDArray[np.float32]) -> str:
    """Add the sum of rows of integers, weighted by the rows' scales; return its name."""
    from onnx import TensorProto

    name, ids = lookup.input[0], lookup.input[1]
    packed, scales = pack_rows(table, 8, table.shape[1])
    rows = index.add_constant(f"{name}_q8", packed)
    scales[~table.any(axis=1)] = 0.0  # a row of padding adds nothing, to any column
    weights = index.add_constant(f"{name}_scale", scales[:, 0])
    found = index.add_node("Gather", [rows, ids], f"{name}_rows")
    numbers = index.add_node("Cast", [found], f"{name}_numbers", to=TensorProto.FLOAT)
    weight = index.add_node("Gather", [weights, ids], f"{name}_weights")
    axis = index.add_constant(f"{name}_sum_axis", np.array([1], dtype=np.int64))
    line = index.add_node("Unsqueeze", [weight, axis], f"{name}_weight_row")
    summed = index.add_node("MatMul", [line, numbers], f"{name}_sum_row")
    return index.add_node("Squeeze", [summed, axis], f"{name}_sum")
