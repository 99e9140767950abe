"""Answer requests as they arrive: a Poisson process, with a queue and with idle gaps."""

from __future__ import annotations

import time
from itertools import accumulate, cycle, takewhile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from runtimes.predict import Predictor

_PATIENCE = 2.0
"""A queue is given up after this many times the time in which its requests arrived."""


def arrivals_s(per_s: float, seconds: float, seed: str) -> list[float]:
    """Return when requests arrive: exponential gaps from a seed, `per_s` a second on average."""
    import random  # not above: a cold start does not need it

    gaps = random.Random(seed)  # noqa: S311 - a load, no secret

    def later() -> Iterator[float]:
        while True:
            yield gaps.expovariate(per_s)

    return list(takewhile(lambda due: due < seconds, accumulate(later())))


def serve_arrivals(
    predictor: Predictor,
    rows: Sequence[Any],
    per_s: float,
    seconds: float,
    settling_s: float,
    seed: str,
) -> dict[str, Any]:
    """Answer the requests of so many seconds, one row each, one after the other as they arrive.

    The process sleeps until the next request, or begins at once when it is late. A latency is from
    the scheduled arrival to the answer, so it has the time in the queue; `wait_ms` is what passed
    before the request's own work began (LoadGen's Server scenario has the same clock: Reddi et al.
    2020, "MLPerf Inference Benchmark"). The queue is empty at first, so the requests of the first
    `settling_s` are answered and left out.

    A model that is too slow for the load would never catch up. After twice the time, what is left
    counts as `unanswered`: the time so far stands for its latency.
    """
    due = arrivals_s(per_s, seconds, seed)
    waits, latencies = [], []
    start = time.perf_counter()
    for arrival, row in zip(due, cycle(rows)):
        if (ahead := start + arrival - time.perf_counter()) > 0:
            time.sleep(ahead)
        begun = time.perf_counter() - start
        if begun > _PATIENCE * seconds:
            break
        predictor.task.shown(predictor.answer(row), row, 0)
        waits.append(max(begun - arrival, 0.0))
        latencies.append(time.perf_counter() - start - arrival)
    elapsed = time.perf_counter() - start
    so_far = [elapsed - arrival for arrival in due[len(latencies) :]]
    settled = sum(arrival < settling_s for arrival in due)
    return {
        "latency_ms": [1e3 * latency for latency in (latencies + so_far)[settled:]],
        "wait_ms": [1e3 * wait for wait in (waits + so_far)[settled:]],
        "unanswered": min(len(so_far), len(due) - settled),
        "seconds": seconds - settling_s,
        "inference_s": elapsed,
    }
