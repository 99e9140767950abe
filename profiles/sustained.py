"""Whether a machine keeps its speed: one long process, its last third over its first."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from profiles.quantiles import t_quantile
from profiles.statistics import Floats, Interval
from runtimes.samples import Block

BATCHES = 8
"""Parts of each third; each is so long that what disturbs it has mostly passed at its end."""

FEWEST_BLOCKS = 3 * BATCHES
_Q = 0.9


def sustained_interval(blocks: Sequence[Block], confidence: float) -> Interval:
    """Bound the p90 of the last third of one process over that of its first third.

    `blocks` are in the order of time; of several processes, the longest counts. Each third is cut
    into BATCHES parts of equal time, each with one p90; Welch's t-interval of their logarithms
    gives the bounds (batch means: Law & Kelton, "Simulation Modeling and Analysis", §9.5.3). Where
    neighboring parts still resemble each other, their standard error
    grows by √((1 + r) / (1 - r)), r being their lag-1 autocorrelation.
    """
    blocks = _longest(blocks)
    count = sum(len(block.latency_ms) for block in blocks)
    if len(blocks) < FEWEST_BLOCKS:
        why = f"needs {FEWEST_BLOCKS} blocks of one long process (have {len(blocks)})"
        return Interval(None, None, None, count, why)
    third = len(blocks) // 3
    first, last = _log_p90(blocks[:third]), _log_p90(blocks[-third:])
    value = float(last.mean() - first.mean())
    reach = _welch_reach(first, last, confidence) * _inflation(first, last)
    low, high = math.exp(value - reach), math.exp(value + reach)
    return Interval(math.exp(value), low, high, count)


def _longest(blocks: Sequence[Block]) -> list[Block]:
    processes: dict[int, list[Block]] = {}
    for block in blocks:
        processes.setdefault(block.process, []).append(block)
    return max(processes.values(), key=len, default=[])


def _log_p90(blocks: Sequence[Block]) -> Floats:
    parts = np.array_split(np.arange(len(blocks)), BATCHES)
    runs = [np.concatenate([blocks[place].latency_ms for place in part]) for part in parts]
    return np.array([math.log(np.quantile(part, _Q)) for part in runs])


def _welch_reach(one: Floats, other: Floats, confidence: float) -> float:
    """Return the distance of Welch's one-sided t-bound from the difference (1947, Biometrika 34).

    With two samples of one size n, its degrees of freedom lie between n - 1 and 2 (n - 1).
    """
    a, b = (float(part.var(ddof=1)) / len(part) for part in (one, other))
    if a + b == 0:
        return 0.0
    freedom = (a + b) ** 2 * (len(one) - 1) / (a**2 + b**2)
    return t_quantile(confidence, freedom) * math.sqrt(a + b)


def _inflation(one: Floats, other: Floats) -> float:
    """Return how much the standard error grows by the batches' own autocorrelation."""
    within = [part - part.mean() for part in (one, other)]
    spread = sum(float(part @ part) for part in within)
    if spread == 0:
        return 1.0
    shared = sum(float(part[1:] @ part[:-1]) for part in within)
    r = shared / spread + 1 / BATCHES  # a short series' estimate is too low by about 1 / n
    r = min(max(r, 0.0), 0.8)
    return math.sqrt((1 + r) / (1 - r))
