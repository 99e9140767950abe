"""What each class keeps of the reference's accuracy, with bounds for the worst class."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiles.paired import Paired
from profiles.scores import RowScores
from profiles.statistics import Interval

LEAST_ROWS = 20
"""Fewer rows of a class say almost nothing: with all of 20 rows kept, the lower bound is 0.86."""

_NEGLIGIBLE = 1e-12
_STEPS = 20
"""The number of halvings of the search interval: they reach a millionth of its width."""


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
        turned = _upper_bound(self.both, self.lost, self.gained, 1 - confidence)
        return 1 / turned if turned else math.inf

    def upper(self, confidence: float) -> float:
        """Return the upper bound; infinite where the reference has no row right."""
        return _upper_bound(self.both, self.gained, self.lost, 1 - confidence)


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


@functools.lru_cache(maxsize=65536)
def _upper_bound(both: int, gained: int, lost: int, risk: float) -> float:
    """Return the largest ratio that the counts do not reject at this `risk`.

    The test is unconditional and its probabilities are exact sums. The share of gained rows, a
    nuisance parameter, takes its most likely value under the hypothesis (the E-test: Lloyd 2008,
    Biometrics 64; the score test of this ratio: Nam & Blackwelder 2002, Statistics in Medicine 21).
    Normal approximations fail at the small risks that remain for each of many classes.
    """
    if both + lost == 0:
        return math.inf
    low = (both + gained) / (both + lost)
    high = max(2 * low, 1.0)
    while _as_poor(high, both, gained, lost) > risk:
        low, high = high, 2 * high
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _as_poor(middle, both, gained, lost) > risk:
            low = middle
        else:
            high = middle
    return high


def _as_poor(ratio: float, both: int, gained: int, lost: int) -> float:
    """Return P(lost - ratio · gained is at least as large as observed) if `ratio` is the truth.

    Rows that neither model has right say nothing about the ratio and are left out (the sum is
    conditional on the number of the others). The ratio then fixes the share lost, given the share
    gained.
    """
    from scipy.special import betainc, gammaln, xlog1py, xlogy

    count = both + gained + lost
    share_gained = _likeliest_gained(ratio, both, gained, lost)
    share_lost = 1 - ratio * (1 - share_gained)
    seen = lost - ratio * gained
    more = _likely_counts(count, share_gained)
    chances = np.exp(
        gammaln(count + 1) - gammaln(more + 1) - gammaln(count - more + 1)
        + xlogy(more, share_gained) + xlog1py(count - more, -share_gained)
    )  # fmt: skip
    least = np.ceil(seen + ratio * more - 1e-9)
    left = count - more
    share = min(max(share_lost / (1 - share_gained), 0.0), 1.0) if share_gained < 1 else 0.0
    # P(X >= k) of a binomial, k from 1 to n: 1 for a smaller k, 0 for a larger one.
    inside = np.clip(least, 1, np.maximum(left, 1))
    tails = betainc(inside, left - inside + 1, share, where=left > 0, out=np.zeros_like(left))
    tails = np.where(least <= 0, 1.0, np.where(least > left, 0.0, tails))
    return float(np.clip(np.sum(chances * tails), 0, 1))


def _likeliest_gained(ratio: float, both: int, gained: int, lost: int) -> float:
    """Return the likeliest share of gained rows under the ratio, the root of a quadratic."""
    square = (both + gained + lost) * (1 + ratio) * ratio
    linear = gained * (2 * ratio**2 - 1) + lost * ratio**2 - both * (1 - ratio**2)
    constant = gained * ratio * (1 - ratio)
    root = (linear + math.sqrt(max(linear**2 + 4 * square * constant, 0))) / (2 * square)
    return min(max(root, 0.0, 1 - 1 / ratio), ratio / (1 + ratio))


def _likely_counts(count: int, share: float) -> NDArray[np.float64]:
    """Return the counts that a binomial takes with a probability worth summing."""
    from scipy.special import ndtri

    reach = -float(ndtri(_NEGLIGIBLE)) * math.sqrt(count * share * (1 - share)) + 20
    low, high = max(math.floor(count * share - reach), 0), math.ceil(count * share + reach)
    return np.arange(low, min(high, count) + 1, dtype=np.float64)
