"""Whether a model waits more than its reference: ratios leave out runs that waited."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from profiles.budget import METRICS
from profiles.statistics import Interval, Sum, mean_of_differences
from runtimes.samples import Samples

MOST_MORE = 0.10
"""The share of a model's runs that may wait beyond what its reference's runs explain."""

_CONFIDENCE = 0.99


def waits_more(samples: Samples, reference: Samples) -> str:
    """Say that a model waits more often than its reference for the time that it takes.

    Runs that were preempted or waited count in no ratio, since other work does that to both. But a
    model that sleeps, or waits for a lock, a file or threads of its own, does it to itself, and its
    ratio would hide that. A run that takes twice as long meets twice as much other work: so a
    share p of the reference's explains 1 - (1 - p)^(ratio of the latencies).
    """
    mine, theirs = _by_process(samples), _by_process(reference)
    more = [
        own - (1 - (1 - min(other, 0.99)) ** (own_ms / other_ms))
        for process, (own, own_ms) in mine.items()
        if process in theirs
        for other, other_ms in [theirs[process]]
    ]
    if len(more) < 2:
        return ""
    lower = mean_of_differences(more, _CONFIDENCE)
    if lower <= MOST_MORE:
        return ""
    share = float(np.mean([own for own, _ in mine.values()]))
    usual = float(np.mean([other for other, _ in theirs.values()]))
    return (
        f"{share:.0%} of its runs waited or were preempted, {usual:.0%} of the reference's: "
        "what it waits for is in no ratio"
    )


def unproven(metric: str, bound: Sum, why: str) -> Sum:
    """Take away the bound by which a ratio of latencies would pass."""

    def without(confidence: float) -> Interval:
        whole = bound(confidence)
        if METRICS[metric].side == "min":
            return replace(whole, lower=None, why=why)
        return replace(whole, upper=None, why=why)

    return without


def _by_process(samples: Samples) -> dict[int, tuple[float, float]]:
    """Return each process's share of runs that waited, and the others' median latency."""
    runs: dict[int, list[tuple[float, bool]]] = {}
    for block in samples.blocks:
        pairs = zip(block.latency_ms, block.contaminated, strict=True)
        runs.setdefault(block.process, []).extend(pairs)
    return {
        process: (
            float(np.mean([dirty for _, dirty in rows])),
            float(np.median([ms for ms, dirty in rows if not dirty] or [ms for ms, _ in rows])),
        )
        for process, rows in runs.items()
        if rows
    }
