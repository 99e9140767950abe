"""Attend from one token without computing the keys and values of all tokens.

With one query q, head h's scores are x (W_k q_h) + a constant that softmax cancels, and its context
is (a x) W_v,h + b_v,h, for the attention a over the tokens x. So keys and values need one row for
each head instead of one for each token. Each of these rows is multiplied with the whole weight, and
the head's own part is kept: a plain matrix product that every runtime runs and every quantizer
supports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.graph.graph_index import GraphIndex, attribute
from compress.graph.onnx_graph import MASK_FLOOR
from compress.graph.token_tables import (
    TokenTables,
    depends_on_id,
    look_up,
    read_inputs,
    rows_of,
    vocabulary_size,
)

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_SCORED = ("Add", "Mul", "Div")
"""Operators between the product of queries and keys and the softmax: scale, bias, mask."""


@dataclass(frozen=True, slots=True)
class _Dense:
    """x · weight + bias."""

    source: str
    weight: str
    bias: str | None


@dataclass(frozen=True, slots=True)
class _Attention:
    """One attention with a single query, of `heads` heads."""

    heads: int
    query: str
    key: _Dense
    value: _Dense
    scores: str
    between: tuple[NodeProto, ...]
    softmax: NodeProto
    context: str


def attend_from_one_token(model: ModelProto, index: GraphIndex, pad_id: int | None) -> None:
    """Rewrite each attention that has one query, unless layers share the weight of its keys.

    Where a token's id alone decides its row, the attention reads tables, and the mask is left out:
    `pad_id`, the token that pads, is never attended to.
    """
    for node in list(index.graph.node):
        attention = _match(index, node) if node.op_type == "Softmax" else None
        if attention is None:
            continue
        tables = None if pad_id is None else _tables(model, index, attention, pad_id)
        context = (
            _averaged(index, attention)
            if tables is None
            else look_up(index, attention.context, tables)
        )
        index.redirect(attention.context, _biased(index, context, attention))


def _tables(
    model: ModelProto, index: GraphIndex, attention: _Attention, pad_id: int
) -> TokenTables | None:
    """Return what the attention reads of each token, None where its id alone does not decide it."""
    tokens, query = attention.value.source, index.constant(attention.query)
    scale = _scale(index, attention.between)
    if query is None or scale is None or not depends_on_id(index, tokens):
        return None
    rows = rows_of(model, tokens, vocabulary_size(index, tokens))
    values = rows @ index.values(attention.value.weight).astype(np.float64)
    own = _own_columns(attention.heads, values.shape[1])
    keys = index.values(attention.key.weight).astype(np.float64)
    scores = scale * rows @ ((query.reshape(1, -1) * own) @ keys.T).T
    scores[pad_id] = MASK_FLOOR
    return TokenTables(scores, values.reshape(len(rows), attention.heads, -1))


def _scale(index: GraphIndex, between: Sequence[NodeProto]) -> float | None:
    """Return the factor of the scores where nothing but it and the mask follows, else None."""
    factor = 1.0
    for node in between:
        values = index.constant(node.input[1])
        if node.op_type == "Add" and read_inputs(index, node.input[1]) == {"attention_mask"}:
            continue
        if node.op_type == "Add" or values is None or values.size != 1:
            return None
        number = float(values.ravel()[0])
        factor *= number if node.op_type == "Mul" else 1 / number
    return factor


def _match(index: GraphIndex, softmax: NodeProto) -> _Attention | None:
    between: list[NodeProto] = []
    name = softmax.input[0]
    while (node := index.maker(name, *_SCORED)) is not None:
        between.insert(0, node)
        name = node.input[0]
    product = index.maker(name, "MatMul")
    context = index.reader(softmax.output[0], "MatMul")
    if product is None or context is None or context.input[0] != softmax.output[0]:
        return None
    query = _query(index, product.input[0])
    key = _by_head(index, product.input[1], [0, 2, 3, 1])
    value = _by_head(index, context.input[1], [0, 2, 1, 3])
    joined = joined_heads(index, context.output[0])
    if (
        query is None
        or key is None
        or value is None
        or joined is None
        or key.source != value.source
    ):
        return None
    shared = len(index.readers[key.weight]) > 1  # ALBERT: a transposed copy would add a weight
    if shared and query[1] not in index.tensors:
        return None
    return _Attention(query[0], query[1], key, value, name, tuple(between), softmax, joined)


def _query(index: GraphIndex, name: str) -> tuple[int, str] | None:
    """Return the heads and the single query, shape (batch, 1, width), of a product's operand."""
    values = index.constant(name)
    if values is not None:
        if values.ndim != 4 or values.shape[2] != 1:
            return None
        return values.shape[1], index.add_constant(f"{name}_row", values.reshape(1, 1, -1))
    split = split_by_head(index, name, [0, 2, 1, 3])
    lengths = index.constant(split.input[1]) if split else None
    if split is None or lengths is None or len(lengths) != 4 or lengths[1] != 1:
        return None
    return int(lengths[2]), split.input[0]


def split_by_head(index: GraphIndex, name: str, order: list[int]) -> NodeProto | None:
    """Return the reshape into heads behind a transpose in this order."""
    node = index.maker(name, "Transpose")
    if node is None or attribute(node, "perm") != order:
        return None
    return index.maker(node.input[0], "Reshape")


def _by_head(index: GraphIndex, name: str, order: list[int]) -> _Dense | None:
    """Return the dense layer whose result is split into heads."""
    split = split_by_head(index, name, order)
    if split is None:
        return None
    last, bias = split.input[0], None
    added = index.maker(last, "Add")
    if added is not None and added.input[1] in index.tensors:
        last, bias = added.input
    product = index.maker(last, "MatMul")
    if product is None or product.input[1] not in index.tensors:
        return None
    return _Dense(product.input[0], product.input[1], bias)


def joined_heads(index: GraphIndex, name: str) -> str | None:
    """Return the context of all heads, shape (batch, queries, width)."""
    turned = index.reader(name, "Transpose")
    joined = index.reader(turned.output[0], "Reshape") if turned else None
    return joined.output[0] if joined else None


def _own_columns(heads: int, width: int) -> NDArray[np.float64]:
    """Return 1 where a column belongs to a head, shape (heads, width)."""
    return np.repeat(np.eye(heads), width // heads, axis=1)


def _averaged(index: GraphIndex, attention: _Attention) -> str:
    """Multiply each head's average of the tokens with the values' weight; return the context."""
    weight = index.values(attention.value.weight)
    tokens = attention.value.source
    own = _own_columns(attention.heads, weight.shape[1])
    heads = index.add_constant(f"{attention.context}_heads", own.astype(np.float32))
    queries = _queries(index, attention, heads)
    turned = index.add_node("Transpose", [tokens], f"{attention.context}_tokens", perm=[0, 2, 1])
    last = index.add_node("MatMul", [queries, turned], f"{attention.context}_scores")
    for node in attention.between:
        other = _without_query_axis(index, node.input[1])
        last = index.add_node(node.op_type, [last, other], f"{node.output[0]}_row")
    last = index.add_node("Softmax", [last], f"{attention.context}_attention", axis=-1)
    last = index.add_node("MatMul", [last, tokens], f"{attention.context}_mean")
    last = index.add_node("MatMul", [last, attention.value.weight], f"{attention.context}_values")
    last = index.add_node("Mul", [last, heads], f"{attention.context}_own")
    axis = index.add_constant(f"{attention.context}_axis", np.array([1]))
    return index.add_node("ReduceSum", [last, axis], f"{attention.context}_sum", keepdims=1)


def _queries(index: GraphIndex, attention: _Attention, heads: str) -> str:
    """Return W_k q_h for each head, shape (batch or 1, heads, width of the tokens)."""
    weight, own = index.values(attention.key.weight), index.values(heads)
    query = index.constant(attention.query)
    if query is not None:
        product: NDArray[Any] = (query[0] * own).astype(np.float64) @ weight.T.astype(np.float64)
        return index.add_constant(f"{attention.context}_queries", product.astype(np.float32))
    alone = index.add_node("Mul", [attention.query, heads], f"{attention.context}_query")
    turned = index.add_constant(f"{attention.key.weight}_turned", weight.T)
    return index.add_node("MatMul", [alone, turned], f"{attention.context}_queries")


def _without_query_axis(index: GraphIndex, name: str) -> str:
    """Return an operand of the scores, shape (…, 1, tokens), without the axis of the query."""
    values = index.constant(name)
    if values is not None and values.ndim < 2:
        return name
    axis = index.add_constant(f"{name}_query_axis", np.array([-2]))
    return index.add_node("Squeeze", [name, axis], f"{name}_row")


def _biased(index: GraphIndex, context: str, attention: _Attention) -> str:
    """Add the values' bias, which attention does not change because its weights sum to 1.

    Where one dense layer reads the context, it is added to that layer's bias.
    """
    if attention.value.bias is None:
        return context
    dense = index.reader(attention.context, "MatMul")
    added = index.reader(dense.output[0], "Add") if dense else None
    constant = dense and added and {dense.input[1], added.input[1]} <= set(index.tensors)
    if dense is None or added is None or not constant:
        return index.add_node("Add", [context, attention.value.bias], f"{attention.context}_biased")
    bias, weight = (index.values(name) for name in (attention.value.bias, dense.input[1]))
    product: NDArray[Any] = bias.astype(np.float64) @ weight.astype(np.float64)
    total = (index.values(added.input[1]) + product).astype(np.float32)
    added.input[1] = index.add_constant(f"{added.input[1]}_and_values", total)
    return context
