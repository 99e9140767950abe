"""How many processes may be slow although the mean is not: a bound before a PASS.

A mean of processes hides a few that are much slower: memory laid out badly, a core that shares its
cache, a fallback that some starts take. Users meet such a process as a whole, not its mean.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from profiles.budget import Budget
from profiles.parts import views
from profiles.selection import process_latencies, process_pairs
from profiles.server_load import own_work_ms, server_loads
from profiles.statistics import Floats
from runtimes.samples import Samples, ServerRuns

SLOW = 1.25
"""A process is slow when it is this many times worse than the typical one, and beyond the limit."""

MOST_SLOW = 0.10
"""The share of slow processes that a PASS rules out, at the budget's confidence."""

PerProcess = Callable[[], tuple[float, ...]]
"""Return a metric's value in each process of a session."""


@dataclass(frozen=True, slots=True)
class SlowProcesses:
    """Say how many of the `processes` are slow, and how much worse the `worst` is than usual.

    At most a share of `up_to` of all processes is slow, at the budget's confidence.
    """

    slow: int
    processes: int
    worst: float
    up_to: float

    def __str__(self) -> str:
        """Describe it for a table's note."""
        count = f"{self.slow} of {self.processes}" if self.slow else f"none of {self.processes}"
        worst = f", the worst {self.worst:.2f}×" if self.slow else ""
        return (
            f"{count} processes slow{worst}: up to {100 * self.up_to:.0f} % of processes may be"
            f" (limit {100 * MOST_SLOW:.0f} %)"
        )


def slow_processes(values: Sequence[float], budget: Budget) -> SlowProcesses:
    """Count the processes that are slow by their own figures; there is at least one."""
    figures = np.array(values)
    typical = float(np.median(figures))
    worse = figures / typical if budget.side == "max" else typical / figures
    slow = sum(
        bool(times > SLOW) and not budget.meets(value)
        for times, value in zip(worse, values, strict=True)
    )
    up_to = share_at_most(slow, len(values), budget.confidence)
    return SlowProcesses(slow, len(values), float(worse.max()), up_to)


def share_at_most(found: int, count: int, confidence: float) -> float:
    """Return the upper bound of a share (Clopper & Pearson 1934, Biometrika 26)."""
    from scipy.special import betaincinv

    if found >= count:
        return 1.0
    return float(betaincinv(found + 1, count - found, confidence))


@functools.cache
def allowed_slow(looks: tuple[int, ...], confidence: float) -> tuple[int, ...]:
    """Return how many processes may be slow at each look for a PASS there; -1 allows no PASS.

    `looks` are the numbers of processes by the end of each. If a share of MOST_SLOW is slow, the
    probability that any look passes is at most 1 - confidence: what a look may spend is what the
    ones before it left, since a gate that passes ends (exact, by the binomial distribution). A
    single look allows none of 29 processes, 1 of 46, 2 of 61.
    """
    from scipy.stats import binom

    left = 1 - confidence
    waiting = np.ones(1)  # the probability of each count of slow processes, not yet passed
    before, allowed = 0, []
    for processes in looks:
        fresh = processes - before
        waiting = np.convolve(waiting, binom.pmf(np.arange(fresh + 1), fresh, MOST_SLOW))
        spent = np.cumsum(waiting)
        most = int(np.searchsorted(spent, left + 1e-12, side="right")) - 1
        if most >= 0:
            left -= float(spent[most])
            waiting[: most + 1] = 0.0
        allowed.append(most)
        before = processes
    return tuple(allowed)


def processes_needed(slow: int, confidence: float) -> int:
    """Return the fewest processes of one look that allow so many slow ones."""
    count = slow + 1
    while share_at_most(slow, count, confidence) > MOST_SLOW:
        count += 1
    return count


def per_process(
    samples: Samples, reference: Samples | None, percentiles: Mapping[str, float]
) -> dict[str, PerProcess]:
    """Return the figures that each process has alone, by metric."""
    figures: dict[str, PerProcess] = {}
    for prefix, own, other in [("", samples, reference), *views(samples, reference)]:
        figures |= _latencies(own, percentiles, prefix)
        if other is not None:
            figures |= _ratios(own, other, prefix)
    for name in dict.fromkeys(one.metric for one in samples.throughputs):
        rows = tuple(one.rows_per_s for one in samples.throughputs if one.metric == name)
        figures[name] = functools.partial(tuple, rows)
    for name, q, runs in server_loads(samples):
        figures[name] = functools.partial(_under_load, runs, q)
    return figures


def _under_load(processes: Sequence[ServerRuns], q: float) -> tuple[float, ...]:
    """Return each process's median work, scaled to what is typical of the q-quantile.

    Queues make the latencies of equal processes differ; their work does not.
    """
    answered = [(own_work_ms(runs), runs.latency_ms) for runs in processes]
    seen = [(work, latency) for work, latency in answered if len(work)]
    medians = [float(np.median(work)) for work, _ in seen]
    return _scaled(medians, [float(np.quantile(latency, q)) for _, latency in seen])


def _latencies(
    samples: Samples, percentiles: Mapping[str, float], prefix: str
) -> dict[str, PerProcess]:
    """Return each process's latency, by metric; every block counts."""
    whole = functools.cache(lambda: process_latencies(samples.blocks))

    def one(q: float) -> PerProcess:
        return functools.cache(lambda: _of_each(whole(), q))

    return {f"{prefix}latency_{name}_ms": one(q) for name, q in percentiles.items()}


def _of_each(latencies: Sequence[Floats], q: float) -> tuple[float, ...]:
    """Return each process's median, scaled to what is typical of the q-quantile.

    A process that is slow is slow as a whole, and has too few runs for a steady tail: by their own
    p90, 30 of 100 equal models had a slow process on a machine that preempts.
    """
    own = [float(np.median(latency)) for latency in latencies]
    return _scaled(own, [float(np.quantile(latency, q)) for latency in latencies])


def _scaled(medians: Sequence[float], tails: Sequence[float]) -> tuple[float, ...]:
    if not medians:
        return ()
    typical = float(np.median(tails) / np.median(medians))
    return tuple(median * typical for median in medians)


def _ratios(samples: Samples, reference: Samples, prefix: str) -> dict[str, PerProcess]:
    """Return each process's ratio to the one of the reference beside it."""
    pairs = functools.cache(lambda: process_pairs(samples.blocks, reference.blocks))

    def ratio(q: float, inverse: bool = False) -> PerProcess:
        def values() -> tuple[float, ...]:
            medians = [_ratio(both, 0.5) for both in pairs()]
            ratios = _scaled(medians, [_ratio(both, q) for both in pairs()])
            return tuple(1 / one if inverse else one for one in ratios)

        return functools.cache(values)

    return {
        f"{prefix}latency_p50_ratio": ratio(0.5),
        f"{prefix}latency_p90_ratio": ratio(0.9),
        f"{prefix}speedup": ratio(0.5, inverse=True),
    }


def _ratio(pairs: Floats, q: float) -> float:
    mine, theirs = np.quantile(pairs, q, axis=1)
    return float(mine / theirs)
