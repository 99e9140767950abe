"""Run a layer's attention with its three integer products as one operator of ONNX Runtime.

QAttention (com.microsoft) multiplies queries, keys and values of each head where attention reads
them, so that nothing is split into heads and transposed. It computes what the separate operators
compute, to the last bit: 12 % less time on 27 tokens, 22 % on 8 (384 wide, 12 heads, AVX-512 VNNI,
ONNX Runtime 1.31). A batch of 50 texts, whose mask it spreads over queries, takes 3 to 9 % more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from compress.graph.graph_index import GraphIndex, order_nodes
from compress.graph.onnx_graph import drop_unused_weights
from compress.graph.single_query import joined_heads, split_by_head

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_DOMAIN = "com.microsoft"
_MASK = "attention_mask"


@dataclass(frozen=True, slots=True)
class _Product:
    """One dense layer: tokens in 8 bits times `weight`, scaled, plus `bias`, split into heads."""

    heads: int
    tokens: tuple[str, str, str]
    """The names of the quantized tokens, their scale and their zero point."""
    weight: NDArray[np.int8]
    scales: NDArray[np.float32]
    zero_points: NDArray[np.int8]
    bias: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Scores:
    """The name of the product of queries and keys, and what is done to it before the softmax."""

    product: str
    scale: float
    floor: float | None
    """What a masked token's scores get added, None without a mask."""


def fuse_attention(model: ModelProto) -> None:
    """Replace each attention whose three products are integer ones, in place.

    Other patterns are left unchanged: products that were excluded, positions within the scores.
    """
    index = GraphIndex(model.graph)
    made = [_fuse(index, node) for node in list(model.graph.node) if node.op_type == "Softmax"]
    if not any(made):
        return
    if not any(row.domain == _DOMAIN for row in model.opset_import):
        from onnx import helper

        model.opset_import.append(helper.make_opsetid(_DOMAIN, 1))
    order_nodes(model.graph)
    drop_unused_weights(model.graph)


def _fuse(index: GraphIndex, softmax: NodeProto) -> bool:
    context = index.reader(softmax.output[0], "MatMul")
    joined = joined_heads(index, context.output[0]) if context else None
    scores = _scores(index, softmax.input[0])
    scored = index.maker(scores.product, "MatMul") if scores else None
    if context is None or joined is None or scores is None or scored is None:
        return False
    found = (
        _product(index, scored.input[0], [0, 2, 1, 3]),
        _product(index, scored.input[1], [0, 2, 3, 1]),
        _product(index, context.input[1], [0, 2, 1, 3]),
    )
    products = [one for one in found if one]
    alike = {(one.heads, one.tokens, one.weight.shape) for one in products}
    if len(products) < len(found) or len(alike) != 1:
        return False
    index.redirect(joined, _fused(index, joined, products, scores))
    return True


def _fused(index: GraphIndex, name: str, parts: Sequence[_Product], scores: _Scores) -> str:
    """Add the operator, whose weights are those of queries, keys and values side by side."""
    stored = {
        "weight": np.concatenate([one.weight for one in parts], axis=1),
        "bias": np.concatenate([one.bias for one in parts]),
        "weight_scale": np.concatenate([one.scales for one in parts]),
        "weight_zero_point": np.concatenate([one.zero_points for one in parts]),
    }
    own = {kind: index.add_constant(f"{name}_{kind}", values) for kind, values in stored.items()}
    tokens, scale, zero_point = parts[0].tokens
    settings: dict[str, Any] = {"num_heads": parts[0].heads, "scale": scores.scale}
    if scores.floor is not None:
        settings["mask_filter_value"] = scores.floor
    return index.add_node(
        "QAttention",
        [
            *(tokens, own["weight"], own["bias"], scale, own["weight_scale"]),
            *("" if scores.floor is None else _mask(index), zero_point, own["weight_zero_point"]),
        ],
        f"{name}_attention",
        domain=_DOMAIN,
        **settings,
    )


def _mask(index: GraphIndex) -> str:
    """Return the mask as the operator reads it: 1 for tokens, 0 for padding, in 32 bits."""
    from onnx import TensorProto

    name = f"{_MASK}_int32"
    known = name in index.makers
    return name if known else index.add_node("Cast", [_MASK], name, to=TensorProto.INT32)


def _scores(index: GraphIndex, name: str) -> _Scores | None:
    """Return what makes the softmax's input: a product, times a constant, plus the mask."""
    floor: float | None = None
    added = index.maker(name, "Add")
    if added is not None:
        floor = _floor(index, added.input[1])
        if floor is None:
            return None
        name = added.input[0]
    scaled = index.maker(name, "Mul")
    scale = index.constant(scaled.input[1]) if scaled else None
    if scaled is None or scale is None or scale.size != 1:
        return None
    return _Scores(scaled.input[0], float(scale.ravel()[0]), floor)


def _floor(index: GraphIndex, name: str) -> float | None:
    """Return f if a value is (1 - mask) · f with the axes of heads and queries, else None."""
    wider = index.maker(name, "Unsqueeze")
    axes = index.constant(wider.input[1]) if wider else None
    product = index.maker(wider.input[0], "Mul") if wider else None
    padding = index.maker(product.input[0], "Sub") if product else None
    mask = index.maker(padding.input[1], "Cast") if padding else None
    if product is None or padding is None or mask is None or mask.input[0] != _MASK:
        return None
    one, floor = index.constant(padding.input[0]), index.constant(product.input[1])
    plain = axes is not None and axes.tolist() == [1, 2] and one is not None and one.tolist() == 1
    return float(floor.ravel()[0]) if plain and floor is not None and floor.size == 1 else None


def _product(index: GraphIndex, name: str, order: list[int]) -> _Product | None:
    """Return the integer product whose result is split into heads and turned in this order."""
    split = split_by_head(index, name, order)
    lengths = index.constant(split.input[1]) if split else None
    if split is None or lengths is None or len(lengths) != 4:
        return None
    added = index.maker(split.input[0], "Add")
    scaled = index.maker(added.input[0], "Mul") if added else None
    bias = index.constant(added.input[1]) if added else None
    if scaled is None or bias is None:
        return None
    return _integer_product(index, scaled, int(lengths[2]), bias)


def _integer_product(
    index: GraphIndex, scaled: NodeProto, heads: int, bias: NDArray[np.float32]
) -> _Product | None:
    """Return the product behind its result's scaling, as `quantize_dynamic` writes it."""
    cast, scales = index.maker(scaled.input[0], "Cast"), index.maker(scaled.input[1], "Mul")
    product = index.maker(cast.input[0], "MatMulInteger") if cast else None
    if product is None or scales is None or len(product.input) != 4:
        return None
    weight, zero_points = (index.constant(product.input[place]) for place in (1, 3))
    weight_scales = index.constant(scales.input[1])
    if weight is None or zero_points is None or weight_scales is None:
        return None
    wide = weight.shape[1]
    return _Product(
        heads,
        (product.input[0], scales.input[0], product.input[2]),
        weight,
        np.broadcast_to(weight_scales, wide),
        np.broadcast_to(zero_points, wide),
        np.broadcast_to(bias, wide),
    )
