"""Measure models side by side in fresh processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

from runtimes.errors import InputError
from runtimes.record import Recorder
from runtimes.runtime import require_loads
from runtimes.samples import (
    Block,
    ColdStart,
    Effort,
    IdleRuns,
    Load,
    MeasurePlan,
    Samples,
    ServerRuns,
    Throughput,
    Variant,
    joined,
)
from runtimes.session import Session
from runtimes.worker import Worker

__all__ = [
    "Block",
    "ColdStart",
    "Effort",
    "IdleRuns",
    "Load",
    "MeasurePlan",
    "Samples",
    "ServerRuns",
    "Throughput",
    "Variant",
    "expected_runs",
    "joined",
    "measure",
]


def measure(
    variants: Sequence[Variant],
    rows: Sequence[Any],
    plan: MeasurePlan,
    *,
    launch: Callable[[Variant], Worker],
    advance: Callable[[int, str], None] = lambda _units, _note: None,
    stream: Path | None = None,
) -> dict[str, Samples]:
    """Measure the variants interleaved, one row at a time from input to answer.

    `launch` starts a fresh process for a variant, on this machine or on a device. `rows` are the
    task's inputs as JSON values: texts, for example.

    In each round every variant has a fresh process; only one of them works at a time, and blocks of
    the same rows run in randomized ABBA order. A process that ends, hangs or fails affects only its
    own variant, whose `Samples.fault` says why: the other variants go on.

    Each sample is appended to `stream` at once, as a JSON line with `kind`, `variant` and

    - `start`: the keys of ColdStart, `first_inference_ms` and the runtime's `version`
    - `uncached_start`: the keys of ColdStart
    - `uncached_why`: `why`
    - `warm_up`: `process`, `medians_ms`, `stable`, `inference_s`
    - `block`: the keys of Block
    - `soak`: the keys of Block, of the long process
    - `peak`: `process`, `rss_peak_mb`
    - `idle`: the keys of IdleRuns
    - `throughput`: the keys of Throughput
    - `server`: the keys of ServerRuns
    - `fault`: `fault`

    Raises InputError on nothing to measure or a stream that cannot be written, UnsupportedError on
    a format or runtime that is not deployed.
    """
    _check(variants, rows)
    with _opened(stream) if stream else nullcontext() as lines:
        units = expected_runs(1, plan)
        records = [Recorder(variant, units, advance, lines) for variant in variants]
        session = Session(records, list(rows), plan, launch)
        if plan.soak_s:
            session.soak_all()
        begun, process = time.monotonic(), plan.first_process
        while process < plan.first_process + plan.processes or (
            plan.processes and time.monotonic() - begun < plan.least_s
        ):
            session.measure_round(process)
            process += 1
        for _ in range(plan.cold_starts - plan.processes):
            session.start_all()
        for _ in range(plan.uncached_starts):
            session.start_all_uncached()
    return {record.variant.name: record.samples() for record in records}


def expected_runs(variants: int, plan: MeasurePlan) -> int:
    """Return the number of progress units that `measure` reports.

    A fresh process is one unit; so are each block, each load and each rate of requests that it
    runs, and each second of a long process.
    """
    starts = max(plan.processes, plan.cold_starts) + plan.uncached_starts
    runs = plan.blocks + len(plan.loads) + len(plan.requests_per_s)
    return variants * (int(plan.soak_s) + starts + plan.processes * runs)


def _opened(stream: Path) -> IO[str]:
    """Open a file whose lines can be read while it is written."""
    try:
        return stream.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise InputError(
            f"{stream}: the samples cannot be written ({error.strerror})",
            action="name a file in an existing folder",
        ) from None


def _check(variants: Sequence[Variant], rows: Sequence[Any]) -> None:
    names = [variant.name for variant in variants]
    if not names or not rows or len(set(names)) < len(names):
        raise InputError(
            f"{len(rows)} rows and the variants {names}",
            expected="at least one row, and variants with different names",
            action="give rows, and each variant a name of its own",
        )
    for variant in variants:
        require_loads(variant.runtime, variant.artifact.format)
