"""What each class keeps of a reference's right answers, and what lost rows are now taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.class_retention import ClassCounts, count_classes

Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ClassCost:
    """Count a class's rows by which model is right; `taken_for` counts lost rows' new classes."""

    label: str
    counts: ClassCounts
    taken_for: Mapping[str, int]


def class_costs(
    truth: Indices, predicted: Indices, reference: Indices, labels: Sequence[str]
) -> tuple[ClassCost, ...]:
    """Return every class with rows, the one that keeps least first.

    The arrays are indices into `labels`, of shape (rows,).
    """
    lost = (reference == truth) & (predicted != truth)
    costs = [
        ClassCost(
            labels[counts.index],
            counts,
            _named(predicted[lost & (truth == counts.index)], labels),
        )
        for counts in count_classes(truth, predicted, reference)
    ]
    return tuple(sorted(costs, key=worst_first))


def _named(taken_for: Indices, labels: Sequence[str]) -> dict[str, int]:
    return {labels[place]: count for place, count in Counter(taken_for.tolist()).most_common()}


def worst_first(cost: ClassCost) -> tuple[float, int, str]:
    """Order costs: what keeps least first, then what loses most rows."""
    value = cost.counts.retention
    return (np.inf if value is None else value, -cost.counts.lost, cost.label)
