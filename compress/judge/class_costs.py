"""What compression costs each class, for the report."""

from __future__ import annotations

from collections.abc import Sequence

from compress.report.schema import ClassRow, Estimate
from compress.tasks.classes import ClassCost

CONFIDENCE = 0.95


def class_rows(costs: Sequence[ClassCost]) -> tuple[ClassRow, ...]:
    """Return a row a class, in their order.

    Bounds hold with 95 % confidence for each class by itself: among many classes, the worst value
    is too low on average.
    """
    return tuple(_row(cost) for cost in costs)


def _row(cost: ClassCost) -> ClassRow:
    counts = cost.counts
    known = counts.retention is not None
    return ClassRow(
        label=cost.label,
        rows=counts.rows,
        teacher_right=counts.reference_right,
        right=counts.right,
        lost=counts.lost,
        gained=counts.gained,
        retention=Estimate(
            value=counts.retention,
            lower=counts.lower(CONFIDENCE) if known else None,
            upper=counts.upper(CONFIDENCE) if known else None,
            confidence=CONFIDENCE if known else None,
            side="each" if known else None,
        ),
        confused=dict(cost.taken_for),
    )
