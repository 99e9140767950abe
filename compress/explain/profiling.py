"""Run a model with and without its runtime's own profiler, on the same rows."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from compress.explain.profiler import Node, Profiler
from compress.explain.question import runtime_of, sample
from runtimes.artifact import Artifact
from runtimes.errors import ArtifactError, BackendError, UnsupportedError, first_line
from runtimes.predict import Predictor, open_predictor

if TYPE_CHECKING:
    from runtimes.runtime import Feeds

_PROFILERS = {
    "onnxruntime": "compress.explain.onnx_profiler:OnnxProfiler",
    "openvino": "compress.explain.openvino_profiler:OpenVINOProfiler",
}
"""The profiler of each runtime; other runtimes have no profiler."""

ROWS = 24
ROUNDS = 7
_FEWEST_ROWS, _FEWEST_ROUNDS = 4, 3
_WARM_UP_ROUNDS = 2
_QUARTILE = 0.25

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Profile:
    """Hold how a run spends its time, in ms; a run is a batch of `batch` rows.

    `plain_ms` and `profiled_ms` are the same runs without and with the profiler, each the mean over
    runs of the lower quartile over rounds, without waiting for the core; `p50_ms` is the plain
    runs' median by the clock, and `waited` the share of it in which other work had the core.
    `floor_ms` was subtracted from each node: see `_floor`.
    """

    nodes: tuple[Node, ...]
    plain_ms: float
    profiled_ms: float
    p50_ms: float
    waited: float
    floor_ms: float
    runs: int
    rounds: int
    batch: int = 1

    @property
    def operators_ms(self) -> float:
        """Return the time within operators."""
        return sum(node.ms for node in self.nodes)

    @property
    def outside_ms(self) -> float:
        """Return the time of a plain run outside all operators."""
        return max(self.plain_ms - self.operators_ms, 0.0)

    @property
    def total_ms(self) -> float:
        """Return the time that shares refer to: operators and the time outside them."""
        return self.operators_ms + self.outside_ms

    @property
    def overhead(self) -> float:
        """Return how much slower a row is with the profiler: 0.2 is 20 %."""
        return self.profiled_ms / self.plain_ms - 1


def profile(
    artifact: Artifact, texts: Sequence[str], threads: int, seconds: float, batch: int = 1
) -> Profile:
    """Profile a model on a sample of real rows, in about `seconds` after it is loaded.

    Rounds without and with the profiler alternate over the same rows, so that the machine's load
    affects both. Raises UnsupportedError when the format does not run here, ArtifactError when the
    model is damaged, BackendError when the runtime fails.
    """
    runtime = runtime_of(artifact)
    plain = open_predictor(artifact.path, threads=threads, runtime=runtime)
    feeds = _batches(plain, list(texts), batch)
    with _border(artifact.model_file):
        feeds, rounds = _affordable(feeds, plain.infer, seconds)
        with _opened(runtime, artifact.model_file, threads) as profiler:
            alone, profiled = _rounds(plain.infer, profiler, feeds, rounds)
            runs = profiler.finish()[_WARM_UP_ROUNDS * len(feeds) :]
            nodes = profiler.nodes(_by_name(runs, rounds))
    plain_ms, profiled_ms = alone.own_ms(threads), profiled.own_ms(threads)
    floor = _floor(nodes, profiled_ms - plain_ms) if profiler.counts_itself else 0.0
    nodes = [replace(node, ms=node.ms - floor) for node in nodes]
    return Profile(
        nodes=tuple(sorted(nodes, key=lambda node: -node.ms)),
        plain_ms=plain_ms,
        profiled_ms=profiled_ms,
        p50_ms=float(np.median(alone.wall_ms)),
        waited=alone.waited(threads),
        floor_ms=floor,
        runs=len(feeds),
        rounds=rounds,
        batch=batch,
    )


def _opened(runtime: str, model: Path, threads: int) -> AbstractContextManager[Profiler]:
    if runtime not in _PROFILERS:
        raise UnsupportedError(
            f"runtime {runtime!r} has no profiler",
            available=", ".join(_PROFILERS),
            action="give a model that one of these runs",
        )
    module, _, name = _PROFILERS[runtime].partition(":")
    profiler: AbstractContextManager[Profiler] = getattr(importlib.import_module(module), name)(
        model, threads
    )
    return profiler


@contextmanager
def _border(model: Path) -> Iterator[None]:
    """Name the model whose run or profile failed, as a BackendError."""
    try:
        yield
    except (ArtifactError, UnsupportedError):
        raise
    except Exception as error:  # each runtime raises other types
        said = f"{model}: failed while it was profiled ({first_line(error)})"
        raise BackendError(said, action="run the model alone: `edgepress predict`") from error


def _batches(predictor: Predictor, texts: list[str], batch: int) -> list[Feeds]:
    """Return the feeds of the runs: fewer runs when each has many rows."""
    count = max(ROWS // batch, _FEWEST_ROWS)
    sampled = [predictor.feeds(text) for text in sample(texts, count * batch)]
    rows: list[Feeds] = [
        {name: np.asarray(tensor) for name, tensor in row.items()} for row in sampled
    ]
    if batch == 1:
        return rows
    chosen = list(islice(cycle(rows), count * batch))
    return [predictor.task.batch(chosen[i : i + batch]) for i in range(0, len(chosen), batch)]


def _floor(nodes: Sequence[Node], overhead_ms: float) -> float:
    """Return how much of each node's time is the profiler's own, in ms.

    ONNX Runtime writes an event's text within the time that it reports, 2 to 4 µs a node. A model
    has nodes that do almost nothing, so the cheapest node shows it. It is at most the profiled
    run's extra time, spread over the nodes.
    """
    cheapest = min((node.ms for node in nodes), default=0.0)
    return max(min(cheapest, overhead_ms / max(len(nodes), 1)), 0.0)


def _affordable(
    feeds: list[Feeds], infer: Callable[[Feeds], object], seconds: float
) -> tuple[list[Feeds], int]:
    """Return how many rows and rounds the time allows, by the second run of the first row."""
    infer(feeds[0])
    one = _timed(infer, feeds[0])[0] / 1e3
    runs = seconds / max(2 * one, 1e-6)
    rounds = int(np.clip(runs // len(feeds) - _WARM_UP_ROUNDS, _FEWEST_ROUNDS, ROUNDS))
    rows = int(np.clip(runs // (rounds + _WARM_UP_ROUNDS), _FEWEST_ROWS, len(feeds)))
    return feeds[:rows], rounds


@dataclass(frozen=True, slots=True)
class _Timing:
    """Hold the wall time and the processor time of runs, in ms; both (rounds, runs)."""

    wall_ms: Floats
    cpu_ms: Floats

    def own_ms(self, threads: int) -> float:
        """Return the mean over runs of the lower quartile over rounds, without waiting.

        For one thread this is the processor time; several threads spin, so their wall time is used.
        """
        chosen = self.cpu_ms if threads == 1 else self.wall_ms
        return float(np.quantile(chosen, _QUARTILE, axis=0).mean())

    def waited(self, threads: int) -> float:
        """Return the share of the time in which other work had the one thread's core."""
        if threads != 1:
            return 0.0
        return max(1 - float(self.cpu_ms.sum() / self.wall_ms.sum()), 0.0)


def _rounds(
    infer: Callable[[Feeds], object], profiler: Profiler, feeds: list[Feeds], rounds: int
) -> tuple[_Timing, _Timing]:
    """Time the runs without and with the profiler, alternating."""
    plain, profiled = [], []
    for _ in range(_WARM_UP_ROUNDS + rounds):
        plain.append([_timed(infer, row) for row in feeds])
        profiled.append([_timed(profiler.infer, row) for row in feeds])
    return _timing(plain[_WARM_UP_ROUNDS:]), _timing(profiled[_WARM_UP_ROUNDS:])


def _timing(rounds: Sequence[Sequence[tuple[float, float]]]) -> _Timing:
    both = np.array(rounds, dtype=np.float64)
    return _Timing(both[:, :, 0], both[:, :, 1])


def _timed(infer: Callable[[Feeds], object], feeds: Feeds) -> tuple[float, float]:
    """Run once; return the wall time and the processor time in ms."""
    cpu, wall = time.process_time_ns(), time.perf_counter_ns()
    infer(feeds)
    wall = time.perf_counter_ns() - wall
    return wall / 1e6, (time.process_time_ns() - cpu) / 1e6


def _by_name(runs: Sequence[Mapping[str, float]], rounds: int) -> dict[str, float]:
    """Return each operator's mean over runs of its lower quartile over rounds.

    Operators are short, so few of them wait for the core; the quartile ignores those.
    """
    names = list(dict.fromkeys(name for run in runs for name in run))
    seen = np.array([[run.get(name, 0.0) for name in names] for run in runs])
    typical = np.quantile(seen.reshape(rounds, -1, len(names)), _QUARTILE, axis=0).mean(axis=0)
    return dict(zip(names, map(float, typical), strict=True))
