"""Time an opened model in this process, from a row to its answer."""

from __future__ import annotations

import functools
import gc
import time
from itertools import cycle
from typing import TYPE_CHECKING, Any, NamedTuple

from runtimes.errors import BackendError, first_line
from runtimes.machine import preemptions, probe_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from runtimes.machine import MachineMonitor
    from runtimes.predict import Predictor

    Run = Callable[[Any], "Timed"]

_WAITED = 1.1
"""A run waited when it took this many times its processor time."""
_OTHER_BYTES = 16 * 2**20
"""More than the caches of one core hold."""


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


class Timed(NamedTuple):
    """Hold the time of one row from the input to the answer, and of its parts, in ms.

    A part is None where what answers does not show it. `contaminated` says that the process was
    preempted or waited meanwhile.
    """

    latency_ms: float
    encode_ms: float | None
    model_ms: float | None
    contaminated: bool


def timed(predictor: Predictor, row: Any) -> Timed:
    """Time one row from the input to the answer that a user sees.

    The parts are encoding (the row becomes arrays) and the model's own run; the rest is naming the
    answer. All threads of the process count as contaminated: a preempted pool thread delays the
    result as much.
    """
    task, infer = predictor.task, predictor.infer
    preempted, cpu = preemptions(), time.process_time_ns()
    start = time.perf_counter_ns()
    feeds = task.feeds(row)
    encoded = time.perf_counter_ns()
    outputs = infer(feeds)
    ran = time.perf_counter_ns()
    task.shown(predictor.answer_in(outputs, feeds), row, 0)
    wall = time.perf_counter_ns() - start
    cpu = time.process_time_ns() - cpu
    return Timed(
        wall / 1e6,
        (encoded - start) / 1e6,
        (ran - encoded) / 1e6,
        preemptions() > preempted or wall > _WAITED * cpu,
    )


def warm(
    run: Run, rows: Sequence[Any], runs: int, seconds: float, limit_s: float
) -> dict[str, Any]:
    """Answer the same rows again and again until the last three medians agree within 2 %."""
    chosen = [rows[i % len(rows)] for i in range(max(runs, 1))]
    start, medians, inference_ms = time.perf_counter(), [], 0.0
    while True:
        samples = [run(row).latency_ms for row in chosen]
        medians.append(_median(samples))
        inference_ms += sum(samples)
        last, elapsed = medians[-3:], time.perf_counter() - start
        stable = len(last) == 3 and max(last) <= 1.02 * min(last)
        if (stable and elapsed >= seconds) or elapsed >= limit_s:
            said = {"medians_ms": medians, "stable": stable}
            return {**said, "inference_s": inference_ms / 1e3}


def block(
    run: Run,
    rows: Sequence[Any],
    machine: MachineMonitor,
    *,
    others: Sequence[Any] = (),
    settle_ms: float = 0.0,
) -> dict[str, Any]:
    """Time each row once, with the garbage collector off.

    Before, `others` are answered in turn for `settle_ms`: the process that ran until now, and the
    collector, left the caches full of what this model does not use. The first rows would show that,
    and a block of a fast model beside a slow one has few others.
    """
    before = probe_ms()
    gc.collect()
    gc.disable()
    try:
        _settle(run, others, settle_ms)
        state = machine.state()
        samples = [run(row) for row in rows]
    finally:
        gc.enable()
    return {
        "latency_ms": [sample.latency_ms for sample in samples],
        "encode_ms": [sample.encode_ms for sample in samples if sample.encode_ms is not None],
        "model_ms": [sample.model_ms for sample in samples if sample.model_ms is not None],
        "contaminated": [sample.contaminated for sample in samples],
        **machine.evidence(state),
        "probe_ms": [before, probe_ms()],
    }


def _settle(run: Run, rows: Sequence[Any], settle_ms: float) -> None:
    end = time.perf_counter() + settle_ms / 1e3
    for row in cycle(rows):
        if time.perf_counter() >= end:
            return
        run(row)


def idle(run: Run, rows: Sequence[Any], gap_ms: float) -> dict[str, Any]:
    """Time each row once after an idle gap in which other data took the place in the caches."""
    latencies = []
    for row in rows:
        start = time.perf_counter()
        _fill_caches()
        time.sleep(max(gap_ms / 1e3 - (time.perf_counter() - start), 0.0))
        latencies.append(run(row).latency_ms)
    return {"latency_ms": latencies}


def _fill_caches() -> None:
    """Write to more memory than the caches next to a core hold."""
    _other_data()[:] += 1


@functools.cache
def _other_data() -> Any:
    import numpy as np

    return np.zeros(_OTHER_BYTES, dtype=np.uint8)


def throughput(
    predictor: Predictor, rows: Sequence[Any], batch: int, concurrency: int, seconds: float
) -> dict[str, Any]:
    """Count the rows that `concurrency` threads answer in a second, `batch` at a time.

    The model stays opened as for single rows. Each thread encodes and runs all batches, and repeats
    them until `seconds` have passed, so that every model gets the same mix of lengths. All batches
    run once before.
    """
    from concurrent.futures import ThreadPoolExecutor

    batches = _batches(rows, batch)
    start = time.perf_counter()
    with ThreadPoolExecutor(concurrency) as pool:
        callers = [
            pool.submit(_batches_per_s, predictor, batches, seconds) for _ in range(concurrency)
        ]
        try:
            per_s = sum(caller.result() for caller in callers)
        except Exception as error:  # each runtime raises other types
            said = first_line(error)
            raise BackendError(
                f"{concurrency} callers of {batch} rows: {said}",
                action="ask for fewer callers or rows at once",
            ) from error
    return {"rows_per_s": per_s * batch, "inference_s": time.perf_counter() - start}


def _batches(rows: Sequence[Any], size: int) -> list[list[Any]]:
    """Return all rows in whole batches; the first rows fill the last batch."""
    whole = (list(rows) * size)[: max(len(rows) // size, 1) * size]
    return [whole[i : i + size] for i in range(0, len(whole), size)]


def _batches_per_s(predictor: Predictor, batches: Sequence[Sequence[Any]], seconds: float) -> float:
    task = predictor.task

    def run_all() -> None:
        for rows in batches:
            predictor.infer(task.batch([task.feeds(row) for row in rows]))

    run_all()
    start, done, elapsed = time.perf_counter(), 0, 0.0
    while not done or elapsed < seconds:
        run_all()
        done += len(batches)
        elapsed = time.perf_counter() - start
    return done / elapsed


def _median(values: Sequence[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
