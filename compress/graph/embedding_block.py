"""Reduce the embedding block to words and positions: token types are constant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.graph.graph_index import GraphIndex, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

TYPES = "token_type_ids"


def drop_token_types(index: GraphIndex) -> None:
    """Use type 0 for every token: its vector becomes a constant, and the input is removed.

    This is correct for single texts if the tokenizer gives every token type 0 (`Opening.one_type`).
    """
    names = [value.name for value in index.graph.input]
    for node in list(index.graph.node):
        table = index.constant(node.input[0]) if node.op_type == "Gather" else None
        if table is None or not _is_type(index, node.input[1]) or attribute(node, "axis", 0):
            continue
        index.redirect(node.output[0], index.add_constant(f"{node.output[0]}_type_0", table[0]))
    if TYPES in names:
        for node in list(index.readers[TYPES]):  # the remaining nodes read its shape
            assert node.op_type in ("Shape", "Gather")
        index.redirect(TYPES, "input_ids")
        del index.graph.input[names.index(TYPES)]


def _is_type(index: GraphIndex, name: str) -> bool:
    """Tell whether a value holds token types: the input, or the model's own zeros."""
    if name == TYPES:
        return True
    node = index.maker(name, "GatherElements", "Expand")
    if node is None:
        return False
    source = index.constant(node.input[0])
    return not source.any() if source is not None else _is_type(index, node.input[0])


def cut_positions(index: GraphIndex, max_length: int) -> None:
    """Drop the positions that no text reaches, and add constant vectors to the others."""
    for node in list(index.graph.node):
        ids = index.maker(node.input[1], "Slice", "Add") if node.op_type == "Gather" else None
        table = index.constant(node.input[0]) if ids is not None else None
        if ids is None or table is None or len(index.readers[node.input[0]]) > 1:
            continue
        rows = _reached(index, ids, max_length)
        if rows is None:
            continue
        kept = table[:rows] + _constant_addend(index, node)
        if (kept == kept[0]).all():  # a model without positions
            index.redirect(node.output[0], index.add_constant(f"{node.output[0]}_row", kept[0]))
            continue
        node.input[0] = index.add_constant(f"{node.input[0]}_to_{max_length}", kept)


def _reached(index: GraphIndex, ids: NodeProto, max_length: int) -> int | None:
    """Return how many rows of a position table are used at most."""
    if ids.op_type == "Slice":
        order = index.constant(ids.input[0])
        if order is None or order.shape[0] != 1 or (order[0] != np.arange(order.shape[1])).any():
            return None
        ids.input[0] = index.add_constant(f"{ids.input[0]}_to_{max_length}", order[:, :max_length])
        return max_length
    offset = index.constant(ids.input[1])  # RoBERTa counts from the padding's id on
    counted = index.maker(ids.input[0], "Cast", "Mul")
    return None if offset is None or counted is None else max_length + int(offset) + 1


def _constant_addend(
    index: GraphIndex, node: NodeProto
) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """Remove the type vector from word + type + position, and return it."""
    total = index.reader(node.output[0], "Add")
    rest = total and index.maker(next(iter({*total.input} - {node.output[0]})), "Add")
    constants = [name for name in rest.input if name in index.tensors] if rest else []
    if (
        total is None
        or rest is None
        or len(constants) != 1
        or not index.reader(rest.output[0], "Add")
    ):
        return np.zeros(1, dtype=np.float32)
    (word,) = {*rest.input} - {*constants}
    index.redirect(rest.output[0], word)
    return index.values(constants[0])
