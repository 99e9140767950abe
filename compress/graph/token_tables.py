"""Look up what attention reads of a token, where that depends on the token's id alone.

In a model of one layer whose tokens carry no position, the key scores for a constant query and the
values of a token are the same wherever it stands. Both become tables with a row for each piece of
the vocabulary, and the products with all tokens disappear.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.graph.evaluated import evaluator
from compress.graph.graph_index import GraphIndex, attribute

if TYPE_CHECKING:
    from onnx import ModelProto

IDS = "input_ids"

_EACH = frozenset(("Add", "Sub", "Mul", "Div", "Cast", "Tanh", "Gelu", "Erf"))
"""Operators that compute each token independently."""
_AT_ONCE = 4096
"""Ids a run: the table of a large vocabulary is computed in parts."""


@dataclass(frozen=True, slots=True)
class TokenTables:
    """Hold each id's key scores, (vocabulary, heads), and values, (vocabulary, heads, width)."""

    scores: NDArray[np.float64]
    values: NDArray[np.float64]


def look_up(index: GraphIndex, name: str, tables: TokenTables) -> str:
    """Add the attention over looked-up rows; return its context, (batch, 1, heads · width)."""
    scores = index.add_constant(f"{name}_score_rows", _single(tables.scores))
    values = index.add_constant(f"{name}_value_rows", _single(tables.values))
    last = index.add_node("Gather", [scores, IDS], f"{name}_scores")
    last = index.add_node("Transpose", [last], f"{name}_scores_by_head", perm=[0, 2, 1])
    last = index.add_node("Softmax", [last], f"{name}_attention", axis=-1)
    axis = index.add_constant(f"{name}_query_axis", np.array([2]))
    last = index.add_node("Unsqueeze", [last, axis], f"{name}_attention_row")
    read = index.add_node("Gather", [values, IDS], f"{name}_values")
    read = index.add_node("Transpose", [read], f"{name}_values_by_head", perm=[0, 2, 1, 3])
    last = index.add_node("MatMul", [last, read], f"{name}_heads")
    lengths = index.add_constant(f"{name}_lengths", np.array([0, 1, -1]))
    return index.add_node("Reshape", [last, lengths], f"{name}_joined")


def _single(values: NDArray[np.float64]) -> NDArray[np.float32]:
    return values.astype(np.float32)


def read_inputs(index: GraphIndex, name: str) -> set[str]:
    """Return the inputs of the graph that a value is computed from, by value or by shape."""
    if name in index.tensors:
        return set()
    node = index.makers.get(name)
    if node is None:
        return {name}
    found: set[str] = set()
    return found.union(*(read_inputs(index, one) for one in node.input if one))


def depends_on_id(index: GraphIndex, name: str) -> bool:
    """Tell whether a value (batch, tokens, width) depends at each token on its id alone."""
    node = index.makers.get(name)
    if node is None:
        return False
    if node.op_type == "Gather":
        rows = node.input[0] in index.tensors and attribute(node, "axis", 0) == 0
        return rows and node.input[1] == IDS
    if node.op_type == "LayerNormalization":
        return attribute(node, "axis", -1) == -1 and depends_on_id(index, node.input[0])
    if node.op_type == "MatMul":  # ELECTRA's projection
        return node.input[1] in index.tensors and depends_on_id(index, node.input[0])
    if node.op_type not in _EACH:
        return False
    return all(_same_for_all(index, one) or depends_on_id(index, one) for one in node.input)


def _same_for_all(index: GraphIndex, name: str) -> bool:
    values = index.constant(name)
    return values is not None and values.size == (values.shape[-1] if values.ndim else 1)


def vocabulary_size(index: GraphIndex, name: str) -> int:
    """Return the rows of the table that a value which depends on ids is looked up in."""
    node = index.makers[name]
    if node.op_type == "Gather":
        return int(index.tensors[node.input[0]].dims[0])
    sources = [one for one in node.input if one not in index.tensors]
    return min(vocabulary_size(index, one) for one in sources)


def rows_of(model: ModelProto, name: str, size: int) -> NDArray[np.float64]:
    """Compute a value that depends on ids alone for every id, shape (size, width)."""
    values = evaluator(model, [name])
    parts = (np.arange(size, dtype=np.int64)[at : at + _AT_ONCE] for at in range(0, size, _AT_ONCE))
    rows: NDArray[np.float64] = np.concatenate([values(part[None])[name][0] for part in parts])
    return rows.astype(np.float64)
