"""Prove that an exported file computes what its torch model does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from runtimes.errors import QualityError

from compress.models import model_inputs

if TYPE_CHECKING:
    from torch import Tensor

TOLERANCE = 1e-4
"""Allowed difference of a logit, relative to the largest logit (at least 1)."""

Run = Callable[[Mapping[str, NDArray[np.int64]]], NDArray[np.float32]]


def example_feeds(config: Any, rows: int, length: int, padding: int = 0) -> dict[str, Tensor]:
    """Draw int64 (rows, length) inputs; the last row ends with `padding` masked tokens."""
    import torch

    source = torch.Generator().manual_seed(rows * 4099 + length)
    ids = torch.randint(0, config.vocab_size, (rows, length), generator=source)
    mask = torch.ones_like(ids)
    if padding:
        mask[-1, -padding:] = 0
        ids[-1, -padding:] = config.pad_token_id or 0
    columns = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": torch.zeros_like(ids),
    }
    return {spec.name: columns[spec.name] for spec in model_inputs(config)}


def check_parity(model: Any, max_length: int, run: Run, path: Path) -> float:
    """Compare a file's logits with torch's at several shapes; return the largest difference.

    Differences are relative to the largest logit. Raises QualityError beyond TOLERANCE.
    """
    import torch

    worst = 0.0
    for rows, length, padding in _shapes(max_length):
        feeds = example_feeds(model.config, rows, length, padding)
        with torch.no_grad():
            expected = model(**feeds).logits.numpy()
        found = run({name: tensor.numpy() for name, tensor in feeds.items()})
        difference = _difference(expected, found)
        if not difference <= TOLERANCE:
            raise QualityError(
                f"{path.name}: logits differ from torch's by {difference:.2g} of the largest"
                f" (batch {rows}, {length} tokens, {padding} of them padding)",
                expected=f"at most {TOLERANCE:g}",
                action="report the architecture; do not deploy this export",
            )
        worst = max(worst, difference)
    return worst


def _shapes(max_length: int) -> tuple[tuple[int, int, int], ...]:
    longest = max(max_length, 2)
    middle = min(17, longest)
    return (1, 2, 0), (1, min(8, longest), 0), (3, middle, middle // 3), (2, longest, 0)


def _difference(expected: NDArray[Any], found: NDArray[Any]) -> float:
    if expected.shape != found.shape:
        return float("inf")
    scale = max(1.0, float(np.abs(expected).max()))
    return float(np.abs(expected - found).max()) / scale
