"""Express lengths and masks with as few nodes as possible."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.graph.graph_index import GraphIndex, Shape, attribute

if TYPE_CHECKING:
    from onnx import NodeProto

_BOOL = 9
"""onnx.TensorProto.BOOL."""


def fix_reshapes(index: GraphIndex, shapes: dict[str, Shape]) -> None:
    """Give reshapes constant lengths: 0 keeps the input's length, one -1 takes the rest."""
    for node in index.graph.node:
        if node.op_type != "Reshape" or node.input[1] in index.tensors:
            continue
        before, after = (shapes.get(name, ()) for name in (node.input[0], node.output[0]))
        lengths = [
            length
            if isinstance(length, int)
            else 0
            if before[place : place + 1] == (length,)
            else -1
            for place, length in enumerate(after)
        ]
        if not lengths or lengths.count(-1) > 1 or 0 in after:
            continue
        node.input[1] = index.add_constant(f"{node.output[0]}_lengths", np.array(lengths))
        kept = [one for one in node.attribute if one.name != "allowzero"]
        del node.attribute[:]
        node.attribute.extend(kept)


def join_constant_additions(index: GraphIndex) -> None:
    """Merge two constants that are added one after the other."""
    for node in index.graph.node:
        first = index.maker(node.input[0], "Add") if node.op_type == "Add" else None
        if first is None or not index.reader(first.output[0], "Add"):
            continue
        parts = index.constant(node.input[1]), index.constant(first.input[1])
        if parts[0] is None or parts[1] is None:
            continue
        total = parts[0] + parts[1]
        if total.shape[-1:] != (total.size,):  # one row: products take a bias in this form
            continue
        node.input[1] = index.add_constant(f"{node.output[0]}_constant", total.ravel())
        node.input[0] = first.input[0]


def lift_mask(index: GraphIndex) -> None:
    """Compute the additive mask on (batch, tokens), and give each reader the axes it needs.

    The mask holds 0 and 1, so no conversion through booleans is needed.
    """
    for node in list(index.readers["attention_mask"]):
        chain = [node] if node.op_type == "Cast" and attribute(node, "to") == _BOOL else []
        for kind in ("Unsqueeze", "Cast", "Sub", "Mul"):
            reader = index.reader(chain[-1].output[0], kind) if chain else None
            chain = [*chain, reader] if reader is not None else []
        if chain:
            _lift(index, *chain[1:])


def _lift(
    index: GraphIndex, unsqueeze: NodeProto, cast: NodeProto, one: NodeProto, floor: NodeProto
) -> None:
    name = floor.output[0]
    to = attribute(cast, "to")
    mask = index.add_node("Cast", ["attention_mask"], f"{name}_float", to=to)
    mask = index.add_node("Sub", [one.input[0], mask], f"{name}_padding")
    mask = index.add_node("Mul", [mask, floor.input[1]], f"{name}_flat")
    rows = [node for node in index.readers[name] if node.op_type == "Squeeze"]
    if rows:
        axis = index.add_constant(f"{name}_axis", np.array([1]))
        row = index.add_node("Unsqueeze", [mask, axis], f"{name}_of_row")
        for node in rows:
            index.redirect(node.output[0], row)
    index.redirect(name, index.add_node("Unsqueeze", [mask, unsqueeze.input[1]], f"{name}_of_all"))
