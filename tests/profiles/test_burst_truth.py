"""Bounds of latencies on machines whose slow times last for several blocks or processes."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable

import numpy as np
import pytest

from profiles.statistics import (
    Floats,
    clustered_interval,
    mean_interval,
    ordered_mean_interval,
    percentile_interval,
    ratio_interval,
)

BLOCKS, RUNS = 4, 25
QUANTILES = (0.5, 0.9)
NOMINAL = 0.07
"""A side of 95 % misses 5 % of the time, and two points more."""

Slowness = Callable[[np.random.Generator, int], Floats]
"""Draw the logarithm of each block's pace, from the number of blocks."""


def _remembered(rng: np.random.Generator, count: int, lasts: float, spread: float) -> Floats:
    """Draw an AR(1) series whose correlation falls to 1/e over so many steps."""
    keeps = math.exp(-1 / lasts)
    steps = rng.normal(0, spread * math.sqrt(1 - keeps**2), count)
    steps[0] = rng.normal(0, spread)
    for place in range(1, count):
        steps[place] += keeps * steps[place - 1]
    return steps


def _on_and_off(rng: np.random.Generator, count: int, share: float, lasts: float) -> Floats:
    """Draw bursts of 30 % that last so many blocks and take a share of the time."""
    pace, slow = np.zeros(count), rng.random() < share
    for place in range(count):
        pace[place] = 0.26 * slow
        if rng.random() < 1 / (lasts if slow else lasts * (1 - share) / share):
            slow = not slow
    return pace


def _neighbors(rng: np.random.Generator, blocks: int) -> Floats:
    """Draw processes that resemble the one before by a half."""
    processes = _remembered(rng, blocks // BLOCKS, 1 / math.log(2), 0.03)
    return np.repeat(processes, BLOCKS)


MACHINES: dict[str, Slowness] = {
    "calm": lambda _rng, count: np.zeros(count),
    "pace that lasts six blocks": lambda rng, count: _remembered(rng, count, 6, 0.04),
    "pace that lasts two processes": lambda rng, count: _remembered(rng, count, 2 * BLOCKS, 0.04),
    "neighbors alike": _neighbors,
    "bursts of six blocks": lambda rng, count: _on_and_off(rng, count, 0.2, 6),
}
UNSEEN = [("bursts of six blocks", 12)]
"""Twelve processes often see no burst, and no sum can then know of one."""


def session(rng: np.random.Generator, kind: str, processes: int) -> Floats:
    """Draw latencies of a session, shape (processes, runs)."""
    count = processes * BLOCKS
    level = MACHINES[kind](rng, count) + rng.normal(0, 0.008, count)
    level += np.repeat(rng.normal(0, 0.015, processes), BLOCKS)
    latencies: Floats = np.exp(level)[:, None] * (
        1 + 0.03 * rng.standard_exponential((count, RUNS))
    )
    return latencies.reshape(processes, -1)


def misses(kind: str, processes: int, draws: int) -> Floats:
    """Return how often bounds of p50 and p90 miss, shape (quantiles, sides)."""
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    truths = np.quantile([session(rng, kind, 400) for _ in range(10)], QUANTILES)
    missed = np.zeros((len(QUANTILES), 2))
    for _ in range(draws):
        clusters = list(session(rng, kind, processes))
        for row, (q, truth) in enumerate(zip(QUANTILES, truths, strict=True)):
            found = clustered_interval(clusters, q, 0.95)
            assert found.lower is not None
            assert found.upper is not None
            missed[row] += found.lower > truth, found.upper < truth
    return missed / draws


SESSIONS = pytest.mark.parametrize(
    ("kind", "processes"),
    [(kind, count) for kind in MACHINES for count in (12, 30, 46) if (kind, count) not in UNSEEN],
)


def _nominal(draws: int) -> float:
    """Return what a true share of NOMINAL exceeds once in a hundred times."""
    return NOMINAL + 2.3 * math.sqrt(NOMINAL * (1 - NOMINAL) / draws)


@SESSIONS
def test_bounds_hold_where_slow_times_last(kind: str, processes: int) -> None:
    assert misses(kind, processes, 150).max() <= _nominal(150)


@pytest.mark.slow
@SESSIONS
def test_bounds_hold_where_slow_times_last_in_many_sessions(kind: str, processes: int) -> None:
    assert misses(kind, processes, 1_000).max() <= _nominal(1_000)


def test_a_burst_that_no_process_saw_is_missed() -> None:
    """What no sum can mend: more processes do."""
    assert misses("bursts of six blocks", 12, 150)[1, 1] > _nominal(150)


def test_ratios_within_a_round_need_no_batches() -> None:
    """What slows a round slows both sides, so that neighbors are not alike in their ratio."""
    rng, missed = np.random.default_rng(6), np.zeros(2)
    for _ in range(400):
        pace = np.exp(_remembered(rng, 30, 3, 0.1))[:, None]
        mine, theirs = (
            pace * np.exp(rng.normal(0, 0.015, (30, 1)) + rng.normal(0, 0.03, (30, 40)))
            for _ in range(2)
        )
        found = ratio_interval(list(mine), list(theirs), 0.95)
        assert found.lower is not None
        assert found.upper is not None
        missed += found.lower > 1, found.upper < 1
    assert (missed / 400).max() <= _nominal(400)


def test_means_of_processes_that_share_slow_minutes_are_batched() -> None:
    rng, missed, plain = np.random.default_rng(7), 0, 0
    for _ in range(400):
        rates = np.exp(_neighbors(rng, 30 * BLOCKS)[::BLOCKS])
        upper, narrow = (
            bound(rates, 0.95).upper for bound in (ordered_mean_interval, mean_interval)
        )
        assert upper is not None
        assert narrow is not None
        missed, plain = missed + (upper < 1), plain + (narrow < 1)
    assert missed / 400 <= _nominal(400)
    assert plain / 400 > 0.1


def test_no_batches_are_narrower_than_order_statistics() -> None:
    rng = np.random.default_rng(8)
    clusters = list(session(rng, "neighbors alike", 30))
    whole = clustered_interval(clusters, 0.5, 0.95)
    plain = percentile_interval(np.concatenate(clusters), 0.5, 0.95)
    assert None not in (whole.lower, whole.upper, plain.lower, plain.upper)
    assert whole.lower <= plain.lower  # type: ignore[operator]
    assert whole.upper >= plain.upper  # type: ignore[operator]
    assert whole.freedom is None  # batches gave the bounds
