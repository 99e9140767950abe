"""How sure a measured retention is, when the best of several shapes is taken: pure sums."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from profiles.scores import RowScores

Models = tuple[RowScores, ...]
"""The scores of one shape, trained with one seed after another."""

RISK = 0.1
"""The chance that a search may take: that its answer keeps less than the goal, by luck."""
_ENOUGH_ROWS = 1000
"""Fewer rows take less of it, in proportion: they answer so seldom that an answer in ten searches
would mostly be luck."""
LUCK = 0.003
"""The standard deviation of retention from one training's seed to the next, before any is seen: the
one-layer students of benchmarks/README.md spread by 0.25 points."""
_LUCK_SEEDS = 4
"""LUCK counts as much as the spread of so many seeds."""
_PLUS_ROWS = 4
"""So many rows on which two models differ are added: models that agree everywhere are not sure to
agree always ("plus four", Agresti & Coull 1998, The American Statistician 52)."""
_DRAWS = 8000
_SEED = 20260


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """Hold a shape's retention: the mean of its seeds, and what it may be wrong by.

    `rows_error` is the standard error that other rows would cause, `luck` the standard deviation of
    one training. `parts` is what each row adds to the error, shape (rows,).
    """

    value: float
    rows_error: float
    luck: float
    seeds: int
    parts: NDArray[np.float64]

    def lower(self, critical: float) -> float:
        """Return what one more training keeps at least, but for a chance of RISK.

        `critical` allows for the number of shapes in the error of the mean; a fresh training's own
        luck was not chosen, so it needs no such allowance.
        """
        mean = critical * math.hypot(self.rows_error, self.luck / math.sqrt(self.seeds))
        return self.value - math.hypot(mean, _single(len(self.parts)) * self.luck)


@functools.lru_cache(maxsize=4096)
def kept(models: Models, reference: RowScores) -> Kept:
    """Compare a shape's models with a reference on the same rows, paired by row.

    The error is that of a ratio of two means over the same rows (the delta method; Fieller 1954
    without its skew). Retention is 0 where the reference earns nothing.
    """
    shares = [model.metric / reference.metric if reference.metric else 0.0 for model in models]
    value = sum(shares) / len(shares)
    mine = np.mean([_departures(model) for model in models], axis=0)
    parts = value * (mine - _departures(reference))
    plus = _PLUS_ROWS / max(float(reference.value.sum()), 1.0) ** 2
    rows_error = math.sqrt(float(np.square(parts).sum()) + plus)
    return Kept(value, rows_error, _luck(shares), len(shares), parts)


def _departures(scores: RowScores) -> NDArray[np.float64]:
    """Return each row's part of the relative error of Σ value / Σ weight."""
    least = np.finfo(float).tiny
    value = scores.value / max(float(scores.value.sum()), least)
    return np.asarray(value - scores.weight / max(float(scores.weight.sum()), least))


def _luck(shares: Sequence[float]) -> float:
    """Return the spread of one training: LUCK, corrected by that of the seeds."""
    spread = float(np.var(shares) * len(shares))
    return math.sqrt((_LUCK_SEEDS * LUCK**2 + spread) / (_LUCK_SEEDS + len(shares) - 1))


def critical(shapes: Sequence[Kept], planned: int = 0) -> float:
    """Return by how many standard errors the luckiest of the shapes may be too high.

    In one search of ten (RISK) the largest of their errors is larger. Shapes that err on the same
    rows count as fewer (the max-t of Hothorn, Bretz & Westfall 2008, Biometrical Journal 50);
    those that are `planned` but not judged yet count in full.
    """
    more = max(0, planned - len(shapes))
    return _critical(tuple(shapes), more)


def risk(rows: int) -> float:
    """Return the chance of a false answer that a search on so many rows may take."""
    return RISK * min(1.0, rows / _ENOUGH_ROWS)


def _single(rows: int) -> float:
    return NormalDist().inv_cdf(1 - risk(rows))


@functools.lru_cache(maxsize=256)
def _critical(shapes: tuple[Kept, ...], more: int) -> float:
    rows = len(shapes[0].parts) if shapes else _ENOUGH_ROWS
    if len(shapes) + more < 2:
        return _single(rows)
    generator = np.random.default_rng(_SEED)
    errors = [generator.standard_normal((_DRAWS, more))]
    if shapes:
        known = _correlations(shapes)
        mean = np.zeros(len(shapes))
        errors.append(generator.multivariate_normal(mean, known, size=_DRAWS, method="eigh"))
    largest = np.concatenate(errors, axis=1).max(axis=1)
    return max(_single(rows), float(np.quantile(largest, 1 - risk(rows))))


def _correlations(shapes: Sequence[Kept]) -> NDArray[np.float64]:
    """Return how far two shapes' means err together: only the rows are common to them."""
    parts = np.stack([shape.parts for shape in shapes])
    errors = [math.hypot(one.rows_error, one.luck / math.sqrt(one.seeds)) for one in shapes]
    scaled = parts / np.array(errors)[:, None]
    together = scaled @ scaled.T
    np.fill_diagonal(together, 1.0)
    return np.asarray(together)
