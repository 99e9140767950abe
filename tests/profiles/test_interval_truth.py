"""Bounds compared with known truths: each side of 95 % misses 5 % of the time, ± 2 points.

Where a bound is conservative by construction, only too many misses are a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.stats import binom

from profiles.paired import paired_retention
from profiles.scores import RowScores
from profiles.statistics import (
    Floats,
    Interval,
    clustered_interval,
    f1_macro_interval,
    mean_interval,
    percentile_interval,
    share_interval,
    unpaired_ratio_interval,
)
from tests.profiles.simulated import block_bootstrap

DRAWS = 2_000
FEWEST, MOST = 0.03, 0.07

Draw = Callable[[np.random.Generator], Interval]


def _misses(draw: Draw, truth: float, times: int = DRAWS) -> tuple[float, float]:
    """Return how often the lower and the upper bound miss the truth."""
    rng = np.random.default_rng(11)
    intervals = [draw(rng) for _ in range(times)]
    low = sum(x.lower is not None and x.lower > truth for x in intervals)
    high = sum(x.upper is not None and x.upper < truth for x in intervals)
    return low / times, high / times


@pytest.mark.parametrize("processes", [3, 5, 16])
def test_means_of_processes(processes: int) -> None:
    misses = _misses(lambda r: mean_interval(np.exp(r.normal(0, 0.02, processes)), 0.95), 1.0)
    assert min(misses) >= FEWEST
    assert max(misses) <= MOST


@pytest.mark.parametrize(("mine", "theirs"), [((5, 0.02), (5, 0.02)), ((5, 0.04), (16, 0.01))])
def test_ratios_of_sessions_apart(mine: tuple[int, float], theirs: tuple[int, float]) -> None:
    def draw(rng: np.random.Generator) -> Interval:
        a, b = (np.exp(rng.normal(0, spread, count)) for count, spread in (mine, theirs))
        return unpaired_ratio_interval(1.2 * a, b, 0.95)

    misses = _misses(draw, 1.2, times=1_000)
    assert min(misses) >= FEWEST
    assert max(misses) <= MOST


@pytest.mark.parametrize(("q", "count"), [(0.5, 8), (0.5, 20), (0.9, 46), (0.9, 200)])
def test_percentiles_of_independent_samples(q: float, count: int) -> None:
    """Conservative: ranks are whole numbers, so a bound holds with more than its confidence."""
    truth = (1 - q) ** (-1 / 1.5)  # of a Pareto with exponent 1.5
    misses = _misses(lambda r: percentile_interval(r.pareto(1.5, count) + 1, q, 0.95), truth)
    assert max(misses) <= 0.05 + 0.015  # three standard errors of 2,000 draws


@pytest.mark.parametrize("rows", [100, 1000, 3080])
@pytest.mark.parametrize("share", [0.6, 0.8, 0.93, 0.95, 0.98, 0.99, 0.995, 0.999])
def test_bounds_of_a_share(rows: int, share: float) -> None:
    """No simulation: every count of hits is weighted with its probability."""
    hits = np.arange(rows + 1)
    weights = binom.pmf(hits, rows, share)
    likely = [(int(k), w) for k, w in zip(hits, weights, strict=True) if w > 1e-9]
    intervals = [(share_interval(k, rows, 0.95), w) for k, w in likely]
    low = sum(w for bound, w in intervals if bound.lower is not None and bound.lower > share)
    high = sum(w for bound, w in intervals if bound.upper is not None and bound.upper < share)
    assert max(low, high) <= 0.05 + 1e-6


@pytest.mark.parametrize(
    "cells",  # both right, candidate alone, reference alone, neither
    [(0.90, 0.015, 0.025, 0.06), (0.90, 0.03, 0.03, 0.04)],
)
def test_paired_retention(cells: Sequence[float]) -> None:
    truth = (cells[0] + cells[1]) / (cells[0] + cells[2])

    def draw(rng: np.random.Generator) -> Interval:
        code = np.repeat([3, 2, 1, 0], rng.multinomial(1000, cells))
        seed = int(rng.integers(2**32))
        mine, theirs = RowScores.right(code >= 2), RowScores.right(code % 2 == 1)
        return paired_retention(mine, theirs, 0.95, seed, resamples=1000)

    misses = _misses(draw, truth)
    assert min(misses) >= FEWEST
    assert max(misses) <= MOST


@pytest.mark.parametrize("rows", [300, 1000])
def test_macro_f1_of_few_classes(rows: int) -> None:
    right, classes = np.array([0.85, 0.9, 0.95, 0.8]), 4
    support = np.array([0.4, 0.3, 0.2, 0.1])
    joint = np.repeat((support * (1 - right) / 3)[:, None], classes, axis=1)
    np.fill_diagonal(joint, support * right)
    truth = float(np.mean(2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))))

    def draw(rng: np.random.Generator) -> Interval:
        counts = rng.multinomial(rows, joint.ravel()).reshape(classes, classes)
        return f1_macro_interval(counts, 0.95, int(rng.integers(2**32)))

    assert max(_misses(draw, truth, times=1_000)) <= MOST


# Why whole processes are compared, and blocks are not resampled


def _of_one_length(rng: np.random.Generator, count: int) -> Floats:
    """Draw runs of rows of one length, so that only the processes differ."""
    level = rng.normal(0, 0.02, (count, 1, 1)) + rng.normal(0, 0.01, (count, 4, 1))
    latencies: Floats = np.exp(level) * (1 + 0.03 * rng.standard_exponential((count, 4, 40)))
    return latencies


def _resampled(samples: Floats, q: float, whole: bool, rng: np.random.Generator) -> Interval:
    """Resample blocks, or `whole` processes."""
    blocks = samples.reshape(len(samples) if whole else -1, *samples.shape[-1 - whole :])

    def quantiles(drawn: Floats) -> Floats:
        flat = drawn.reshape(len(drawn), -1)
        draws: Floats = np.quantile(flat, q, axis=1, method="lower")
        return draws

    return block_bootstrap(blocks, quantiles, 0.95, rng, resamples=200)


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("count", [3, 5])
def test_resampled_blocks_are_too_sure_of_themselves(q: float, count: int) -> None:
    truth = float(np.quantile(_of_one_length(np.random.default_rng(0), 5_000), q))

    def ours(rng: np.random.Generator) -> Interval:
        return clustered_interval(list(_of_one_length(rng, count).reshape(count, -1)), q, 0.95)

    def resampled(whole: bool) -> Draw:
        return lambda rng: _resampled(_of_one_length(rng, count), q, whole, rng)

    assert max(_misses(ours, truth)) <= MOST
    assert max(_misses(resampled(whole=False), truth, times=200)) > 0.15
    assert max(_misses(resampled(whole=True), truth, times=200)) > 0.08
