"""Shares that several tasks compute: log probabilities, and what guessing may reach."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

_SURE = 1.645
"""Standard errors of a one-sided 95 % bound."""


def log_softmax(logits: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithms of the probabilities, shape (rows, labels) as the logits."""
    wide = np.asarray(logits, dtype=np.float64)
    shifted = wide - wide.max(axis=1, keepdims=True)
    log_shares: NDArray[np.float64] = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_shares


def with_sampling_error(share: float, rows: int) -> float:
    """Return the upper bound of a share of so many rows, at 95 % confidence."""
    return share + _SURE * math.sqrt(share * (1 - share) / rows)
