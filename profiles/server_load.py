"""Latencies of requests that arrive at a rate: percentiles with bounds, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from profiles.statistics import Floats, Interval, Sum, clustered_interval, mean_interval
from runtimes.samples import Samples, ServerRuns

_PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
_RELAXATIONS = 8.0
"""Relaxation times of the queue that a process must observe before its percentiles are trusted."""


def server_latencies(samples: Samples) -> dict[str, Sum]:
    """Return the percentiles' bounds at each rate, by metric.

    Each process is a cluster: requests of one process wait in one queue. There is no upper bound,
    and so no PASS, where the queue grew or was not observed for long enough: see `unsettled`. A
    lower bound stays valid, since a queue that starts empty only understates the latency.

    Requests wait in bursts that few processes see, so the bounds are computed with half of the
    risk: in simulated M/D/1 queues (12 and 30 processes, utilization 0.3 to 0.8) a side then misses
    at most 6 % of the time at a nominal 5 %; with the whole risk p99's missed up to 11 %, and
    without the rule on the queue up to 99 %.
    """

    def bound(processes: Sequence[ServerRuns], q: float) -> Sum:
        clusters = [runs.latency_ms for runs in processes if runs.latency_ms]

        def at(confidence: float) -> Interval:
            seen = clustered_interval(clusters, q, (1 + confidence) / 2)
            why = seen.why or unsettled(processes, confidence)
            return replace(seen, upper=None, why=why) if why else seen

        return at

    return {metric: bound(processes, q) for metric, q, processes in server_loads(samples)}


def server_loads(samples: Samples) -> Iterator[tuple[str, float, list[ServerRuns]]]:
    """Yield each metric of a session's loads, its quantile, and what the processes saw."""
    rates: dict[int, list[ServerRuns]] = {}
    for runs in samples.server_runs:
        rates.setdefault(runs.per_s, []).append(runs)
    for per_s, processes in rates.items():
        for name, q in _PERCENTILES:
            yield f"server_latency_{name}_at_{per_s}_per_s_ms", q, processes


def unsettled(processes: Sequence[ServerRuns], confidence: float) -> str:
    """Say why the queue's length is unknown; empty where the latencies can be trusted.

    A queue forgets how it began within its relaxation time, s / (1 - √u)² for a time s of one
    request's own work and a utilization u (Abate & Whitt 1987, Queueing Systems 2, of M/M/1; of
    constant work it is shorter).
    """
    given_up = sum(runs.unanswered for runs in processes)
    asked = sum(len(runs.latency_ms) for runs in processes)
    own_ms = [float(np.mean(own_work_ms(runs))) for runs in processes if _answered(runs)]
    if given_up or not own_ms:
        return f"the queue grows: {given_up} of {asked} requests were not answered in time"
    longest_ms = mean_interval(own_ms, confidence).upper
    if longest_ms is None:
        return f"needs 2 processes that answer requests (have {len(own_ms)})"
    utilization = processes[0].per_s * longest_ms / 1e3
    if utilization >= 1:
        return f"the model may be too slow for the load: utilization up to {utilization:.2f}"
    needed_s = _RELAXATIONS * longest_ms / 1e3 / (1 - math.sqrt(utilization)) ** 2
    observed_s = min(runs.seconds for runs in processes)
    if observed_s >= needed_s:
        return ""
    return (
        f"at a utilization of {utilization:.2f} the queue takes {needed_s:.1f} s in a process to"
        f" settle (have {observed_s:.1f} s)"
    )


def _answered(runs: ServerRuns) -> int:
    return len(runs.latency_ms) - runs.unanswered


def own_work_ms(runs: ServerRuns) -> Floats:
    """Return the time of each answered request's own work."""
    count = _answered(runs)
    work: Floats = np.subtract(runs.latency_ms[:count], runs.wait_ms[:count])
    return work
