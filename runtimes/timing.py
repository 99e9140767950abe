"""Time an opened model in this process: warm it up, time rows, count rows under a load."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, Any

from runtimes.errors import BackendError, first_line
from runtimes.machine import preemptions, probe_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimes.machine import MachineMonitor
    from runtimes.predict import Predictor
    from runtimes.runtime import Feeds

    Infer = Callable[[Feeds], Any]


class Stopwatch:
    """Time each of several steps."""

    def __init__(self) -> None:
        self._last_ns = time.perf_counter_ns()

    def lap_ms(self) -> float:
        """Return the ms since the last lap."""
        now_ns = time.perf_counter_ns()
        lap = (now_ns - self._last_ns) / 1e6
        self._last_ns = now_ns
        return lap


def elements(feeds: Feeds) -> int:
    """Return the number of elements in one inference's feeds."""
    return sum(array.size for array in feeds.values())


def timed(infer: Infer, feeds: Feeds) -> tuple[float, bool]:
    """Time one inference in ms, and tell whether the process was preempted or waited.

    All threads of the process count: a preempted pool thread delays the result as much.
    """
    preempted, cpu = preemptions(), time.process_time_ns()
    start = time.perf_counter_ns()
    infer(feeds)
    wall = time.perf_counter_ns() - start
    cpu = time.process_time_ns() - cpu
    return wall / 1e6, preemptions() > preempted or wall > 1.1 * cpu


def warm(
    infer: Infer, feeds: Sequence[Feeds], runs: int, seconds: float, limit_s: float
) -> dict[str, Any]:
    """Run blocks of the same rows until their last three medians agree within 2 %."""
    rows = [feeds[i % len(feeds)] for i in range(max(runs, 1))]
    start, medians, inference_ms = time.perf_counter(), [], 0.0
    while True:
        samples = [timed(infer, one)[0] for one in rows]
        medians.append(_median(samples))
        inference_ms += sum(samples)
        last, elapsed = medians[-3:], time.perf_counter() - start
        stable = len(last) == 3 and max(last) <= 1.02 * min(last)
        if (stable and elapsed >= seconds) or elapsed >= limit_s:
            said = {"medians_ms": medians, "stable": stable}
            return {**said, "inference_s": inference_ms / 1e3}


def block(infer: Infer, feeds: Sequence[Feeds], machine: MachineMonitor) -> dict[str, Any]:
    """Time one inference for each row, with the garbage collector off."""
    before = probe_ms()
    gc.collect()
    gc.disable()
    state = machine.state()
    try:
        samples = [timed(infer, one) for one in feeds]
    finally:
        gc.enable()
    return {
        "latency_ms": [latency for latency, _ in samples],
        "contaminated": [flag for _, flag in samples],
        **machine.evidence(state),
        "probe_ms": [before, probe_ms()],
    }


def throughput(
    predictor: Predictor, feeds: Sequence[Feeds], batch: int, concurrency: int, seconds: float
) -> dict[str, Any]:
    """Count the rows that `concurrency` threads answer in a second, `batch` at a time.

    The model stays opened as for single rows. Each thread runs all batches, and repeats them until
    `seconds` have passed, so that every model gets the same mix of lengths. The widest batch warms
    it up.
    """
    from concurrent.futures import ThreadPoolExecutor

    batches = _batches(predictor, feeds, batch)
    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        callers = [
            pool.submit(_batches_per_s, predictor.infer, batches, seconds)
            for _ in range(concurrency)
        ]
        try:
            per_s = sum(caller.result() for caller in callers)
        except Exception as error:  # each runtime raises other types
            said = first_line(error)
            raise BackendError(f"{concurrency} callers of {batch} rows: {said}") from error
    return {"rows_per_s": per_s * batch, "inference_s": time.perf_counter() - start}


def _batches(predictor: Predictor, feeds: Sequence[Feeds], size: int) -> list[Feeds]:
    """Return all rows in whole batches; the first rows fill the last batch."""
    whole = (list(feeds) * size)[: max(len(feeds) // size, 1) * size]
    return [predictor.task.batch(whole[i : i + size]) for i in range(0, len(whole), size)]


def _batches_per_s(infer: Infer, batches: Sequence[Feeds], seconds: float) -> float:
    infer(max(batches, key=elements))
    start, done, elapsed = time.perf_counter(), 0, 0.0
    while not done or elapsed < seconds:
        for feeds in batches:
            infer(feeds)
        done += len(batches)
        elapsed = time.perf_counter() - start
    return done / elapsed


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
