"""Quality metrics; labels and predictions are integer arrays of shape (rows,)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from runtimes.errors import DataError

Labels = NDArray[np.int64]


def confusion(truth: ArrayLike, predicted: ArrayLike, classes: int) -> Labels:
    """Count rows by (true class, predicted class); shape (classes, classes).

    Raises DataError when a label is not in 0..classes-1.
    """
    y, p = _pair(truth, predicted)
    low, high = min(y.min(), p.min()), max(y.max(), p.max())
    if low < 0 or high >= classes:
        raise DataError(
            f"labels from {low} to {high}",
            expected=f"0 to {classes - 1}",
            action="give labels by their numbers, from 0",
        )
    counts = np.bincount(y * classes + p, minlength=classes * classes)
    return counts.reshape(classes, classes)


def f1_of(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return F1 = 2 TP / (2 TP + FP + FN) by class of confusion counts (…, classes, classes)."""
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    support = counts.sum(axis=-1) + counts.sum(axis=-2)
    f1: NDArray[np.float64] = 2 * hits / np.maximum(support, 1)
    return f1


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Labels, Labels]:
    a, b = np.asarray(first, dtype=np.int64), np.asarray(second, dtype=np.int64)
    if a.shape != b.shape or a.ndim != 1 or a.size == 0:
        raise DataError(
            f"arrays of shapes {a.shape} and {b.shape}",
            expected="the same rows in both, at least one",
            action="give both for the same rows",
        )
    return a, b
