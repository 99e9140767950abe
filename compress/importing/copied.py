"""What is told of a model's graph: its precision, its size and where it came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

POSITIONS = "position_embeddings"
"""What libraries call the table of positions: its rows are how many tokens a model takes."""

_QUANTIZED = ("int8", "int4")


@dataclass(frozen=True, slots=True)
class Weights:
    """Count the elements of some constants: `dtype` is what they are stored as.

    `product` says that a dense layer multiplies with them, not that a table is read.
    """

    dtype: str
    elements: int
    product: bool = False


@dataclass(frozen=True, slots=True)
class Copied:
    """Hold what was read from a graph while it was copied.

    `positions` is None where no table of positions was told apart. `widened` are the inputs that
    took int32 and take int64 now.
    """

    precision: str
    parameters: int
    positions: int | None
    producer: str
    widened: tuple[str, ...] = ()


def precision_of(weights: Iterable[Weights]) -> str:
    """Return the precision that most weights of products are stored in, where any is quantized.

    Then come quantized tables, and then the type of most weights.
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
