"""Trace attention masks as one subtraction, in place of the general construction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compress.graph.onnx_graph import MASK_FLOOR


@contextmanager
def plain_masks() -> Iterator[None]:
    """Let transformers build the mask of eager attention from the padding alone.

    Its own construction indexes every (query, key) pair, which a graph then does for every text:
    26 nodes where 4 do. Other masks than the bidirectional one (sliding windows) stay as they are.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask

    ALL_MASK_ATTENTION_FUNCTIONS["eager"] = _additive_mask
    try:
        yield
    finally:
        ALL_MASK_ATTENTION_FUNCTIONS["eager"] = eager_mask


def _additive_mask(*, mask_function: Any, attention_mask: Any, dtype: Any, **rest: Any) -> Any:
    """Return 0 where a token is and MASK_FLOOR where padding is, shape (batch, 1, 1, tokens)."""
    from transformers.masking_utils import bidirectional_mask_function, eager_mask

    if mask_function is not bidirectional_mask_function or attention_mask is None:
        return eager_mask(
            mask_function=mask_function, attention_mask=attention_mask, dtype=dtype, **rest
        )
    return (1.0 - attention_mask[:, None, None, :].to(dtype)) * MASK_FLOOR
