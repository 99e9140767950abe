"""Rewrite a traced graph into a faster one that computes the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from compress.graph.constant_query import fold_first_token
from compress.graph.embedding_block import cut_positions, drop_token_types
from compress.graph.first_token import read_first_token
from compress.graph.graph_index import GraphIndex, drop_unread_inputs, order_nodes, shapes
from compress.graph.onnx_graph import share_equal_weights
from compress.graph.plain_shapes import fix_reshapes, join_constant_additions, lift_mask
from compress.graph.single_query import attend_from_one_token
from compress.models.opening import Opening

if TYPE_CHECKING:
    from onnx import ModelProto


def rewrite(model: ModelProto, max_length: int, opening: Opening) -> None:
    """Rewrite a traced classifier in place, for texts of up to `max_length` tokens.

    Every step is exact but for rounding, and leaves unknown patterns unchanged.
    """
    graph = model.graph
    share_equal_weights(graph)
    read_first_token(model)
    index = GraphIndex(graph)
    fix_reshapes(index, shapes(graph))
    if opening.one_type:
        drop_token_types(index)
    cut_positions(index, max_length)
    order_nodes(graph)
    if opening.first_id is not None:
        fold_first_token(model, opening.first_id)
    index = GraphIndex(graph)
    attend_from_one_token(model, index, opening.pad_id)
    lift_mask(index)
    join_constant_additions(index)
    order_nodes(graph)
    drop_unread_inputs(graph)
