"""Measure models side by side in fresh processes."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from runtimes.agent import RUNTIMES as MEASURED
from runtimes.artifact import Artifact
from runtimes.errors import InputError, UnsupportedError
from runtimes.samples import Block, ColdStart, Effort, Load, Samples, Throughput, joined
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


@dataclass(frozen=True, slots=True)
class Variant:
    """Name one model to measure and how it is run."""

    name: str
    artifact: Artifact
    runtime: str
    threads: int = 1


@dataclass(frozen=True, slots=True)
class MeasurePlan:
    """Say how much to measure; each process of each variant is fresh.

    `cold_starts` counts fresh processes a variant, those that measure latency among them.
    A process warms up for `warmup_runs` and `warmup_s` at least, then until its block medians
    agree, `warmup_limit_s` at most. `timeout_s` is how long a process may be silent.
    `first_process` numbers the processes from there and draws another order, so that a later
    session extends this one: see `joined`. After its blocks each process bears each of `loads`
    for `load_s`. `uncached_starts` counts further fresh processes, their files read from storage.
    """

    processes: int = 3
    blocks: int = 6
    block_runs: int = 40
    warmup_runs: int = 10
    warmup_s: float = 1.0
    warmup_limit_s: float = 4.0
    cold_starts: int = 5
    seed: int = 7
    timeout_s: float = 120.0
    first_process: int = 0
    loads: tuple[Load, ...] = ()
    load_s: float = 0.4
    uncached_starts: int = 0


def measure(
    variants: Sequence[Variant],
    texts: Sequence[str],
    plan: MeasurePlan,
    *,
    advance: Callable[[int, str], None] = lambda _units, _note: None,
    stream: Path | None = None,
) -> dict[str, Samples]:
    """Measure the variants interleaved, one row at a time at the rows' own lengths.

    In each round every variant has a fresh process; only one of them works at a time, and
    blocks of the same rows run in randomised ABBA order. Each raw block is appended to `stream`
    as a JSON line. Raises InputError on nothing to measure, UnsupportedError on a format or
    runtime that the agent does not run, BackendError when a process ends, hangs or fails.
    """
    _check(variants, texts)
    session = _Session(variants, list(texts), plan, advance, stream)
    for process in range(plan.first_process, plan.first_process + plan.processes):
        session.measure_round(process)
    for _ in range(plan.cold_starts - plan.processes):
        for variant in variants:
            with session.start(variant):
                pass
    return {variant.name: session.samples(variant) for variant in variants}


def expected_runs(variants: int, plan: MeasurePlan) -> int:
    """Return the units that `measure` reports: timed inferences, and one a fresh process."""
    starts = max(plan.processes, plan.cold_starts)
    return variants * (starts + plan.processes * plan.blocks * plan.block_runs)


@dataclass(slots=True)
class _Seen:
    runtime_version: str = ""
    blocks: list[Block] = field(default_factory=list)
    cold_starts: list[ColdStart] = field(default_factory=list)
    first_inference_ms: list[float] = field(default_factory=list)
    rss_peak_mb: list[float] = field(default_factory=list)
    stable: list[bool] = field(default_factory=list)


class _Session:
    def __init__(
        self,
        variants: Sequence[Variant],
        texts: list[str],
        plan: MeasurePlan,
        advance: Callable[[int, str], None],
        stream: Path | None,
    ) -> None:
        self._variants = variants
        self._texts = texts
        self._plan = plan
        self._advance = advance
        self._stream = stream
        self._random = random.Random(f"{plan.seed}/{plan.first_process}")  # noqa: S311 - an order, not a secret
        self._rows = _shuffled_rows(len(texts), plan.block_runs, self._random)
        self._seen = {variant.name: _Seen() for variant in variants}
        self._order = plan.first_process * plan.blocks * len(variants)

    def start(self, variant: Variant) -> Worker:
        """Start a fresh process, and keep how long it took to its first result."""
        worker = Worker(variant.artifact.path, runtime=variant.runtime, threads=variant.threads)
        with ExitStack() as undo:
            undo.push(worker)
            reply = worker.ask("load", self._plan.timeout_s, text=self._texts[0])
            undo.pop_all()
        seen = self._seen[variant.name]
        seen.runtime_version = reply["version"]
        seen.first_inference_ms.append(reply["first_inference_ms"])
        names = [column.name for column in dataclasses.fields(ColdStart) if column.name in reply]
        seen.cold_starts.append(ColdStart(**{name: reply[name] for name in names}))
        self._advance(1, f"{variant.name}: first result after {reply['total_ms']:.0f} ms")
        return worker

    def measure_round(self, process: int) -> None:
        """Measure every variant in a fresh process of its own, interleaved."""
        with ExitStack() as stack:
            workers = {}
            for variant in self._shuffled_variants():
                worker = workers[variant.name] = stack.enter_context(self.start(variant))
                self._warm_up(variant, worker)
            for place, order in enumerate(self._orders()):
                rows = next(self._rows)
                for variant in order:
                    self._measure_block(variant, workers[variant.name], process, place, rows)
            for name, worker in workers.items():
                peak = worker.ask("peak", self._plan.timeout_s)["rss_peak_mb"]
                self._seen[name].rss_peak_mb += [] if peak is None else [peak]

    def samples(self, variant: Variant) -> Samples:
        """Return what was seen of one variant."""
        seen = self._seen[variant.name]
        return Samples(
            variant=variant.name,
            runtime=variant.runtime,
            runtime_version=seen.runtime_version,
            threads=variant.threads,
            blocks=tuple(seen.blocks),
            cold_starts=tuple(seen.cold_starts),
            session_ms=tuple(start.session_ms for start in seen.cold_starts),
            first_inference_ms=tuple(seen.first_inference_ms),
            rss_peak_mb=tuple(seen.rss_peak_mb),
            size_mb=variant.artifact.size_mb,
            stable=tuple(seen.stable),
        )

    def _warm_up(self, variant: Variant, worker: Worker) -> None:
        plan = self._plan
        worker.ask("texts", plan.timeout_s, texts=self._texts)
        reply = worker.ask(
            "warm",
            plan.timeout_s + plan.warmup_limit_s,
            runs=plan.warmup_runs,
            seconds=plan.warmup_s,
            limit_s=plan.warmup_limit_s,
        )
        self._seen[variant.name].stable.append(reply["stable"])

    def _measure_block(
        self, variant: Variant, worker: Worker, process: int, place: int, rows: list[int]
    ) -> None:
        reply = worker.ask("run", self._plan.timeout_s, rows=rows)
        block = Block(
            process=process,
            order=self._order,
            latency_ms=tuple(reply["latency_ms"]),
            contaminated=tuple(reply["contaminated"]),
            probe_ms=(reply["probe_ms"][0], reply["probe_ms"][1]),
            place=place,
            rows=tuple(rows),
        )
        self._order += 1
        self._seen[variant.name].blocks.append(block)
        _append(self._stream, {"variant": variant.name, **dataclasses.asdict(block)})
        self._advance(len(rows), f"{variant.name}: {min(block.latency_ms):.2f} ms at best")

    def _shuffled_variants(self) -> list[Variant]:
        return self._random.sample(list(self._variants), len(self._variants))

    def _orders(self) -> Iterator[list[Variant]]:
        """Yield an order for each block: a random one, then its reverse, and so on (ABBA)."""
        order: list[Variant] = []
        for place in range(self._plan.blocks):
            order = order[::-1] if place % 2 else self._shuffled_variants()
            yield order


def _shuffled_rows(rows: int, block_runs: int, generator: random.Random) -> Iterator[list[int]]:
    """Yield blocks of row indices that go through all rows in a new order each time."""
    waiting: list[int] = []
    while True:
        while len(waiting) < block_runs:
            waiting += generator.sample(range(rows), rows)
        yield waiting[:block_runs]
        waiting = waiting[block_runs:]


def _append(stream: Path | None, content: dict[str, Any]) -> None:
    if stream is not None:
        with stream.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(content) + "\n")


def _check(variants: Sequence[Variant], texts: Sequence[str]) -> None:
    names = [variant.name for variant in variants]
    if not names or not texts or len(set(names)) < len(names):
        raise InputError(
            f"{len(texts)} texts and the variants {names}",
            expected="at least one text, and variants with different names",
        )
    for variant in variants:
        known = MEASURED.get(variant.artifact.format, ())
        if variant.runtime not in known:
            raise UnsupportedError(
                f"{variant.name}: latency of format {variant.artifact.format!r} in runtime "
                f"{variant.runtime!r} cannot be measured",
                expected=" or ".join(known) or f"format {' or '.join(MEASURED)}",
                action="`edgepress export` makes ONNX or OpenVINO",
            )
