"""The properties of a copied graph: its precision, its size and its origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

POSITIONS = "position_embeddings"
"""Libraries' names of the position table: its rows are the tokens that a model takes."""

_QUANTIZED = ("int8", "int4")


@dataclass(frozen=True, slots=True)
class Weights:
    """Count the elements of some constants: `dtype` is their stored type.

    `product` says that a dense layer multiplies with them; otherwise they are a table.
    """

    dtype: str
    elements: int
    product: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """Hold the properties of a graph, read while it is copied.

    `positions` is None where no position table was recognized. `widened` are the inputs that took
    int32 and now take int64.
    """

    precision: str
    parameters: int
    positions: int | None
    producer: str
    widened: tuple[str, ...] = ()


def precision_of(weights: Iterable[Weights]) -> str:
    """Return the precision of most product weights, if any is quantized.

    Else that of quantized tables, or else of most weights.
    """
    rows = list(weights)
    for part in ([row for row in rows if row.product], rows):
        sizes: Counter[str] = Counter()
        for row in part:
            sizes[row.dtype] += row.elements
        quantized = {name: sizes[name] for name in _QUANTIZED if sizes[name]}
        if quantized:
            return max(quantized, key=lambda name: quantized[name])
    return "fp16" if sizes["fp16"] > sizes["fp32"] else "fp32"
