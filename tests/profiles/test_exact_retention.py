"""Retention where few rows changed: how often the bounds are wrong, row by row of the plane."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multinomial

from profiles.paired import paired_retention
from profiles.scores import RowScores
from profiles.statistics import Interval

RIGHT = 0.93
"""The share of rows that at least one of the two models has right."""
MOST = 0.07
"""A side's misses: 5 %, and two points that the test of two shares may stray."""


def _retention(both: int, gained: int, lost: int, neither: int = 0) -> Interval:
    code = np.repeat([3, 2, 1, 0], [both, gained, lost, neither])
    mine, theirs = RowScores.right(code >= 2), RowScores.right(code % 2 == 1)
    return paired_retention(mine, theirs, 0.95, seed=1)


def _misses(rows: int, lost: float, gained: float) -> tuple[float, float]:
    """Weigh every outcome with its probability; it is no simulation."""
    some = round(RIGHT * rows)
    truth = (1 - lost) / (1 - gained)
    chances = multinomial(some, [1 - lost - gained, gained, lost])
    low = high = 0.0
    for fewer in _likely(some * lost):
        for more in _likely(some * gained):
            weight = float(chances.pmf([some - fewer - more, more, fewer]))
            if weight > 1e-6:
                seen = _retention(some - fewer - more, more, fewer, rows - some)
                assert seen.lower is not None
                assert seen.upper is not None
                low += weight * (seen.lower > truth + 1e-9)
                high += weight * (seen.upper < truth - 1e-9)
    return low, high


def _likely(mean: float) -> range:
    return range(
        max(int(mean - 5 * mean**0.5) - 1, 0), int(mean + 5 * mean**0.5 + 6) if mean else 1
    )


@pytest.mark.parametrize(
    ("rows", "lost"), [(200, 0.005), (200, 0.01), (1000, 0.002), (1000, 0.01), (3080, 0.002)]
)
@pytest.mark.parametrize("gained", [0.0, 0.002])
def test_few_lost_rows_are_bounded_as_often_as_said(rows: int, lost: float, gained: float) -> None:
    assert max(_misses(rows, lost, gained)) <= MOST


@pytest.mark.slow
@pytest.mark.parametrize("rows", [200, 1000, 3080])
@pytest.mark.parametrize("lost", [0.002, 0.005, 0.01, 0.03])
@pytest.mark.parametrize("gained", [0.0, 0.002, 0.01, 0.03])
def test_bounds_hold_over_the_whole_plane(rows: int, lost: float, gained: float) -> None:
    assert max(_misses(rows, lost, gained)) <= MOST


@pytest.mark.parametrize("rows", [200, 1000, 3080])
def test_nothing_lost_is_the_rule_of_three(rows: int) -> None:
    kept = _retention(rows, 0, 0)
    assert kept.lower == pytest.approx(0.05 ** (1 / rows), rel=1e-5)


def test_a_reference_without_a_right_row_has_no_upper_bound() -> None:
    kept = _retention(0, 3, 0, neither=9)
    assert kept.upper is None
    assert kept.why == "the reference has no row right"


# Rows that earn more or less than a whole row


def _entities(
    rng: np.random.Generator, rows: int, lost: float, whole: bool
) -> tuple[RowScores, RowScores]:
    """Draw rows of 1 to 5 entities, of which the reference finds 90 %.

    A lost row loses all (`whole`), or any number.
    """
    entities = rng.integers(1, 6, size=rows)
    known = rng.binomial(entities, 0.9)
    part = 0.0 if whole else rng.random(rows)
    kept = np.where(rng.random(rows) < lost, np.floor(known * part), known)
    weight = entities.astype(np.float64)
    mine, theirs = kept.astype(np.float64), known.astype(np.float64)
    return RowScores(2 * mine, weight + mine), RowScores(2 * theirs, weight + theirs)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("rows", "lost"), [(200, 0.01), (1000, 0.01), (1000, 0.03), (3080, 0.002)])
def test_few_rows_that_lost_entities_are_bounded(rows: int, lost: float, whole: bool) -> None:
    mine, theirs = _entities(np.random.default_rng(0), 1_000_000, lost, whole)
    truth, rng, draws = mine.metric / theirs.metric, np.random.default_rng(3), 400
    low = high = 0
    for seed in range(draws):
        kept = paired_retention(*_entities(rng, rows, lost, whole), 0.95, seed, resamples=400)
        assert kept.lower is not None
        assert kept.upper is not None
        low, high = low + (kept.lower > truth), high + (kept.upper < truth)
    assert max(low, high) / draws <= MOST + 0.02  # two standard errors of 400 draws


@pytest.mark.parametrize("lost", [0.002, 0.01])
@pytest.mark.parametrize("rows", [200, 1000])
def test_rows_that_weigh_two_miss_as_seldom_as_rows_that_weigh_one(rows: int, lost: float) -> None:
    """The kind of row that resampling alone misses most: all of a row is lost, or nothing."""
    rng, draws, weight = np.random.default_rng(2), 400, np.full(rows, 2.0)
    low = 0
    for seed in range(draws):
        kept = np.where(rng.random(rows) >= lost, 2.0, 0.0)
        mine, theirs = RowScores(kept, weight), RowScores(weight, weight)
        bound = paired_retention(mine, theirs, 0.95, seed, resamples=400).lower
        assert bound is not None
        low += bound > 1 - lost
    assert low / draws <= MOST


@given(st.integers(20, 300), st.integers(0, 9), st.floats(0.2, 1.0))
def test_losing_more_lowers_the_bound(rows: int, lost: int, part: float) -> None:
    """Rows of half a point: some lose a part of it."""
    theirs = RowScores(np.full(rows, 0.5), np.ones(rows))

    def lower(count: int) -> float:
        value = np.full(rows, 0.5)
        value[rows - count :] *= 1 - part
        kept = paired_retention(RowScores(value, np.ones(rows)), theirs, 0.95, 1, resamples=200)
        assert kept.lower is not None
        return kept.lower

    assert lower(lost + 5) < lower(lost)
