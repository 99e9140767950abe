"""Bounds against known truths: exact figures, properties, and coverage in seeded simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.metrics import confusion
from profiles.statistics import (
    Interval,
    clustered_interval,
    f1_macro_interval,
    highest_interval,
    mean_interval,
    percentile_interval,
    ratio_interval,
    samples_needed,
    share_interval,
    unpaired_ratio_interval,
)
from tests.absent import needs

Draw = Callable[[np.random.Generator], Interval]

LATENCIES = st.lists(st.floats(0.1, 1e4), min_size=1, max_size=300)


def _misses(draw: Draw, truth: float, times: int, seed: int = 3) -> tuple[float, float]:
    """Return how often the lower and the upper bound miss the truth."""
    rng = np.random.default_rng(seed)
    intervals = [draw(rng) for _ in range(times)]
    low = sum(x.lower is not None and x.lower > truth for x in intervals)
    high = sum(x.upper is not None and x.upper < truth for x in intervals)
    return low / times, high / times


# Percentiles


@pytest.mark.parametrize(
    ("q", "confidence", "needed"),
    [
        (0.90, 0.95, 46),
        (0.95, 0.95, 93),
        (0.99, 0.95, 473),
        (0.90, 0.99, 64),
        (0.95, 0.99, 130),
        (0.99, 0.99, 662),
        (0.50, 0.95, 8),
    ],
)
def test_the_samples_that_a_percentile_needs(q: float, confidence: float, needed: int) -> None:
    assert samples_needed(q, confidence) == needed
    assert percentile_interval(range(needed), q, confidence).value is not None
    refused = percentile_interval(range(needed - 1), q, confidence)
    assert (refused.value, refused.upper) == (None, None)
    assert refused.why == f"needs {needed} samples (have {needed - 1})"


def test_p99_of_100_samples_is_refused_and_still_bounded_from_below() -> None:
    interval = percentile_interval(range(100), 0.99, 0.95)
    assert (interval.value, interval.upper) == (None, None)
    assert interval.lower == 96
    assert "473" in interval.why


def test_the_ranks_of_a_median_are_the_tables() -> None:
    # n = 20, one-sided 97.5 %: ranks 6 and 15 (Conover, "Practical Nonparametric Statistics").
    interval = percentile_interval(range(1, 21), 0.5, 0.975)
    assert (interval.lower, interval.upper) == (6, 15)


@given(LATENCIES, st.sampled_from([0.5, 0.9]), st.sampled_from([0.9, 0.95, 0.99]))
def test_percentile_bounds_hold_the_estimate_and_widen_with_confidence(
    samples: list[float], q: float, confidence: float
) -> None:
    interval = percentile_interval(samples, q, confidence)
    wider = percentile_interval(samples, q, (1 + confidence) / 2)
    if interval.value is None:
        assert wider.value is None
        return
    assert interval.upper is not None
    assert interval.value <= interval.upper
    assert interval.lower is None or interval.lower <= interval.value
    assert wider.upper is None or wider.upper >= interval.upper
    assert wider.lower is None or (interval.lower is not None and wider.lower <= interval.lower)


@given(LATENCIES)
def test_scaling_the_samples_scales_the_bounds(samples: list[float]) -> None:
    one = percentile_interval(samples, 0.5, 0.95)
    two = percentile_interval([2 * x for x in samples], 0.5, 0.95)
    pairs = [(one.value, two.value), (one.lower, two.lower), (one.upper, two.upper)]
    assert all(a is b is None or (a is not None and b == 2 * a) for a, b in pairs)


@pytest.mark.parametrize(("q", "n"), [(0.5, 20), (0.9, 46), (0.9, 300)])
def test_percentile_bounds_cover_a_heavy_tail(q: float, n: int) -> None:
    truth = (1 - q) ** (-1 / 1.5)  # of a Pareto with exponent 1.5
    misses = _misses(
        lambda rng: percentile_interval(rng.pareto(1.5, n) + 1, q, 0.95), truth, times=1000
    )
    assert max(misses) <= 0.06


# The highest


@pytest.mark.parametrize(("confidence", "needed"), [(0.9, 22), (0.95, 29), (0.99, 44)])
def test_the_highest_is_a_bound_from_so_many_figures_on(confidence: float, needed: int) -> None:
    """Without simulation: all of n processes lie among the lower 90 % with probability 0.9^n."""
    enough = highest_interval(np.arange(needed) + 1.0, confidence, "processes")
    assert (enough.lower, enough.value, enough.upper) == (needed, needed, needed)
    assert 0.9**needed <= 1 - confidence < 0.9 ** (needed - 1)
    few = highest_interval(np.arange(needed - 1) + 1.0, confidence, "processes")
    assert (few.lower, few.upper) == (needed - 1, None)
    assert few.why == f"needs {needed} processes (have {needed - 1})"


# Clusters


def _processes(rng: np.random.Generator, count: int, spread: float = 0.03) -> np.ndarray:
    """Simulate latencies: processes and blocks differ, and 5 % of the samples are outliers."""
    blocks, runs = 6, 40
    level = rng.normal(0, spread, (count, 1, 1)) + rng.normal(0, spread, (count, blocks, 1))
    body = 1 + 0.05 * rng.standard_gamma(1, (count, blocks, runs))
    tail = (rng.random(body.shape) < 0.05) * rng.pareto(2, body.shape)
    return (np.exp(level) * (body + tail)).reshape(count, -1)


@pytest.mark.parametrize("q", [0.5, 0.9])
@pytest.mark.parametrize("count", [3, 8])
def test_clustered_bounds_cover_when_processes_differ(q: float, count: int) -> None:
    truth = float(np.quantile(_processes(np.random.default_rng(0), 4000), q))
    misses = _misses(
        lambda rng: clustered_interval(list(_processes(rng, count)), q, 0.95), truth, times=400
    )
    assert max(misses) <= 0.08
    naive = _misses(
        lambda rng: percentile_interval(_processes(rng, count).ravel(), q, 0.95), truth, times=200
    )
    assert max(naive) > 0.15  # which is why clusters are taken into account


def test_one_cluster_is_plain_order_statistics() -> None:
    samples = np.random.default_rng(0).lognormal(size=200)
    assert clustered_interval([samples], 0.9, 0.95) == percentile_interval(samples, 0.9, 0.95)


def test_clusters_that_contradict_each_other_are_bounded_beyond_what_was_seen() -> None:
    interval = clustered_interval([np.linspace(1, 2, 50), np.linspace(8, 9, 50)], 0.9, 0.95)
    assert interval.upper is not None
    assert 100 < interval.upper < 1e6
    assert interval.lower is not None
    assert interval.lower < 2


def test_no_clusters_are_no_samples() -> None:
    assert clustered_interval([], 0.5, 0.95).why == "needs 8 samples (have 0)"


# Ratios


def test_a_ratio_interval_covers_and_cancels_drift() -> None:
    def draw(rng: np.random.Generator) -> Interval:
        drift = np.linspace(1.0, 1.5, 5)[:, None]
        return ratio_interval(
            list(2 * drift * _processes(rng, 5)), list(_processes(rng, 5) * drift), 0.95
        )

    assert max(_misses(draw, 2.0, times=400)) <= 0.075
    assert draw(np.random.default_rng(1)).value == pytest.approx(2.0, rel=0.1)


def test_identical_samples_are_exactly_as_fast() -> None:
    rows = list(_processes(np.random.default_rng(0), 3))
    interval = ratio_interval(rows, rows, 0.95)
    assert (interval.value, interval.lower, interval.upper) == (1, 1, 1)


@given(LATENCIES, LATENCIES, st.sampled_from([0.5, 0.9, 0.99]))
def test_a_ratio_is_of_numpys_quantiles(a: list[float], b: list[float], q: float) -> None:
    interval = ratio_interval([a, a], [b, b], 0.95, q)
    assert interval.value == pytest.approx(np.quantile(a, q) / np.quantile(b, q))


def test_one_round_bounds_no_ratio() -> None:
    interval = ratio_interval([[1.0, 2.0]], [[2.0, 4.0]], 0.95)
    assert (interval.value, interval.lower, interval.upper) == (None, None, None)
    assert interval.why == "needs 2 processes in which runs of both were undisturbed (have 1)"


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 5))
@settings(max_examples=30)
def test_swapping_the_two_inverts_the_ratio(seed: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    a, b = list(_processes(rng, 3)), list(scale * _processes(rng, 3))
    there, back = ratio_interval(a, b, 0.95), ratio_interval(b, a, 0.95)
    assert there.value is not None
    assert back.value is not None
    assert there.value == pytest.approx(1 / back.value)
    assert there.lower == pytest.approx(1 / (back.upper or math.nan))


@given(st.lists(st.floats(0.1, 100), min_size=2, max_size=12), st.floats(0.2, 5))
def test_the_mean_of_scaled_figures_is_scaled(values: list[float], scale: float) -> None:
    one, two = mean_interval(values, 0.95), mean_interval([scale * x for x in values], 0.95)
    assert one.value == pytest.approx(math.exp(np.mean(np.log(values))))
    assert None not in (one.value, one.lower, one.upper, two.lower)
    assert one.lower <= one.value <= one.upper  # type: ignore[operator]
    assert two.lower == pytest.approx(scale * one.lower, rel=1e-6)  # type: ignore[operator]


def test_one_figure_bounds_no_mean() -> None:
    interval = mean_interval([3.0], 0.95)
    assert (interval.value, interval.samples) == (None, 1)
    assert interval.why == "needs 2 processes (have 1)"


def test_sessions_apart_are_compared_as_welch_did() -> None:
    above, below = np.exp([0.1, 0.2, 0.3, 0.4]), np.exp([0.0, 0.1, 0.05])
    interval = unpaired_ratio_interval(above, below, 0.95)
    # By hand: difference 0.2, variances 1/60 / 4 and 0.0025 / 3, 4.1 degrees of freedom.
    a, b = (1 / 60) / 4, 0.0025 / 3
    freedom = (a + b) ** 2 / (a**2 / 3 + b**2 / 2)
    reach = scipy.stats.t.ppf(0.95, freedom) * math.sqrt(a + b)
    assert interval.value == pytest.approx(math.exp(0.2))
    assert interval.samples == 7
    assert interval.lower == pytest.approx(math.exp(0.2 - reach))
    assert interval.upper == pytest.approx(math.exp(0.2 + reach))


def test_equal_sessions_are_equal_and_single_processes_say_nothing() -> None:
    same = unpaired_ratio_interval([2.0, 2.0], [2.0, 2.0], 0.95)
    assert (same.value, same.lower, same.upper) == (1, 1, 1)
    alone = unpaired_ratio_interval([2.0], [2.0, 2.0], 0.95)
    assert (alone.value, alone.why) == (None, "needs 2 processes in each session (have 1 and 2)")


# Accuracy


def test_a_share_has_the_published_bounds() -> None:
    # 81 of 263, two-sided 95 %: 0.2527 to 0.3676 (Newcombe 1998, Statistics in Medicine 17).
    interval = share_interval(81, 263, 0.975)
    assert interval.lower == pytest.approx(0.2527, abs=5e-5)
    assert interval.upper == pytest.approx(0.3676, abs=5e-5)


@given(st.integers(0, 50), st.integers(1, 50))
def test_the_bounds_of_a_share_stay_within_0_and_1(hits: int, more: int) -> None:
    interval = share_interval(hits, hits + more, 0.95)
    assert interval.lower is not None
    assert interval.value is not None
    assert interval.upper is not None
    assert 0 <= interval.lower <= interval.value + 1e-12
    assert interval.value - 1e-12 <= interval.upper <= 1


def test_f1_bounds_hold_the_metric() -> None:
    needs("sklearn")
    rng = np.random.default_rng(0)
    truth = rng.choice(4, 800, p=[0.45, 0.35, 0.15, 0.05])
    predicted = np.where(rng.random(800) < 0.9, truth, rng.integers(0, 4, 800))
    from sklearn.metrics import f1_score

    interval = f1_macro_interval(confusion(truth, predicted, 5), 0.95, seed=1)
    assert interval.value == pytest.approx(f1_score(truth, predicted, average="macro"))
    assert interval.value is not None
    assert interval.lower is not None
    assert interval.upper is not None
    assert 0.02 < interval.upper - interval.lower < 0.15
    assert interval.lower < interval.value < interval.upper
