"""Which classes pay: what each keeps of the reference's accuracy, and what it is now taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress.report.schema import ClassRow, Interval
from profiles.class_retention import ClassCounts, count_classes

Indices = NDArray[np.int64]

CONFIDENCE = 0.95


def class_costs(
    truth: Indices, predicted: Indices, reference: Indices, labels: Sequence[str]
) -> tuple[ClassRow, ...]:
    """Return every class with rows, the one that keeps least first.

    The arrays are indices into `labels`, of shape (rows,). Bounds hold with 95 % confidence for a
    class by itself: among many, the worst looks worse than it is.
    """
    lost = (reference == truth) & (predicted != truth)
    rows = [
        _row(counts, predicted[lost & (truth == counts.index)], labels)
        for counts in count_classes(truth, predicted, reference)
    ]
    return tuple(sorted(rows, key=_worst_first))


def _row(counts: ClassCounts, taken_for: Indices, labels: Sequence[str]) -> ClassRow:
    known = counts.retention is not None
    return ClassRow(
        label=labels[counts.index],
        rows=counts.rows,
        teacher_right=counts.reference_right,
        right=counts.right,
        lost=counts.lost,
        gained=counts.gained,
        retention=Interval(
            value=counts.retention,
            lower=counts.lower(CONFIDENCE) if known else None,
            upper=counts.upper(CONFIDENCE) if known else None,
        ),
        confused={labels[i]: n for i, n in Counter(taken_for.tolist()).most_common()},
    )


def _worst_first(row: ClassRow) -> tuple[float, int, str]:
    value = row.retention.value
    return (np.inf if value is None else value, -row.lost, row.label)
