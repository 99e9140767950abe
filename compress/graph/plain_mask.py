"""Trace attention masks as one subtraction instead of the general construction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compress.graph.onnx_graph import MASK_FLOOR


@contextmanager
def plain_masks() -> Iterator[None]:
    """Make transformers build the mask of eager attention from the padding alone.

    The usual construction indexes every (query, key) pair, and the exported graph repeats this for
    every text: 26 nodes where 4 are enough. Masks other than the bidirectional one (sliding
    windows) stay unchanged.
    """
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask

    ALL_MASK_ATTENTION_FUNCTIONS["eager"] = _additive_mask
    try:
        yield
    finally:
        ALL_MASK_ATTENTION_FUNCTIONS["eager"] = eager_mask


def _additive_mask(*, mask_function: Any, attention_mask: Any, dtype: Any, **rest: Any) -> Any:
    """Return 0 for tokens and MASK_FLOOR for padding, shape (batch, 1, 1, tokens)."""
    from transformers.masking_utils import bidirectional_mask_function, eager_mask

    if mask_function is not bidirectional_mask_function or attention_mask is None:
        return eager_mask(
            mask_function=mask_function, attention_mask=attention_mask, dtype=dtype, **rest
        )
    return (1.0 - attention_mask[:, None, None, :].to(dtype)) * MASK_FLOOR
