"""Raw samples of how a model runs: latency, memory, cold start, size. No judgement here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True)
class Variant:
    """Name one model to measure and how it is run."""

    name: str
    artifact: Artifact
    runtime: str
    threads: int = 1


@dataclass(frozen=True, slots=True)
class MeasurePlan:
    """Say how much to measure; each process of each variant is fresh."""

    processes: int = 3
    blocks: int = 6
    block_runs: int = 40
    warmup_runs: int = 10
    warmup_s: float = 1.0
    cold_starts: int = 5
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Block:
    """Hold one uninterrupted series of single-row inferences, in milliseconds.

    `order` is the block's place in the whole session, so that blocks of two variants that ran
    side by side can be paired. `contaminated[i]` says that sample `i` was preempted or waited.
    """

    process: int
    order: int
    latency_ms: tuple[float, ...]
    contaminated: tuple[bool, ...]
    probe_ms: tuple[float, float]


@dataclass(frozen=True, slots=True)
class ColdStart:
    """Hold one fresh process's way to its first result, in milliseconds."""

    interpreter_ms: float
    imports_ms: float
    load_ms: float
    session_ms: float
    first_result_ms: float
    total_ms: float


@dataclass(frozen=True, slots=True)
class Samples:
    """Hold everything that was seen of one variant."""

    variant: str
    runtime: str
    runtime_version: str
    threads: int
    blocks: tuple[Block, ...]
    cold_starts: tuple[ColdStart, ...]
    session_ms: tuple[float, ...]
    first_inference_ms: tuple[float, ...]
    rss_peak_mb: tuple[float, ...]
    size_mb: float


def measure(
    variants: Sequence[Variant],
    texts: Sequence[str],
    plan: MeasurePlan,
    *,
    advance: Callable[[int, str], None] = lambda units, note: None,
    stream: Path | None = None,
) -> dict[str, Samples]:
    """Measure the variants interleaved, one row at a time at the rows' own lengths."""
    raise NotImplementedError
