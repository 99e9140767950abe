"""Scores of predicted numbers: bounded R², R², errors, rank correlation, ranges that lose most.

All arrays have shape (rows,); `drawn` (resamples, rows) says how often each row counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compress.tasks.classes import ClassCost, worst_first
from profiles.class_retention import ClassCounts, count_classes
from profiles.scores import RowScores

Floats = NDArray[np.float64]

CLOSE = 0.5
"""A row of a range counts as right where its error is at most so many standard deviations."""

_RANGES = 5
_SMALLEST = np.finfo(np.float64).tiny


def numbers(answers: Sequence[ArrayLike]) -> Floats:
    """Return answers of shape (1,) each as (rows,)."""
    return np.asarray(answers, dtype=np.float64).reshape(len(answers))


def spread_of(targets: ArrayLike) -> float:
    """Return the standard deviation of numbers; 1 where all are equal."""
    return float(np.std(np.asarray(targets, dtype=np.float64))) or 1.0


def bounded_rows(said: Floats, wanted: Floats) -> RowScores:
    """Return 1 − min(1, error² / variance) for each row: their metric is the bounded R².

    It equals R² = 1 − mean(error²) / variance where no error exceeds a standard deviation of the
    targets; a row that is further off counts as wrong, and no more than that.
    """
    errors = (said - wanted) / spread_of(wanted)
    return RowScores(1 - np.minimum(1, np.square(errors)), np.ones(len(wanted)))


def r2_of(said: Floats, wanted: Floats, drawn: Floats) -> Floats:
    """Return 1 − Σ error² / Σ (target − mean)², the coefficient of determination; (resamples,)."""
    rows = drawn.sum(axis=1)
    mean = drawn @ wanted / rows
    around = drawn @ np.square(wanted - wanted.mean()) - rows * np.square(mean - wanted.mean())
    share: Floats = 1 - drawn @ np.square(said - wanted) / np.maximum(around, _SMALLEST)
    return share


def mae_of(said: Floats, wanted: Floats, drawn: Floats) -> Floats:
    """Return the mean absolute error, in the targets' unit, (resamples,)."""
    error: Floats = drawn @ np.abs(said - wanted) / drawn.sum(axis=1)
    return error


def rmse_of(said: Floats, wanted: Floats, drawn: Floats) -> Floats:
    """Return the root of the mean squared error, in the targets' unit, (resamples,)."""
    error: Floats = np.sqrt(drawn @ np.square(said - wanted) / drawn.sum(axis=1))
    return error


def mae_retention_of(said: Floats, known: Floats, wanted: Floats, drawn: Floats) -> Floats:
    """Return the reference's mean absolute error over the model's, at most 2; (resamples,).

    The bound keeps a model that is almost exact from having any ratio at all.
    """
    mine, theirs = mae_of(said, wanted, drawn), mae_of(known, wanted, drawn)
    kept: Floats = np.minimum(2, (theirs + _SMALLEST) / (mine + _SMALLEST))
    return kept


def spearman_of(said: Floats, wanted: Floats, drawn: Floats) -> Floats:
    """Return the correlation of ranks, 0 where either is constant; (resamples,).

    Ties share their mean rank, and rows that are drawn several times tie with themselves.
    """
    mine, theirs = _ranks(said, drawn), _ranks(wanted, drawn)
    rows = drawn.sum(axis=1)
    middle = ((rows + 1) / 2)[:, None]
    mine, theirs = mine - middle, theirs - middle
    together = (drawn * mine * theirs).sum(axis=1)
    alone = np.sqrt((drawn * mine**2).sum(axis=1) * (drawn * theirs**2).sum(axis=1))
    correlation: Floats = np.where(alone > 0, together / np.maximum(alone, _SMALLEST), 0.0)
    return correlation


def _ranks(values: Floats, drawn: Floats) -> Floats:
    """Return each row's mean rank among the drawn rows, (resamples, rows)."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    counts = np.add.reduceat(drawn[:, order], starts, axis=1)
    before = np.cumsum(counts, axis=1) - counts
    ranks: Floats = (before + (counts + 1) / 2)[:, group]
    return ranks


def ranges(wanted: Floats) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return each row's fifth of the targets, by its number, and the names of the fifths."""
    edges = np.unique(np.quantile(wanted, np.linspace(0, 1, _RANGES + 1)))
    last = max(0, len(edges) - 2)
    places = np.clip(np.searchsorted(edges, wanted, side="right") - 1, 0, last).astype(np.int64)
    ends = edges[1:] if len(edges) > 1 else edges
    return places, tuple(f"{low:.4g} to {high:.4g}" for low, high in zip(edges, ends, strict=False))


def range_counts(
    said: Floats, known: Floats, wanted: Floats
) -> tuple[tuple[ClassCounts, ...], tuple[str, ...]]:
    """Count the rows of each fifth of the targets that both models have right; with their names."""
    places, names = ranges(wanted)
    near = CLOSE * spread_of(wanted)
    rights = [np.where(np.abs(one - wanted) <= near, places, -1) for one in (said, known)]
    return count_classes(places, *rights), names


def range_costs(said: Floats, known: Floats, wanted: Floats) -> tuple[ClassCost, ...]:
    """Return what each fifth keeps of the reference's right rows, the worst first."""
    counts, names = range_counts(said, known, wanted)
    return tuple(sorted((ClassCost(names[one.index], one, {}) for one in counts), key=worst_first))
