"""Compute before deployment everything that the first token's embedding alone decides.

Every text begins with the same token at the same position. So in a model of one layer, all values
of that token before attention, above all the query, are the same for every text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from compress.graph.evaluated import evaluator
from compress.graph.graph_index import GraphIndex, attribute

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_ALIKE = frozenset(("Add", "Sub", "Mul", "Div", "Cast", "Equal", "Not", "Tanh", "Gelu"))
"""Operators that compute each token independently."""


def fold_first_token(model: ModelProto, first_id: int) -> None:
    """Replace values that depend on the first token's id alone by constants of batch 1.

    This is correct if every row begins with `first_id` (`Opening.first_id`).
    """
    index = GraphIndex(model.graph)
    fixed = _fixed_values(index)
    read = {
        name
        for node in model.graph.node
        if node.output[0] not in fixed
        for name in node.input
        if name in fixed
    }
    ids = np.array([[first_id, first_id]], dtype=np.int64)  # later tokens do not affect them
    values = evaluator(model, sorted(read))(ids) if read else {}
    for name, value in values.items():
        index.redirect(name, index.add_constant(f"{name}_fixed", value))


def _fixed_values(index: GraphIndex) -> set[str]:
    """Return the first token's values that do not depend on other tokens."""
    fixed: set[str] = set()
    for node in index.graph.node:
        if _takes_first(index, node):
            constant = _is_local(index, node.input[0])
        else:
            constant = bool(fixed.intersection(node.input)) and all(
                name in fixed or name in index.tensors for name in node.input
            )
        if constant and not index.outputs.intersection(node.output):
            fixed.update(node.output)
    return fixed


def _takes_first(index: GraphIndex, node: NodeProto) -> bool:
    """Tell whether a node is the cut that `read_first_token` makes at (batch, tokens, width)."""
    if node.op_type != "Slice" or len(node.input) != 4:
        return False
    return [_whole(index, name) for name in node.input[1:]] == [[0], [1], [1]]


def _is_local(index: GraphIndex, name: str) -> bool:
    """Tell whether a value at token 0 depends on the ids at token 0 alone.

    Constants are equal at every token, or begin at token 0.
    """
    if name == "input_ids" or name in index.tensors:
        return True
    node = index.makers.get(name)
    if node is None:
        return False
    if node.op_type in _ALIKE:
        return all(_is_local(index, one) for one in node.input)
    if node.op_type == "LayerNormalization":
        return attribute(node, "axis", -1) == -1 and _is_local(index, node.input[0])
    if node.op_type == "CumSum":
        onward = not attribute(node, "reverse", 0) and _whole(index, node.input[1]) == [1]
        return onward and _is_local(index, node.input[0])
    if node.op_type == "Slice":
        starts = _whole(index, node.input[1])
        return (
            starts == [0]
            and all(_whole(index, one) == [1] for one in node.input[3:])
            and (_is_local(index, node.input[0]))
        )
    if node.op_type == "Gather":
        return node.input[0] in index.tensors and _is_local(index, node.input[1])
    return (
        node.op_type == "MatMul"
        and node.input[1] in index.tensors
        and (_is_local(index, node.input[0]))
    )


def _whole(index: GraphIndex, name: str) -> list[int] | None:
    values = index.constant(name)
    return None if values is None else [int(value) for value in np.atleast_1d(values)]
