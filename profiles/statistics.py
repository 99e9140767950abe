"""Bounds, tests and sample sizes: pure functions, each naming its source.

Every bound holds with `confidence` **by itself**: the truth is above `upper` at most
1 - confidence of the time, and below `lower` at most as often. Both together hold with
2 · confidence - 1. A gate asks one side at a time, so one-sided is what it needs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from runtimes.measure import Block

Floats = NDArray[np.float64]

RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold an estimate and its bounds; None is a figure that the sample does not support.

    `needed` is then the number of samples that would.
    """

    value: float | None
    lower: float | None
    upper: float | None
    samples: int
    needed: int | None = None


def percentile_interval(samples: ArrayLike, q: float, confidence: float) -> Interval:
    """Bound the q-quantile of independent samples by order statistics.

    Free of any distribution: x(k) is an upper bound when P(Binomial(n, q) < k) ≥ confidence.
    At least one sample must lie beyond the bound, as in MLPerf LoadGen's early stopping
    (Reddi et al. 2020, "MLPerf Inference Benchmark"; David & Nagaraja, "Order Statistics",
    3rd ed., §7.1). Where the upper bound is not supported, neither is the estimate printed.
    """
    ordered = np.sort(np.asarray(samples, dtype=np.float64))
    n = len(ordered)
    below, above = _ranks(n, q, confidence)
    lower = float(ordered[below]) if below is not None else None
    if above is None:
        return Interval(None, lower, None, n, samples_needed(q, confidence))
    return Interval(float(ordered[_rank(n, q)]), lower, float(ordered[above]), n)


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


def _ranks(n: int, q: float, confidence: float) -> tuple[int | None, int | None]:
    """Return the 0-based ranks of the lower and upper bound of the q-quantile."""
    from scipy.stats import binom

    # Subtracting a hair keeps a bound that is met exactly from being lost to rounding.
    k = int(binom.ppf(confidence - 1e-12, n, q)) + 1
    upper = k - 1 if k <= n - 1 else None
    # P(x(j+1) > quantile) = P(Binomial(n, q) ≤ j) must stay within 1 - confidence.
    j = int(binom.ppf(1 - confidence, n, q))
    while j >= 0 and binom.cdf(j, n, q) > 1 - confidence + 1e-12:
        j -= 1
    return (j if j >= 0 else None), upper


def _rank(n: int, q: float) -> int:
    return max(math.ceil(q * n - 1e-9) - 1, 0)


def block_interval(blocks: Sequence[ArrayLike], q: float, confidence: float, seed: int) -> Interval:
    """Bound the q-quantile of samples that come in blocks.

    Samples of a block resemble each other, so order statistics alone are too sure of
    themselves. Whole blocks are resampled (Künsch 1989, Annals of Statistics 17(3)) and the
    wider bound of the two is given.
    """
    arrays = [np.asarray(block, dtype=np.float64) for block in blocks]
    plain = percentile_interval(np.concatenate(arrays), q, confidence)
    if plain.value is None or plain.upper is None or plain.lower is None or len(arrays) < 2:
        return plain
    rng = np.random.default_rng(seed)
    counts = _resampled_counts(rng, len(arrays))
    lower, upper = _bounds(_weighted_quantiles(arrays, counts, q), confidence, len(arrays))
    return Interval(plain.value, min(lower, plain.lower), max(upper, plain.upper), plain.samples)


def ratio_interval(
    candidate: Sequence[Block],
    reference: Sequence[Block],
    confidence: float,
    seed: int,
    *,
    q: float = 0.5,
) -> Interval:
    """Bound the reference's q-quantile over the candidate's: over 1 is a faster candidate.

    Each candidate block is paired with the reference block that ran next to it, so that what
    the machine did meanwhile cancels; pairs are resampled (Künsch 1989).
    """
    pairs = neighbours(candidate, reference)
    samples = sum(len(a.latency_ms) for a, _ in pairs)
    if len(pairs) < 2:
        return Interval(None, None, None, samples, needed=2 * max(samples, 1))
    mine = [np.asarray(a.latency_ms) for a, _ in pairs]
    theirs = [np.asarray(b.latency_ms) for _, b in pairs]
    value = _quantile(np.concatenate(theirs), q) / _quantile(np.concatenate(mine), q)
    counts = _resampled_counts(np.random.default_rng(seed), len(pairs))
    ratios = _weighted_quantiles(theirs, counts, q) / _weighted_quantiles(mine, counts, q)
    lower, upper = _bounds(ratios, confidence, len(pairs))
    return Interval(value, min(lower, value), max(upper, value), samples)


def neighbours(candidate: Sequence[Block], reference: Sequence[Block]) -> list[tuple[Block, Block]]:
    """Pair each candidate block with the nearest reference block by order, each used once."""
    distances = sorted(
        (abs(a.order - b.order), a.order, b.order, a, b) for a in candidate for b in reference
    )
    taken: set[tuple[str, int]] = set()
    pairs = []
    for _, mine, theirs, a, b in distances:
        if ("candidate", mine) not in taken and ("reference", theirs) not in taken:
            taken |= {("candidate", mine), ("reference", theirs)}
            pairs.append((a, b))
    return sorted(pairs, key=lambda pair: pair[0].order)


def _resampled_counts(rng: np.random.Generator, blocks: int) -> NDArray[np.int64]:
    """Draw how often each block occurs in each resample; shape (RESAMPLES, blocks)."""
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=RESAMPLES)


def _weighted_quantiles(blocks: list[Floats], counts: NDArray[np.int64], q: float) -> Floats:
    """Return the q-quantile of each resample, without building the resamples."""
    values = np.concatenate(blocks)
    block_of = np.repeat(np.arange(len(blocks)), [len(block) for block in blocks])
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(counts[:, block_of[order]], axis=1)
    total = reached[:, -1:]
    first = np.argmax(reached >= q * total - 1e-9, axis=1)
    quantiles: Floats = values[order][first]
    return quantiles


def _quantile(samples: Floats, q: float) -> float:
    return float(np.sort(samples)[_rank(len(samples), q)])


def _bounds(resampled: Floats, confidence: float, units: int) -> tuple[float, float]:
    """Return one-sided percentile bounds, widened for few resampled units.

    The expanded percentile interval of Hesterberg (2015), "What Teachers Should Know About
    the Bootstrap", The American Statistician 69(4): a plain one is too short by
    sqrt((n - 1) / n) and by the difference between normal and t.
    """
    from scipy.stats import norm, t

    tail = norm.cdf(math.sqrt(units / (units - 1)) * t.ppf(1 - confidence, units - 1))
    lower, upper = np.quantile(resampled, [tail, 1 - tail])
    return float(lower), float(upper)


def paired_retention(
    candidate_correct: ArrayLike,
    reference_correct: ArrayLike,
    confidence: float,
    seed: int,
    resamples: int = 10_000,
) -> Interval:
    """Bound the candidate's accuracy over the reference's, by a paired bootstrap over rows.

    A resample of rows is a multinomial draw of the 2×2 table of who was right. Half a row is
    added to each cell first (Agresti & Min 2005, Statistics in Medicine 24): without it, two
    models that agree on every row would look certain to agree for ever.
    """
    table = paired_table(candidate_correct, reference_correct)
    n = int(table.sum())
    smoothed = (table + 0.5).ravel() / (n + 2)
    drawn = np.random.default_rng(seed).multinomial(n + 2, smoothed, size=resamples)
    both, candidate_only, reference_only = drawn[:, 0], drawn[:, 1], drawn[:, 2]
    ratios = (both + candidate_only) / np.maximum(both + reference_only, 1)
    lower, upper = np.quantile(ratios, [1 - confidence, confidence])
    value = _retention_of(table)
    return Interval(value, min(float(lower), value), max(float(upper), value), n)


def paired_table(candidate_correct: ArrayLike, reference_correct: ArrayLike) -> NDArray[np.int64]:
    """Count rows as [[both right, only candidate], [only reference, neither]]."""
    candidate = np.asarray(candidate_correct, dtype=bool)
    reference = np.asarray(reference_correct, dtype=bool)
    code = 2 * ~candidate + ~reference
    table = np.bincount(code, minlength=4).reshape(2, 2)
    return np.asarray(table, dtype=np.int64)


def _retention_of(table: NDArray[np.int64]) -> float:
    return float(table[0].sum() / max(int(table[:, 0].sum()), 1))


def mcnemar(candidate_correct: ArrayLike, reference_correct: ArrayLike) -> float:
    """Return the exact two-sided p-value that two models are right equally often.

    McNemar (1947), Psychometrika 12(2), with the binomial in place of chi-square.
    """
    from scipy.stats import binomtest

    table = paired_table(candidate_correct, reference_correct)
    gained, lost = int(table[0, 1]), int(table[1, 0])
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def wilson_interval(hits: int, rows: int, confidence: float) -> Interval:
    """Bound a share by Wilson's score interval (Wilson 1927, JASA 22), one side at a time."""
    from scipy.stats import binomtest

    bounds = binomtest(hits, rows).proportion_ci(2 * confidence - 1, method="wilson")
    return Interval(hits / rows, float(bounds.low), float(bounds.high), rows)


def f1_macro_interval(counts: NDArray[np.int64], confidence: float, seed: int) -> Interval:
    """Bound the macro F1 of a confusion table (classes, classes) by a bootstrap over rows."""
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
    lower, upper = np.quantile(resampled, [1 - confidence, confidence])
    return Interval(float(value), min(float(lower), value), max(float(upper), value), rows)


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


def rows_needed(variance: float, margin: float, confidence: float, power: float = 0.8) -> int:
    """Return the rows that decide a one-sided question with the given power.

    n = (z_confidence + z_power)² · variance / margin² (Connor 1987, Biometrics 43(1), for
    pairs). `variance` is of one row's paired difference, about the share of rows on which the
    two disagree: 3 % of them and a margin of 0.76 points need about 3,200 rows.
    """
    from scipy.stats import norm

    reach = float(norm.ppf(confidence) + norm.ppf(power))
    return math.ceil(reach**2 * variance / margin**2)


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Return p-values adjusted for testing them all (Holm 1979, Scand. J. Statistics 6(2))."""
    order = np.argsort(p_values, kind="stable")
    count = len(order)
    stepped = [(count - step) * p_values[i] for step, i in enumerate(order)]
    adjusted = np.minimum(np.maximum.accumulate(stepped), 1.0)
    result = np.empty(count)
    result[order] = adjusted
    return tuple(float(p) for p in result)
