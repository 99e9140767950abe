"""Bounds of figures: pure functions, each with its source.

Every bound holds with `confidence` **by itself**: the truth is above `upper` at most 1 - confidence
of the time, and below `lower` at most as often. Both together hold with 2 · confidence - 1. A gate
asks about one side at a time, so it needs one-sided bounds.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from profiles.quantiles import t_quantile

Floats = NDArray[np.float64]

RESAMPLES = 2_000
_FEW_RESAMPLES = 500
"""For figures that take long to compute again."""
_DRAWN_AT_ONCE = 1_000_000
"""Counts of rows that a bootstrap draws at a time: 8 MB."""

RARE = 0.9
"""The share of processes that may not exceed the highest figure seen."""

_BATCHES = 4
"""The fewest batches of neighbors whose means are compared."""
_SHORTEST, _LONG, _ALIKE = 8, 24, 0.2
"""A session of so many clusters is short; neighbors are alike beyond 0.2 standard errors of their
correlation, as in 28 % of the short sessions of unlike ones, whose bounds are then wide too."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold an estimate and its bounds; None is a figure that the sample does not support.

    `why` then says which sample would support it. `freedom` is the number of degrees of freedom of
    the t-quantile in the bounds, None where there is none.
    """

    value: float | None
    lower: float | None
    upper: float | None
    samples: int
    why: str = ""
    freedom: int | None = None


Sum = Callable[[float], Interval]
"""Bound a figure at the given confidence."""


def percentile_interval(
    samples: ArrayLike, q: float, confidence: float, noun: str = "samples"
) -> Interval:
    """Bound the q-quantile of independent samples by order statistics.

    No distribution is assumed: x(k) is an upper bound when P(Binomial(n, q) < k) ≥ confidence. At
    least one sample must lie beyond the bound, as in MLPerf LoadGen's early stopping (Reddi et al.
    2020, "MLPerf Inference Benchmark"; David & Nagaraja, "Order Statistics", 3rd ed., §7.1). Where
    the upper bound is not supported, neither is the estimate given.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    below, above = _ranks(n, q, confidence)
    lower = float(ordered[below]) if below is not None else None
    if above is None:
        needed = samples_needed(q, confidence)
        return Interval(None, lower, None, n, f"needs {needed} {noun} (have {n})")
    return Interval(float(ordered[_rank(n, q)]), lower, float(ordered[above]), n)


def highest_interval(values: ArrayLike, confidence: float, noun: str) -> Interval:
    """Bound the figure that at most one in ten exceeds by the highest of independent figures.

    The highest was seen, so it is the lower bound whatever the confidence. It is also the upper
    bound where so many figures without a higher one are unlikely: RARE^n ≤ 1 - confidence, which 29
    figures reach at 95 % (order statistics: David & Nagaraja, "Order Statistics", 3rd ed., §7.1).
    """
    seen = np.asarray(values, dtype=np.float64)
    count, highest = len(seen), float(seen.max())
    needed = peaks_needed(confidence)
    if count < needed:
        why = f"needs {needed} {noun} (have {count})"
        return Interval(highest, highest, None, count, why)
    return Interval(highest, highest, highest, count, f"the highest of {count} {noun}")


def peaks_needed(confidence: float) -> int:
    """Return the fewest figures whose highest is exceeded by one in ten at most."""
    return math.ceil(math.log(1 - confidence) / math.log(RARE) - 1e-9)


@functools.cache
def samples_needed(q: float, confidence: float) -> int:
    """Return the fewest independent samples that bound the q-quantile from above.

    q = 0.9, 0.95, 0.99 need 46, 93, 473 at 95 % and 64, 130, 662 at 99 %.
    """
    n = 2
    while _second_largest_misses(n, q) > 1 - confidence:
        n += 1
    return n


def _second_largest_misses(n: int, q: float) -> float:
    """Return P(the second largest of n samples lies below the q-quantile)."""
    return float(q**n + n * (1 - q) * q ** (n - 1))


@functools.lru_cache(maxsize=4096)
def _ranks(n: int, q: float, confidence: float) -> tuple[int | None, int | None]:
    """Return the 0-based ranks of the lower and upper bound of the q-quantile."""
    from scipy.stats import binom

    # Subtracting a tiny number keeps rounding from losing a bound that is met exactly.
    k = int(binom.ppf(confidence - 1e-12, n, q)) + 1
    upper = k - 1 if k <= n - 1 else None
    # P(x(j+1) > quantile) = P(Binomial(n, q) ≤ j) must stay within 1 - confidence.
    j = int(binom.ppf(1 - confidence, n, q))
    while j >= 0 and binom.cdf(j, n, q) > 1 - confidence + 1e-12:
        j -= 1
    return (j if j >= 0 else None), upper


def _rank(n: int, q: float) -> int:
    return max(math.ceil(q * n - 1e-9) - 1, 0)


def clustered_interval(clusters: Sequence[ArrayLike], q: float, confidence: float) -> Interval:
    """Bound the q-quantile of samples that come in clusters, such as a process each.

    Samples of one process resemble each other (layout, caches, the minute it ran in), so order
    statistics alone give bounds that are too narrow. The share of samples below the estimate varies
    between clusters; its t-interval, read back through the empirical distribution, bounds the
    quantile (Woodruff 1952, JASA 47; Francisco & Fuller 1991, Annals of Statistics 19). The wider
    bound of this and of the order statistics is given. Where the clusters differ so much that this
    bound lies beyond the samples, the t-interval of the clusters' own quantiles, which must be
    positive, gives the bound: a distant limit can still be met.

    Clusters come in the order in which they ran, since a slow machine is slow for several of them:
    the t-intervals are those of `_widest_reach`. A burst that no cluster saw widens nothing.
    """
    arrays = [np.asarray(cluster, dtype=np.float64) for cluster in clusters]
    ordered = np.sort(np.concatenate(arrays)) if arrays else np.empty(0)
    plain = percentile_interval(ordered, q, confidence)
    if plain.value is None or plain.lower is None or plain.upper is None or len(arrays) < 2:
        return plain
    shares = [_share_below(a, plain.value) for a in arrays]
    reach, freedom = _widest_reach(np.array(shares), confidence)
    n = len(ordered)
    below, above = math.floor((q - reach) * n) - 1, math.ceil((q + reach) * n)
    if below >= 0 and above < n:
        low, high = float(ordered[below]), float(ordered[above])
    else:
        apart = ordered_mean_interval([_quantile(a, q) for a in arrays], confidence)
        assert apart.lower is not None  # at least two clusters
        assert apart.upper is not None
        low = float(ordered[below]) if below >= 0 else apart.lower
        high = float(ordered[above]) if above < n else max(apart.upper, float(ordered[-1]))
    low, high = min(low, plain.lower), max(high, plain.upper)
    return Interval(plain.value, low, high, n, freedom=freedom)


def _share_below(values: Floats, estimate: float) -> float:
    """Return the share below the estimate, plus half of the ties: coarse clocks produce ties."""
    below, up_to = np.count_nonzero(values < estimate), np.count_nonzero(values <= estimate)
    return float(below + up_to) / (2 * len(values))


def ratio_interval(
    numerator: Sequence[ArrayLike],
    denominator: Sequence[ArrayLike],
    confidence: float,
    q: float = 0.5,
) -> Interval:
    """Bound the numerator's q-quantile over the denominator's.

    `numerator[i]` and `denominator[i]` ran side by side in round i, so the machine's load cancels
    within a round: the result is the geometric mean of the rounds' ratios of quantiles, with a
    t-interval of their logarithms (repetition at the level of processes: Kalibera & Jones 2013,
    "Rigorous Benchmarking in Reasonable Time", ISMM). A drift that both share would bias the ratio
    of quantiles over all rounds.
    """
    above = [np.asarray(row, dtype=np.float64) for row in numerator]
    below = [np.asarray(row, dtype=np.float64) for row in denominator]
    samples = sum(map(len, above))
    if len(above) < 2:
        why = f"needs 2 processes in which runs of both were undisturbed (have {len(above)})"
        return Interval(None, None, None, samples, why)
    ratios = [_quantile(a, q) / _quantile(b, q) for a, b in zip(above, below, strict=True)]
    return mean_interval(ratios, confidence, samples)


def _quantile(values: Floats, q: float) -> float:
    """Return what np.quantile returns; its overhead is ten times this function's time."""
    ordered = np.sort(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    step = ordered[min(low + 1, len(ordered) - 1)] - ordered[low]
    return float(ordered[low] + (place - low) * step)


def mean_interval(values: ArrayLike, confidence: float, samples: int | None = None) -> Interval:
    """Bound the geometric mean of positive figures, one a process: a t-interval of their logs."""
    logs = np.log(np.asarray(values, dtype=np.float64))
    count = len(logs) if samples is None else samples
    if len(logs) < 2:
        return Interval(None, None, None, count, f"needs 2 processes (have {len(logs)})")
    value = math.exp(logs.mean())
    spread = math.exp(_t_reach(logs, confidence))
    return Interval(value, value / spread, value * spread, count, freedom=len(logs) - 1)


def mean_of_differences(values: ArrayLike, confidence: float) -> float:
    """Return the lower t-bound of the mean of at least two figures, which may be negative."""
    figures = np.asarray(values, dtype=np.float64)
    return float(figures.mean()) - _t_reach(figures, confidence)


def ordered_mean_interval(values: ArrayLike, confidence: float) -> Interval:
    """Bound the geometric mean of positive figures in the order of their processes.

    Unlike ratios within a round, they share the machine's slow minutes: see `_widest_reach`.
    """
    logs = np.log(np.asarray(values, dtype=np.float64))
    if len(logs) < 2:
        return mean_interval(values, confidence)
    reach, freedom = _widest_reach(logs, confidence)
    value, spread = math.exp(logs.mean()), math.exp(reach)
    return Interval(value, value / spread, value * spread, len(logs), freedom=freedom)


def _widest_reach(values: Floats, confidence: float) -> tuple[float, int | None]:
    """Return the widest distance of a t-bound over batches of neighbors, and its freedom.

    The freedom is None where batches gave it: their number does not grow with the samples.

    Means of batches of 1, 2, 3, … neighbors vary as much as if they were independent once a batch
    outlasts the machine's slow times (batch means: Law & Kelton, "Simulation Modeling and
    Analysis", §9.5.3). At least _BATCHES remain, or two where neighbors of a short session resemble
    each other: so few then only say that little is known.
    """
    count = len(values)
    alike = _SHORTEST <= count < _LONG and _lag_correlation(values) > _ALIKE / math.sqrt(count)
    widest: tuple[float, int | None] = 0.0, count - 1
    for size in range(1, max(count // (2 if alike else _BATCHES), 1) + 1):
        batches = count // size
        means = values[: batches * size].reshape(batches, size).mean(axis=1)
        reach = _t_reach(means, confidence)
        if reach > widest[0]:
            widest = reach, count - 1 if size == 1 else None
    return widest


def _lag_correlation(values: Floats) -> float:
    """Return the correlation of neighbors."""
    apart = values - values.mean()
    whole = float(apart @ apart)
    return float(apart[1:] @ apart[:-1]) / whole if whole else 0.0


def unpaired_ratio_interval(
    numerator: ArrayLike, denominator: ArrayLike, confidence: float
) -> Interval:
    """Bound the ratio of two geometric means of processes that did not run side by side.

    Welch's t-interval of the difference of the logarithms (Welch 1947, Biometrika 34). It does not
    cover a change of the machine between the two sessions.
    """
    from scipy.stats import ttest_ind

    above, below = (np.log(np.asarray(row, dtype=np.float64)) for row in (numerator, denominator))
    count = len(above) + len(below)
    if min(len(above), len(below)) < 2:
        why = f"needs 2 processes in each session (have {len(above)} and {len(below)})"
        return Interval(None, None, None, count, why)
    value = float(above.mean() - below.mean())
    if above.std() + below.std() < 1e-12:  # all figures are equal: Welch's sum is 0 / 0
        return Interval(math.exp(value), math.exp(value), math.exp(value), count)
    test = ttest_ind(above, below, equal_var=False)
    bounds = test.confidence_interval(2 * confidence - 1)
    low, high = math.exp(bounds.low), math.exp(bounds.high)
    return Interval(math.exp(value), low, high, count)


def _t_reach(values: Floats, confidence: float) -> float:
    """Return the distance of a one-sided t-bound from the mean."""
    count = len(values)
    standard_error = float(values.std(ddof=1)) / math.sqrt(count)
    return t_quantile(confidence, count - 1) * standard_error


def share_interval(hits: int, rows: int, confidence: float) -> Interval:
    """Bound a share by the exact binomial test, one side at a time.

    Clopper & Pearson 1934, Biometrika 26: never wrong oftener than 1 - confidence, also near 0 and
    1, where approximations such as Wilson's score interval are.
    """
    from scipy.special import betaincinv

    risk, misses = 1 - confidence, rows - hits
    lower = float(betaincinv(hits, misses + 1, risk)) if hits else 0.0
    upper = float(betaincinv(hits + 1, misses, confidence)) if misses else 1.0
    return Interval(hits / rows, lower, upper, rows)


def resampled_interval(
    statistic: Callable[[Floats], Floats], rows: int, confidence: float, seed: int
) -> Interval:
    """Bound a figure of rows by a bootstrap, as `f1_macro_interval` does.

    `statistic` takes how often each row is drawn, (resamples, rows), and returns (resamples,).
    """
    generator, share = np.random.default_rng(seed), np.full(rows, 1 / rows)
    step = max(1, _DRAWN_AT_ONCE // rows)
    drawn = np.concatenate(
        [
            statistic(
                generator.multinomial(rows, share, size=min(step, _FEW_RESAMPLES - start)).astype(
                    np.float64
                )
            )
            for start in range(0, _FEW_RESAMPLES, step)
        ]
    )
    value = float(statistic(np.ones((1, rows)))[0])
    low, high = np.quantile(drawn, [1 - confidence, confidence])
    lower, upper = min(low, 2 * value - high, value), max(high, 2 * value - low, value)
    return Interval(value, float(lower), float(upper), rows)


def f1_macro_interval(counts: NDArray[np.int64], confidence: float, seed: int) -> Interval:
    """Bound the macro F1 of a confusion table (classes, classes) by a bootstrap over rows.

    Each side takes the wider of the percentile and the reflected interval (Davison & Hinkley 1997,
    §5.2): resampling lowers the F1 of rare classes, so the first is too low with many classes; the
    second is too narrow below with few rows a class.
    """
    rows = int(counts.sum())
    seen = np.flatnonzero(counts)
    drawn = np.random.default_rng(seed).multinomial(
        rows, counts.ravel()[seen] / rows, size=RESAMPLES
    )
    classes = len(counts)
    truth, predicted = np.divmod(seen, classes)
    present = np.zeros(classes, dtype=bool)
    present[truth] = present[predicted] = True
    value = _macro_f1(counts.ravel()[None, seen], truth, predicted, present)[0]
    resampled = _macro_f1(drawn, truth, predicted, present)
    low, high = np.quantile(resampled, [1 - confidence, confidence])
    lower, upper = min(low, 2 * value - high), max(high, 2 * value - low)
    return Interval(float(value), max(float(lower), 0.0), min(float(upper), 1.0), rows)


def _macro_f1(
    cells: NDArray[np.int64], truth: Any, predicted: Any, present: NDArray[np.bool_]
) -> Floats:
    """Return the macro F1 of each row of cell counts, over the classes of the whole sample."""
    classes = np.arange(len(present))
    of_truth, of_predicted = truth[:, None] == classes, predicted[:, None] == classes
    hits = cells @ (of_truth & of_predicted)
    support = cells @ (of_truth.astype(np.int64) + of_predicted)
    f1: Floats = (2 * hits / np.maximum(support, 1))[:, present].mean(axis=1)
    return f1
