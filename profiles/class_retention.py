"""What each class keeps of the reference's accuracy, with bounds for the worst class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiles.exact_retention import retention_lower, retention_upper
from profiles.paired import Paired
from profiles.scores import RowScores
from profiles.statistics import Interval

LEAST_ROWS = 20
"""Fewer rows of a class say almost nothing: with all of 20 rows kept, the lower bound is 0.86."""


@dataclass(frozen=True, slots=True)
class ClassCounts:
    """Count a class's rows by which model is right: both, one of them, or neither."""

    index: int
    both: int
    gained: int
    lost: int
    rows: int

    @property
    def right(self) -> int:
        """Return how many rows the model has right."""
        return self.both + self.gained

    @property
    def reference_right(self) -> int:
        """Return how many rows the reference has right."""
        return self.both + self.lost

    @property
    def retention(self) -> float | None:
        """Return the accuracy over the reference's; None where the reference is never right."""
        return self.right / self.reference_right if self.reference_right else None

    @property
    def judged(self) -> bool:
        """Tell whether the class counts for the minimum."""
        return self.rows >= LEAST_ROWS and self.reference_right > 0

    def lower(self, confidence: float) -> float:
        """Return the lower bound of the class's own retention."""
        return retention_lower(self.both, self.gained, self.lost, confidence)

    def upper(self, confidence: float) -> float:
        """Return the upper bound; infinite where the reference has no row right."""
        return retention_upper(self.both, self.gained, self.lost, confidence)


def count_classes(
    truth: ArrayLike, predicted: ArrayLike, reference_predicted: ArrayLike
) -> tuple[ClassCounts, ...]:
    """Count the right rows of both models by class; the arrays are class indices of shape (rows,).

    A class without rows is left out.
    """
    y = np.asarray(truth)
    mine, theirs = np.asarray(predicted) == y, np.asarray(reference_predicted) == y
    return tuple(
        _counted(int(index), mine[y == index], theirs[y == index]) for index in np.unique(y)
    )


def _counted(index: int, mine: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> ClassCounts:
    pair = Paired(RowScores.right(mine), RowScores.right(theirs))
    (both, gained), (lost, neither) = pair.table.tolist()
    return ClassCounts(index, both, gained, lost, both + gained + lost + neither)


def worst_class_interval(
    classes: Sequence[ClassCounts], labels: Sequence[str], confidence: float
) -> Interval:
    """Bound the lowest retention among the judged classes.

    The lower bound is the lowest of the classes' own: it exceeds the truth only if the bound of the
    truly worst class does, so it needs no correction (intersection-union: Berger 1982,
    Technometrics 24). The upper bound is the lowest of simultaneous bounds: the classes' rows are
    independent of each other, so each may spend 1 - confidence^(1/classes) (Šidák 1967, JASA 62).
    The value itself, a minimum over noisy figures, lies below the truth on average.

    `why` names the class with the lowest value, the class with the lowest upper bound where it
    differs, and the classes left out.
    """
    judged = [row for row in classes if row.judged]
    rows = sum(row.rows for row in judged)
    left_out = _left_out(classes, labels)
    if not judged:
        return Interval(None, None, None, rows, left_out)
    each = confidence ** (1 / len(judged))
    lower = min(row.lower(confidence) for row in judged)
    surest = min(judged, key=lambda row: row.upper(each))
    worst = min(judged, key=lambda row: (row.right / row.reference_right, -row.lost))
    named = [
        f"{labels[row.index]} keeps {row.right} of {row.reference_right} right"
        for row in dict.fromkeys((worst, surest))
    ]
    why = "; ".join(filter(None, (*named, left_out)))
    return Interval(worst.retention, lower, surest.upper(each), rows, why)


def _left_out(classes: Sequence[ClassCounts], labels: Sequence[str], shown: int = 3) -> str:
    few = [labels[row.index] for row in classes if row.rows < LEAST_ROWS]
    never = [labels[row.index] for row in classes if row.rows >= LEAST_ROWS and not row.judged]
    reasons = (
        (few, f"under {LEAST_ROWS} rows"),
        (never, "the reference has none right"),
    )
    return "; ".join(
        f"{len(names)} left out, {why}: {', '.join(names[:shown])}"
        + ("…" if len(names) > shown else "")
        for names, why in reasons
        if names
    )
