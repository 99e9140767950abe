"""Collect the samples of one variant while it is measured, and stream them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any

from runtimes.errors import AnswerError, BackendError, OutOfMemoryError
from runtimes.samples import (
    Block,
    ColdStart,
    Effort,
    IdleRuns,
    Load,
    Samples,
    ServerRuns,
    Throughput,
    Variant,
)


class Recorder:
    """Collect one variant's samples, and write each to `lines` at once.

    `units` is the total progress that the variant reports, also when it fails.
    """

    def __init__(
        self,
        variant: Variant,
        units: int,
        advance: Callable[[int, str], None],
        lines: IO[str] | None,
    ) -> None:
        self.variant = variant
        self.fault = ""
        self.unsound = False
        self.out_of_memory = False
        self.uncached_why = ""
        self._units_left = units
        self._advance = advance
        self._lines = lines
        self._runtime_version = ""
        self._memory_limit = ""
        self._blocks: list[Block] = []
        self._cold_starts: list[ColdStart] = []
        self._uncached_starts: list[ColdStart] = []
        self._first_inference_ms: list[float] = []
        self._rss_peak_mb: list[float] = []
        self._stable: list[bool] = []
        self._throughputs: list[Throughput] = []
        self._idle_runs: list[IdleRuns] = []
        self._soak: list[Block] = []
        self._server_runs: list[ServerRuns] = []
        self._effort = Effort()

    @contextmanager
    def isolated(self) -> Iterator[None]:
        """Keep a failing process from affecting other variants: the failure becomes `fault`."""
        try:
            yield
        except BackendError as error:
            self.fault, self.unsound = str(error), isinstance(error, AnswerError)
            if isinstance(error, OutOfMemoryError):
                self._ran_out_of_memory(error)
            else:
                self._write("fault", {"fault": self.fault, "unsound": self.unsound})
            self._report(self._units_left, "failed, and is left out")

    def _ran_out_of_memory(self, error: OutOfMemoryError) -> None:
        """Keep the peak that a process reached before memory ran out, where it is known."""
        self.out_of_memory, self._memory_limit = True, error.memory_limit or self._memory_limit
        if error.rss_peak_mb is not None:
            self._rss_peak_mb.append(error.rss_peak_mb)
            self._write("peak", {"process": None, "rss_peak_mb": error.rss_peak_mb})
        said = {"out_of_memory": True, "memory_limit": self._memory_limit}
        self._write("fault", {"fault": self.fault, "unsound": False, **said})

    def started(self, reply: dict[str, Any]) -> None:
        """Keep a start whose files were in the page cache."""
        start = self._first_result(reply)
        self._runtime_version = reply["version"]
        self._memory_limit = reply["memory_limit"]
        self._first_inference_ms.append(reply["first_inference_ms"])
        self._cold_starts.append(start)
        again = {name: reply[name] for name in ("first_inference_ms", "version", "memory_limit")}
        self._write("start", {**dataclasses.asdict(start), **again})

    def started_uncached(self, reply: dict[str, Any]) -> None:
        """Keep a start from storage, or the reason why the first one was not from storage."""
        start = self._first_result(reply)
        if not self._uncached_starts:
            self.uncached_why = why_cached(start, self.variant.artifact.size_mb)
        if self.uncached_why:
            self._write("uncached_why", {"why": self.uncached_why})
            return
        self._uncached_starts.append(start)
        self._write("uncached_start", dataclasses.asdict(start))

    def passed_over(self, why: str) -> None:
        """Keep the reason why there is no start from storage."""
        if not self.uncached_why:
            self._write("uncached_why", {"why": why})
        self.uncached_why = why
        self._report(1, "not started from storage")

    def warmed_up(self, process: int, reply: dict[str, Any]) -> None:
        """Keep whether a process reached steady latency."""
        self._stable.append(reply["stable"])
        self._spend(inference_s=reply["inference_s"])
        self._write("warm_up", {"process": process, **reply})

    def ran(self, block: Block) -> None:
        """Keep a block of timed inferences."""
        self._blocks.append(block)
        self._spend(inference_s=sum(block.latency_ms) / 1e3)
        self._write("block", dataclasses.asdict(block))
        self._report(1, f"{min(block.latency_ms):.2f} ms at best")

    def soaked(self, block: Block, seconds: int) -> None:
        """Keep a block of the long process, which has run for so many more whole seconds."""
        self._soak.append(block)
        self._spend(inference_s=sum(block.latency_ms) / 1e3)
        self._write("soak", dataclasses.asdict(block))
        self._report(seconds, f"{min(block.latency_ms):.2f} ms at best")

    def passed(self, seconds: int) -> None:
        """Report seconds of a long process after its last block."""
        self._report(seconds, "the long process ends")

    def peaked(self, process: int, rss_peak_mb: float | None) -> None:
        """Keep a process's peak memory, where the machine shows it."""
        self._rss_peak_mb += [] if rss_peak_mb is None else [rss_peak_mb]
        self._write("peak", {"process": process, "rss_peak_mb": rss_peak_mb})

    def idled(self, runs: IdleRuns) -> None:
        """Keep a process's latencies after idle gaps."""
        self._idle_runs.append(runs)
        self._spend(inference_s=sum(runs.latency_ms) / 1e3)
        self._write("idle", dataclasses.asdict(runs))

    def bore(self, process: int, load: Load, reply: dict[str, Any]) -> None:
        """Keep a process's throughput under one load."""
        throughput = Throughput(process, load.batch, load.concurrency, reply["rows_per_s"])
        self._throughputs.append(throughput)
        self._spend(inference_s=reply["inference_s"])
        self._write("throughput", dataclasses.asdict(throughput))
        self._report(1, f"{throughput.rows_per_s:.0f} rows a second")

    def served(self, process: int, per_s: int, reply: dict[str, Any]) -> None:
        """Keep the requests that arrived at a process at one rate."""
        runs = ServerRuns(
            process=process,
            per_s=per_s,
            seconds=reply["seconds"],
            latency_ms=tuple(reply["latency_ms"]),
            wait_ms=tuple(reply["wait_ms"]),
            unanswered=reply["unanswered"],
        )
        self._server_runs.append(runs)
        self._spend(inference_s=reply["inference_s"])
        self._write("server", dataclasses.asdict(runs))
        self._report(1, f"{len(runs.latency_ms)} requests at {per_s} a second")

    def samples(self) -> Samples:
        """Return all samples."""
        return Samples(
            variant=self.variant.name,
            runtime=self.variant.runtime,
            runtime_version=self._runtime_version,
            threads=self.variant.threads,
            blocks=tuple(self._blocks),
            cold_starts=tuple(self._cold_starts),
            session_ms=tuple(start.session_ms for start in self._cold_starts),
            first_inference_ms=tuple(self._first_inference_ms),
            rss_peak_mb=tuple(self._rss_peak_mb),
            size_mb=self.variant.artifact.size_mb,
            stable=tuple(self._stable),
            uncached_starts=tuple(self._uncached_starts),
            uncached_why=self.uncached_why,
            throughputs=tuple(self._throughputs),
            idle_runs=tuple(self._idle_runs),
            soak=tuple(self._soak),
            server_runs=tuple(self._server_runs),
            effort=self._effort,
            fault=self.fault,
            unsound=self.unsound,
            out_of_memory=self.out_of_memory,
            memory_limit=self._memory_limit,
        )

    def _first_result(self, reply: dict[str, Any]) -> ColdStart:
        self._spend(starting_s=reply["total_ms"] / 1e3)
        self._report(1, f"first result after {reply['total_ms']:.0f} ms")
        names = [column.name for column in dataclasses.fields(ColdStart)]
        return ColdStart(**{name: reply[name] for name in names})

    def _spend(self, inference_s: float = 0.0, starting_s: float = 0.0) -> None:
        before = self._effort
        self._effort = Effort(before.inference_s + inference_s, before.starting_s + starting_s)

    def _report(self, units: int, note: str) -> None:
        self._units_left -= units
        self._advance(units, f"{self.variant.name}: {note}")

    def _write(self, kind: str, content: dict[str, Any]) -> None:
        if self._lines is not None:
            line = {"kind": kind, "variant": self.variant.name, **content}
            self._lines.write(json.dumps(line) + "\n")


def why_cached(start: ColdStart, size_mb: float) -> str:
    """Say why a start was not from storage; empty when it read at least half of the model."""
    if start.read_mb is None:
        return "this machine does not show what a process reads from storage"
    if start.read_mb < size_mb / 2:
        return (
            f"the page cache was not dropped: {start.read_mb:.1f} MB were read from storage"
            f" for a model of {size_mb:.1f} MB"
        )
    return ""
