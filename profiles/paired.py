"""Two models on the same rows: which rows changed, and how certain the difference is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.exact_retention import graded_bounds, retention_lower, retention_upper
from profiles.scores import RowScores
from profiles.statistics import Interval
from runtimes.errors import DataError

_DRAWN_AT_ONCE = 4_000_000
"""The number of counts that a bootstrap draws at a time: 32 MB."""

FEW = 20
"""With fewer lost (or gained) rows than this, resampled rows that earn more or less than a whole
row are not trusted alone."""


@dataclass(frozen=True, slots=True)
class Paired:
    """Hold the scores of a candidate and a reference on the same rows.

    Raises DataError when the numbers of rows differ.
    """

    candidate: RowScores
    reference: RowScores

    def __post_init__(self) -> None:
        if len(self.candidate) != len(self.reference):
            raise DataError(
                f"scores of {len(self.candidate)} and of {len(self.reference)} rows",
                expected="the same rows in both",
                action="score both on the same rows",
            )

    @property
    def lost(self) -> NDArray[np.bool_]:
        """Tell for each row whether the candidate earns less."""
        return self.candidate.value < self.reference.value

    @property
    def gained(self) -> NDArray[np.bool_]:
        """Tell for each row whether the candidate earns more."""
        return self.candidate.value > self.reference.value

    @property
    def table(self) -> NDArray[np.int64]:
        """Count rows as [[both right, only candidate], [only reference, neither]].

        A row that earns anything counts as right.
        """
        code = 2 * (self.candidate.value <= 0) + (self.reference.value <= 0)
        counts: NDArray[np.int64] = np.bincount(code, minlength=4).reshape(2, 2)
        return counts

    @property
    def drop(self) -> float:
        """Return the reference's metric less the candidate's."""
        return self.reference.metric - self.candidate.metric

    def sure_drop(self, errors: float) -> float:
        """Return the part of the drop beyond so many of its standard errors.

        Only rows where the two differ count. Where rows are right or wrong, this is (lost − gained
        − z·√(lost + gained)) / rows (McNemar 1947, Psychometrika 12).
        """
        parts = _share(self.reference) - _share(self.candidate)
        return float(parts.sum() - errors * math.sqrt(float(np.square(parts).sum())))

    def mcnemar(self) -> float:
        """Return the exact two-sided p-value of as many rows lost as gained.

        McNemar (1947), Psychometrika 12(2), with the binomial in place of chi-square: a sign test,
        where rows earn more than 0 or 1.
        """
        from scipy.stats import binomtest

        gained, lost = int(self.gained.sum()), int(self.lost.sum())
        return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def _share(scores: RowScores) -> NDArray[np.float64]:
    """Return what each row adds to the metric."""
    return scores.value / max(float(scores.weight.sum()), np.finfo(float).tiny)


def paired_retention(
    candidate: RowScores,
    reference: RowScores,
    confidence: float,
    seed: int,
    resamples: int = 10_000,
) -> Interval:
    """Bound the candidate's metric over the reference's, on the same rows.

    Where rows are right or wrong, the bounds are those of an exact test of the counts. Other rows
    are resampled in pairs, without those that weigh nothing; half a row of each extreme kind is
    added first (Agresti & Min 2005, Statistics in Medicine 24): without it, two models that agree
    on every row would appear certain to agree always. Resampling still leans to the good side where
    few rows were lost (or, above, gained), so there the bound of `graded_bounds` holds where it is
    wider. It is still too sure where few rows are lost that weigh much more than the others. Raises
    DataError where the reference earns nothing and rows are not simply right or wrong.
    """
    pair = _earning(Paired(candidate, reference))
    candidate, reference = pair.candidate, pair.reference
    if candidate.binary and reference.binary:
        return _of_table(pair.table, confidence)
    if reference.metric <= 0:
        raise DataError(
            "the reference earns nothing on these rows",
            expected="a score over 0",
            action="check the reference and the rows' labels",
        )
    value = candidate.metric / reference.metric
    ratios = _resampled(pair, seed, resamples)
    lower, upper = np.quantile(ratios, [1 - confidence, confidence])
    below, above = _of_few(pair, confidence)
    return Interval(
        value, min(float(lower), below, value), max(float(upper), above, value), len(candidate)
    )


def _earning(pair: Paired) -> Paired:
    """Return the rows that weigh anything: of a group that is scored together, its first."""
    weighs = (pair.candidate.weight > 0) | (pair.reference.weight > 0)
    if weighs.all() or not weighs.any():
        return pair
    return Paired(pair.candidate.of(weighs), pair.reference.of(weighs))


def metric_interval(scores: RowScores, confidence: float, seed: int) -> Interval:
    """Bound a metric by resampling rows, as a share of what all rows could earn."""
    if not scores.weight.any():
        return Interval(0.0, None, None, len(scores), "nothing was found")
    return paired_retention(scores, RowScores(scores.weight, scores.weight), confidence, seed)


def _of_table(table: NDArray[np.int64], confidence: float) -> Interval:
    (both, gained), (lost, neither) = table.tolist()
    rows = both + gained + lost + neither
    value = (both + gained) / max(both + lost, 1)
    lower = min(retention_lower(both, gained, lost, confidence), value)
    upper = retention_upper(both, gained, lost, confidence)
    if not math.isfinite(upper):
        return Interval(value, lower, None, rows, "the reference has no row right")
    return Interval(value, lower, max(upper, value), rows)


def _of_few(pair: Paired, confidence: float) -> tuple[float, float]:
    """Return the bounds that few lost rows ask for below, and few gained rows above.

    A bound is the other extreme, which changes nothing, where such rows are not few.
    """
    change, one_more = _changes(pair)
    lost, gained = -change[change < 0], change[change > 0]
    lower, upper = graded_bounds(lost, gained, one_more, confidence)
    return (
        lower if len(lost) < FEW else math.inf,
        upper if len(gained) < FEW else -math.inf,
    )


def _changes(pair: Paired) -> tuple[NDArray[np.float64], float]:
    """Return what each row adds to retention - 1, and what losing all of a typical row takes off.

    A row that is the same in both models adds exactly nothing.
    """
    mine, theirs, level = pair.candidate, pair.reference, pair.reference.metric
    whole = max(float(mine.weight.sum()), np.finfo(float).tiny) * level
    change = mine.value - theirs.value - level * (mine.weight - theirs.weight)
    return change / whole, float(theirs.value[theirs.value > 0].mean()) / whole


def _resampled(pair: Paired, seed: int, resamples: int) -> NDArray[np.float64]:
    """Return the ratio of metrics in each resample; rows of one kind are drawn together.

    A resample with nothing to divide by counts as having drawn one typical row.
    """
    kinds, counts = _kinds(pair)
    rows = len(pair.candidate) + 2
    chances = counts / counts.sum()
    generator = np.random.default_rng(seed)
    step = max(1, _DRAWN_AT_ONCE // len(kinds))
    sums = [
        generator.multinomial(rows, chances, size=min(step, resamples - start)) @ kinds
        for start in range(0, resamples, step)
    ]
    mine, mine_of, theirs, theirs_of = np.concatenate(sums).T
    candidate = mine / np.maximum(mine_of, pair.candidate.weight.mean() or 1.0)
    usual = pair.reference.value.mean(), pair.reference.weight.mean()
    reference = np.maximum(theirs, usual[0]) / np.maximum(theirs_of, usual[1])
    return np.asarray(candidate / reference)


def _kinds(pair: Paired) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return distinct rows (value and weight of both models) and how often each was seen.

    Half a row of each extreme is added: both models, one or neither earn as much as the best row,
    at the typical weight.
    """
    mine, theirs = pair.candidate, pair.reference
    seen = np.stack([mine.value, mine.weight, theirs.value, theirs.weight], axis=1)
    kinds, counts = np.unique(seen, axis=0, return_counts=True)
    mine_of, theirs_of = mine.weight.mean(), theirs.weight.mean()
    best = max(_best(mine), _best(theirs))
    extremes = [
        (a * best * mine_of, mine_of, b * best * theirs_of, theirs_of)
        for a in (1, 0)
        for b in (1, 0)
    ]
    return np.vstack([kinds, extremes]), np.concatenate([counts, np.full(4, 0.5)])


def _best(scores: RowScores) -> float:
    """Return the most that a row earns for its weight."""
    weighed = scores.weight > 0
    return float((scores.value[weighed] / scores.weight[weighed]).max(initial=0.0))
