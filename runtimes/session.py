"""One session: processes of several variants side by side, block by block."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from runtimes.record import Recorder
from runtimes.rounds import Round, RowDraw, load_rows
from runtimes.samples import Block, IdleRuns, MeasurePlan, Variant
from runtimes.worker import Worker

_BUSY_S = 0.2
"""How long a long process is busy between the blocks that are timed."""
_SETTLING = 0.25
"""The share of the time for requests in which the queue settles."""


class Session:
    """Measure every variant in fresh processes, one at work at a time."""

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
        self._draw = RowDraw(len(rows), plan, self._random)
        self._order = plan.first_process * plan.blocks * len(records)

    def measure_round(self, process: int) -> None:
        """Measure every variant in a fresh process of its own, interleaved."""
        with ExitStack() as stack:
            workers: dict[Recorder, Worker] = {}
            paces_ms = [0.0]
            for record in self._shuffled():
                with record.isolated():
                    worker, reply = self._start(record)
                    workers[record] = stack.enter_context(worker)
                    record.started(reply)
                    paces_ms.append(self._warm_up(record, worker, process))
            current = self._draw.round(process, max(paces_ms))
            for record in _sound(self._records):
                with record.isolated():
                    chosen = [self._rows[row] for row in current.used]
                    workers[record].ask("rows", self._plan.timeout_s, rows=chosen)
            for place, order in enumerate(self._orders()):
                for record in _sound(order):
                    with record.isolated():
                        record.ran(self._block(workers[record], current, place))
            for record in self._shuffled():
                with record.isolated():
                    self._finish(record, workers[record], current)

    def soak_all(self) -> None:
        """Keep one process of each variant busy for minutes, one variant after the other."""
        for record in self._shuffled():
            with record.isolated():
                worker, _ = self._start(record)
                with worker:
                    self._soak(record, worker)

    def _soak(self, record: Recorder, worker: Worker) -> None:
        """Time a block now and then; the load between the blocks is not timed."""
        plan, began, done = self._plan, time.monotonic(), 0
        some = self._random.choices(self._rows, k=max(plan.warmup_runs, 1))
        worker.ask("rows", plan.timeout_s, rows=some)
        pace_ms = self._load(worker)
        current = self._draw.round(plan.first_process, pace_ms)
        chosen = [self._rows[row] for row in current.used]
        worker.ask("rows", plan.timeout_s, rows=chosen)
        for place in itertools.count():
            seconds = min(time.monotonic() - began, plan.soak_s)
            if seconds >= plan.soak_s:
                break
            self._load(worker)
            block = self._block(worker, current, place % plan.blocks)
            record.soaked(block, int(seconds) - done)
            done = int(seconds)
        record.passed(int(plan.soak_s) - done)

    def _load(self, worker: Worker) -> float:
        """Keep a process busy for a moment; return its median latency, in ms."""
        reply = worker.ask(
            "warm",
            self._plan.timeout_s,
            runs=self._plan.warmup_runs,
            seconds=_BUSY_S,
            limit_s=_BUSY_S,
        )
        return float(reply["medians_ms"][-1])

    def start_all(self) -> None:
        """Start every variant once more, and end it."""
        for record in self._shuffled():
            with record.isolated():
                worker, reply = self._start(record)
                worker.close()
                record.started(reply)

    def start_all_uncached(self) -> None:
        """Start every variant once more, with its files read from storage, and end it.

        A variant whose files cannot leave the page cache is skipped.
        """
        for record in self._shuffled():
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

    def _warm_up(self, record: Recorder, worker: Worker, process: int) -> float:
        """Run a process until its latency is steady; return its median latency, in ms."""
        plan = self._plan
        some = self._random.choices(self._rows, k=max(plan.warmup_runs, 1))
        worker.ask("rows", plan.timeout_s, rows=some)
        reply = worker.ask(
            "warm",
            plan.timeout_s + plan.warmup_limit_s,
            runs=plan.warmup_runs,
            seconds=plan.warmup_s,
            limit_s=plan.warmup_limit_s,
        )
        record.warmed_up(process, reply)
        return float(reply["medians_ms"][-1])

    def _block(self, worker: Worker, current: Round, place: int) -> Block:
        rows = current.blocks[place]
        reply = worker.ask(
            "run",
            self._plan.timeout_s,
            rows=current.places(rows),
            settle_ms=self._plan.settle_ms,
        )
        order, self._order = self._order, self._order + 1
        return Block(
            process=current.process,
            order=order,
            latency_ms=tuple(reply["latency_ms"]),
            encode_ms=tuple(reply["encode_ms"]),
            model_ms=tuple(reply["model_ms"]),
            contaminated=tuple(reply["contaminated"]),
            probe_ms=(reply["probe_ms"][0], reply["probe_ms"][1]),
            place=place,
            rows=tuple(rows),
            throttled=reply["throttled"],
            mhz=reply["mhz"],
            steal=reply["steal"],
            energy_mj=reply["energy_mj"],
            instructions=reply["instructions"],
            at_s=reply["at_s"],
            temperature_c=reply["temperature_c"],
            core_mhz=tuple(reply["core_mhz"]),
            power_mw=reply["power_mw"],
            slowed=tuple(reply["slowed"]),
        )

    def _finish(self, record: Recorder, worker: Worker, current: Round) -> None:
        """Keep the peak memory first: what follows would raise it."""
        plan = self._plan
        record.peaked(current.process, worker.ask("peak", plan.timeout_s)["rss_peak_mb"])
        if plan.idle_runs:
            rows, gap_ms = current.places(current.idle), plan.idle_gap_ms
            reply = worker.ask("idle", plan.timeout_s, rows=rows, gap_ms=gap_ms)
            record.idled(IdleRuns(current.process, tuple(reply["latency_ms"])))
        for load in plan.loads:
            reply = worker.ask(
                "throughput",
                plan.timeout_s + plan.load_s,
                batch=load.batch,
                concurrency=load.concurrency,
                seconds=plan.load_s,
                rows=current.places(current.loaded[: load_rows(load)]),
            )
            record.bore(current.process, load, reply)
        for per_s in plan.requests_per_s:
            self._serve_arrivals(record, worker, current, per_s)

    def _serve_arrivals(self, record: Recorder, worker: Worker, current: Round, per_s: int) -> None:
        """Send requests at a rate; all variants of a round see the same arrivals."""
        plan = self._plan
        reply = worker.ask(
            "arrivals",
            plan.timeout_s + 2 * plan.server_s,
            per_s=per_s,
            seconds=plan.server_s,
            settling_s=_SETTLING * plan.server_s,
            seed=f"{plan.seed}/{current.process}/{per_s}",
            rows=current.places(current.loaded),
        )
        record.served(current.process, per_s, reply)

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
