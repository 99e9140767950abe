"""Measure models side by side in fresh processes."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import IO, Any

from runtimes.errors import InputError
from runtimes.record import Recorder
from runtimes.runtime import require_loads
from runtimes.samples import (
    Block,
    ColdStart,
    Effort,
    Load,
    MeasurePlan,
    Samples,
    Throughput,
    Variant,
    joined,
)
from runtimes.worker import Worker

__all__ = [
    "Block",
    "ColdStart",
    "Effort",
    "Load",
    "MeasurePlan",
    "Samples",
    "Throughput",
    "Variant",
    "expected_runs",
    "joined",
    "measure",
]

_LOAD_ROWS = 32
_LOAD_BATCHES = 4
"""A load runs at least this many rows, and at least this many batches."""


def measure(
    variants: Sequence[Variant],
    rows: Sequence[Any],
    plan: MeasurePlan,
    *,
    launch: Callable[[Variant], Worker],
    advance: Callable[[int, str], None] = lambda _units, _note: None,
    stream: Path | None = None,
) -> dict[str, Samples]:
    """Measure the variants interleaved, one row at a time, each row at its own length.

    `launch` starts a fresh process for a variant, on this machine or on a device. `rows` are the
    task's inputs as JSON values: texts, for example.

    In each round every variant has a fresh process; only one of them works at a time, and blocks of
    the same rows run in randomized ABBA order. A process that ends, hangs or fails affects only its
    own variant, whose `Samples.fault` says why: the other variants go on.

    Each sample is appended to `stream` at once, as a JSON line with `kind`, `variant` and

    - `start`, `uncached_start`: the keys of ColdStart
    - `warm_up`: `process`, `medians_ms`, `stable`, `inference_s`
    - `block`: the keys of Block
    - `peak`: `process`, `rss_peak_mb`
    - `throughput`: the keys of Throughput
    - `fault`: `fault`

    Raises InputError on nothing to measure or a stream that cannot be written, UnsupportedError on
    a format or runtime that is not deployed.
    """
    _check(variants, rows)
    with _opened(stream) if stream else nullcontext() as lines:
        units = expected_runs(1, plan)
        records = [Recorder(variant, units, advance, lines) for variant in variants]
        session = _Session(records, list(rows), plan, launch)
        for process in range(plan.first_process, plan.first_process + plan.processes):
            session.measure_round(process)
        for _ in range(plan.cold_starts - plan.processes):
            session.start_all()
        for _ in range(plan.uncached_starts):
            session.start_all_uncached()
    return {record.variant.name: record.samples() for record in records}


def expected_runs(variants: int, plan: MeasurePlan) -> int:
    """Return the number of progress units that `measure` reports.

    A timed inference is one unit; so are a fresh process and each load that it runs.
    """
    starts = max(plan.processes, plan.cold_starts) + plan.uncached_starts
    return variants * (starts + plan.processes * (plan.blocks * plan.block_runs + len(plan.loads)))


class _Round:
    """Name the rows that one process of each variant runs; only these are encoded there.

    Each load takes its rows from the start of `loaded`.
    """

    def __init__(self, process: int, blocks: list[list[int]], loaded: list[int]) -> None:
        self.process = process
        self.blocks = blocks
        self.loaded = loaded
        self.used = list(dict.fromkeys(row for rows in (*blocks, loaded) for row in rows))
        self._places = {row: place for place, row in enumerate(self.used)}

    def encoded(self, rows: list[int]) -> list[int]:
        """Return the places of the rows among the encoded ones."""
        return [self._places[row] for row in rows]


class _Session:
    def __init__(
        self,
        records: list[Recorder],
        rows: list[Any],
        plan: MeasurePlan,
        launch: Callable[[Variant], Worker],
    ) -> None:
        self._records = records
        self._rows = rows
        self._plan = plan
        self._launch = launch
        self._random = random.Random(f"{plan.seed}/{plan.first_process}")  # noqa: S311 - an order
        self._order_of_rows = _shuffled_rows(len(rows), plan.block_runs, self._random)
        self._order = plan.first_process * plan.blocks * len(records)

    def measure_round(self, process: int) -> None:
        """Measure every variant in a fresh process of its own, interleaved."""
        blocks = [next(self._order_of_rows) for _ in range(self._plan.blocks)]
        loaded = max((_load_rows(load) for load in self._plan.loads), default=0)
        rows = range(len(self._rows))
        current = _Round(process, blocks, self._random.sample(rows, min(loaded, len(rows))))
        with ExitStack() as stack:
            workers: dict[Recorder, Worker] = {}
            for record in self._shuffled():
                with record.isolated():
                    worker, reply = self._start(record)
                    workers[record] = stack.enter_context(worker)
                    record.started(reply)
                    self._warm_up(record, worker, current)
            for place, order in enumerate(self._orders()):
                for record in _sound(order):
                    with record.isolated():
                        self._measure_block(record, workers[record], current, place)
            for record in _sound(self._records):
                with record.isolated():
                    self._finish(record, workers[record], current)

    def start_all(self) -> None:
        """Start every variant once more, and end it."""
        for record in _sound(self._records):
            with record.isolated():
                worker, reply = self._start(record)
                worker.close()
                record.started(reply)

    def start_all_uncached(self) -> None:
        """Start every variant once more, with its files read from storage, and end it.

        A variant whose files cannot leave the page cache is skipped.
        """
        for record in _sound(self._records):
            with record.isolated():
                if why := record.uncached_why or self._forget(record):
                    record.passed_over(why)
                    continue
                worker, reply = self._start(record)
                worker.close()
                record.started_uncached(reply)

    def _forget(self, record: Recorder) -> str:
        """Drop a variant's files from the page cache; say why where this is not possible."""
        with self._launch(record.variant) as worker:
            return str(worker.ask("forget", self._plan.timeout_s)["why"])

    def _start(self, record: Recorder) -> tuple[Worker, dict[str, Any]]:
        """Start a fresh process, and bring it to its first result."""
        worker = self._launch(record.variant)
        with ExitStack() as undo:
            undo.push(worker)
            reply = worker.ask("load", self._plan.timeout_s, row=self._rows[0])
            undo.pop_all()
        return worker, reply

    def _warm_up(self, record: Recorder, worker: Worker, current: _Round) -> None:
        plan = self._plan
        worker.ask("rows", plan.timeout_s, rows=[self._rows[row] for row in current.used])
        reply = worker.ask(
            "warm",
            plan.timeout_s + plan.warmup_limit_s,
            runs=plan.warmup_runs,
            seconds=plan.warmup_s,
            limit_s=plan.warmup_limit_s,
        )
        record.warmed_up(current.process, reply)

    def _measure_block(self, record: Recorder, worker: Worker, current: _Round, place: int) -> None:
        rows = current.blocks[place]
        reply = worker.ask("run", self._plan.timeout_s, rows=current.encoded(rows))
        order, self._order = self._order, self._order + 1
        record.ran(
            Block(
                process=current.process,
                order=order,
                latency_ms=tuple(reply["latency_ms"]),
                contaminated=tuple(reply["contaminated"]),
                probe_ms=(reply["probe_ms"][0], reply["probe_ms"][1]),
                place=place,
                rows=tuple(rows),
                throttled=reply["throttled"],
                mhz=reply["mhz"],
                steal=reply["steal"],
            )
        )

    def _finish(self, record: Recorder, worker: Worker, current: _Round) -> None:
        """Keep the peak memory, then run the loads: their batches would raise the peak."""
        plan = self._plan
        record.peaked(current.process, worker.ask("peak", plan.timeout_s)["rss_peak_mb"])
        for load in plan.loads:
            reply = worker.ask(
                "throughput",
                plan.timeout_s + plan.load_s,
                batch=load.batch,
                concurrency=load.concurrency,
                seconds=plan.load_s,
                rows=current.encoded(current.loaded[: _load_rows(load)]),
            )
            record.bore(current.process, load, reply)

    def _shuffled(self) -> list[Recorder]:
        sound = list(_sound(self._records))
        return self._random.sample(sound, len(sound))

    def _orders(self) -> Iterator[list[Recorder]]:
        """Yield an order for each block: a random one, then its reverse, and so on (ABBA)."""
        order: list[Recorder] = []
        for place in range(self._plan.blocks):
            order = order[::-1] if place % 2 else self._shuffled()
            yield order


def _sound(records: Sequence[Recorder]) -> Iterator[Recorder]:
    return (record for record in records if not record.fault)


def _load_rows(load: Load) -> int:
    return max(_LOAD_ROWS, _LOAD_BATCHES * load.batch)


def _shuffled_rows(rows: int, block_runs: int, generator: random.Random) -> Iterator[list[int]]:
    """Yield blocks of row indices that go through all rows in a new order each time."""
    waiting: list[int] = []
    while True:
        while len(waiting) < block_runs:
            waiting += generator.sample(range(rows), rows)
        yield waiting[:block_runs]
        waiting = waiting[block_runs:]


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
        )
    for variant in variants:
        require_loads(variant.runtime, variant.artifact.format)
