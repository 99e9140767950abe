"""Figures with bounds: from raw samples and predictions to what a gate can judge."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from profiles.budget import metric_named
from profiles.statistics import (
    Floats,
    Interval,
    clustered_interval,
    mean_interval,
    percentile_interval,
    quotient_interval,
    ratio_interval,
)
from runtimes.measure import Block, ColdStart, Samples

STEADY = 1.10
"""A block is left out when a probe beside it took longer than this many times the usual one."""

FULL_PACE = 0.1
"""The quantile of the session's probes that absolute figures are compared with: the machine's full
speed, even if it is throttled for most of the session. Ratios, whose two sides slow down together,
are compared with the median."""

PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class Provenance:
    """Name where a figure comes from: machine, runtime and model."""

    fingerprint: str = ""
    runtime: str = ""
    runtime_version: str = ""
    artifact_digest: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Hold one figure and its bounds.

    Each bound holds with `confidence` by itself; None says that the figure is a count or a size and
    has no error. A bound or value is None where the samples do not support it; `why` says how many
    would.
    """

    metric: str
    unit: str
    value: float | None
    lower: float | None
    upper: float | None
    confidence: float | None
    samples: int
    source: Provenance = Provenance()
    why: str = ""

    @property
    def exact(self) -> bool:
        """Tell whether the figure has no sampling error."""
        return self.confidence is None

    @property
    def unsupported(self) -> bool:
        """Tell whether the samples support neither a value nor a bound."""
        return self.value is self.lower is self.upper is None

    def to_json(self) -> dict[str, Any]:
        """Return the figure as JSON values."""
        return asdict(self)


Sum = Callable[[float], Interval]
"""Bound a figure at the given confidence."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Hold a model's figures by metric: a function of the confidence, or an exact figure.

    `absent` says why a requested metric is missing.
    """

    sums: Mapping[str, Sum | Interval]
    source: Provenance = Provenance()
    absent: Mapping[str, str] = field(default_factory=dict)

    def at(self, metric: str, confidence: float, share: float = 1.0) -> Measurement | None:
        """Return a figure whose bounds hold with `confidence`, None where there is none.

        `share` of the risk is what this look may spend on a machine-bound figure. Other figures are
        measured once, and spend all of it.
        """
        known = self.sums.get(metric)
        if known is None:
            return None
        kind = metric_named(metric)
        spent = share if kind is None or kind.machine_bound else 1.0
        bound = known if isinstance(known, Interval) else known(1 - (1 - confidence) * spent)
        return Measurement(
            metric=metric,
            unit=kind.unit if kind else "ms",
            value=bound.value,
            lower=bound.lower,
            upper=bound.upper,
            confidence=None if bound is known else confidence,
            samples=bound.samples,
            source=self.source,
            why=bound.why,
        )

    def all(self, confidence: float, share: float = 1.0) -> dict[str, Measurement]:
        """Return every figure, by metric."""
        by_metric = {metric: self.at(metric, confidence, share) for metric in self.sums}
        return {metric: figure for metric, figure in by_metric.items() if figure is not None}

    def __or__(self, other: Figures) -> Figures:
        """Return the figures of both; they are of the same model."""
        return Figures({**self.sums, **other.sums}, self.source, {**self.absent, **other.absent})


def summarize(
    samples: Samples, reference: Samples | None = None, *, source: Provenance | None = None
) -> Figures:
    """Turn a variant's samples into figures; ratios need the reference's samples too.

    Blocks beside a slow probe or a throttled clock are left out. Absolute latencies keep every
    remaining sample, since users feel preemption too. Ratios use the clean samples alone.
    """
    at = source or Provenance(runtime=samples.runtime, runtime_version=samples.runtime_version)
    usual = _probe_ms(samples, reference, 0.5)
    steady = _steady(samples.blocks, usual)
    full = _steady(samples.blocks, _probe_ms(samples, reference, FULL_PACE))
    sums: dict[str, Sum | Interval] = {
        **_latencies(full, steady),
        **_cold_starts("cold_start", samples.cold_starts),
        **_cold_starts("cold_start_uncached", samples.uncached_starts),
        **_once_a_process(samples),
        **_throughputs(samples),
        **_sustained(samples.blocks),
        "artifact_mb": _exact(samples.size_mb),
    }
    if reference is not None:
        rounds = paired_rounds(steady, _steady(reference.blocks, usual))
        sums |= _against(samples, reference, rounds)
    kept = {
        name: known if isinstance(known, Interval) else functools.cache(known)
        for name, known in sums.items()
    }
    return Figures(kept, at, _absent(samples))


def conditions(samples: Samples, reference: Samples | None = None) -> str:
    """Describe in one line how the samples were taken."""
    blocks = samples.blocks
    if not blocks:
        return "no samples"
    flags = [flag for block in blocks for flag in block.contaminated]
    steady = _steady(blocks, _probe_ms(samples, reference, FULL_PACE))
    clean = 1 - sum(flags) / len(flags)
    processes = len({block.process for block in blocks})
    throttled = sum(block.throttled for block in blocks)
    return (
        f"n={len(flags)} in {processes} processes  clean {100 * clean:.0f} %"
        f"  steady blocks {len(steady)} of {len(blocks)}"
        f"  throttled {throttled or 'none'}"
    )


def process_quantiles(samples: Samples, q: float) -> list[float]:
    """Return each process's q-quantile of clean latencies, for a ratio to another session."""
    steady = _steady(samples.blocks, _probe_ms(samples, None, FULL_PACE))
    clean: dict[int, list[float]] = {}
    for block in steady:
        kept = zip(block.latency_ms, block.contaminated, strict=True)
        clean.setdefault(block.process, []).extend(ms for ms, dirty in kept if not dirty)
    return [float(np.quantile(values, q)) for _, values in sorted(clean.items()) if values]


def _latencies(full: Sequence[Block], usual: Sequence[Block]) -> dict[str, Sum]:
    """Bound the absolute latencies, from the blocks at `full` speed where there are enough.

    A slower machine makes nothing faster. So where there are not enough, the blocks at the `usual`
    speed still give an upper bound: a budget can be met by it, but not broken.
    """
    clean, all_of_them = _by_process(full), _by_process(usual)

    def bound(q: float) -> Sum:
        def at(confidence: float) -> Interval:
            best = clustered_interval(clean, q, confidence)
            if best.upper is not None or len(usual) <= len(full):
                return best
            whole = clustered_interval(all_of_them, q, confidence)
            return Interval(whole.value, None, whole.upper, whole.samples, whole.why)

        return at

    return {f"latency_{name}_ms": bound(q) for name, q in PERCENTILES}


def _by_process(blocks: Sequence[Block]) -> list[Floats]:
    """Return each process's latencies, or each block's where there is one process."""
    processes: dict[int, list[float]] = {}
    for block in blocks:
        processes.setdefault(block.process, []).extend(block.latency_ms)
    if len(processes) < 2:
        return [np.array(block.latency_ms) for block in blocks]
    return [np.array(values) for _, values in sorted(processes.items())]


Rounds = tuple[list[Floats], list[Floats]]
"""Latencies of two variants on the same rows, clean in both: one array a round for each."""


def paired_rounds(mine: Sequence[Block], reference: Sequence[Block]) -> Rounds:
    """Pair two variants' latencies by row and round, where both are clean."""
    theirs = {(block.process, block.place): block for block in reference}
    rounds: dict[int, list[Floats]] = {}
    for block in mine:
        other = theirs.get((block.process, block.place))
        pairs = _clean_pairs(block, other) if other else np.empty((2, 0))
        if pairs.size:
            rounds.setdefault(block.process, []).append(pairs)
    whole = [np.concatenate(parts, axis=1) for parts in rounds.values()]
    return [own for own, _ in whole], [other for _, other in whole]


def _clean_pairs(mine: Block, other: Block) -> Floats:
    """Return both latencies of each run that is clean in both, shape (2, runs)."""
    dirty = np.array([mine.contaminated, other.contaminated]).any(axis=0)
    return np.array([mine.latency_ms, other.latency_ms])[:, ~dirty]


def _against(samples: Samples, reference: Samples, rounds: Rounds) -> dict[str, Sum | Interval]:
    """Return the ratios to a reference of the same session, round by round."""
    mine, theirs = rounds
    starts = _pairs(_totals(samples.cold_starts), _totals(reference.cold_starts))
    peaks = _pairs(samples.rss_peak_mb, reference.rss_peak_mb)
    figures: dict[str, Sum | Interval] = {
        "speedup": lambda c: ratio_interval(theirs, mine, c),
        "latency_p50_ratio": lambda c: ratio_interval(mine, theirs, c),
        "latency_p90_ratio": lambda c: ratio_interval(mine, theirs, c, 0.9),
        "compression": _exact(reference.size_mb / samples.size_mb),
        "artifact_ratio": _exact(samples.size_mb / reference.size_mb),
    }
    if starts:
        figures["cold_start_p50_ratio"] = lambda c: mean_interval(starts, c)
    if peaks:
        figures["rss_peak_ratio"] = lambda c: mean_interval(peaks, c)
    return figures


def _pairs(mine: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Return the ratios of two variants' figures in the same rounds."""
    return [a / b for a, b in zip(mine, theirs, strict=False)]


def _totals(starts: Sequence[ColdStart]) -> list[float]:
    return [start.total_ms for start in starts]


def _cold_starts(prefix: str, starts: Sequence[ColdStart]) -> dict[str, Sum]:
    totals = _totals(starts)

    def bound(q: float) -> Sum:
        return lambda confidence: percentile_interval(totals, q, confidence, noun="cold starts")

    return {f"{prefix}_{name}_ms": bound(q) for name, q in PERCENTILES[:2]} if totals else {}


def _once_a_process(samples: Samples) -> dict[str, Sum | Interval]:
    figures: dict[str, Sum | Interval] = {}
    if samples.rss_peak_mb:
        count, highest = len(samples.rss_peak_mb), max(samples.rss_peak_mb)
        why = f"the highest of {count} processes"
        figures["rss_peak_mb"] = Interval(highest, highest, highest, count, why)

    def bound(values: Sequence[float]) -> Sum:
        return lambda confidence: percentile_interval(values, 0.5, confidence, noun="processes")

    for metric, values in (
        ("session_ms", samples.session_ms),
        ("first_inference_ms", samples.first_inference_ms),
    ):
        if values:
            figures[metric] = bound(values)
    return figures


def _throughputs(samples: Samples) -> dict[str, Sum]:
    seen: dict[str, list[float]] = {}
    for one in samples.throughputs:
        name = f"throughput_b{one.batch}_c{one.concurrency}_rows_per_s"
        seen.setdefault(name, []).append(one.rows_per_s)

    def bound(values: list[float]) -> Sum:
        return lambda confidence: mean_interval(values, confidence)

    return {name: bound(values) for name, values in seen.items()}


def _sustained(blocks: Sequence[Block]) -> dict[str, Sum]:
    """Compare the p90 of the session's last third with its first; empty for a short session."""
    ordered = sorted(blocks, key=lambda block: block.order)
    third = len(ordered) // 3
    if third < 2:
        return {}
    first, last = _by_process(ordered[:third]), _by_process(ordered[-third:])

    def bound(confidence: float) -> Interval:
        split = (1 + confidence) / 2  # half the risk for each of the two
        return quotient_interval(
            clustered_interval(last, 0.9, split), clustered_interval(first, 0.9, split)
        )

    return {"sustained_p90_ratio": bound}


def _absent(samples: Samples) -> dict[str, str]:
    why = samples.uncached_why
    names = ("cold_start_uncached_p50_ms", "cold_start_uncached_p90_ms")
    return dict.fromkeys(names, why) if why else {}


def _probe_ms(samples: Samples, reference: Samples | None, q: float) -> float:
    """Return a quantile of the session's probes: FULL_PACE or the median."""
    blocks = samples.blocks + (reference.blocks if reference else ())
    return float(np.quantile([block.probe_ms for block in blocks], q)) if blocks else 0.0


def _steady(blocks: Sequence[Block], usual_ms: float) -> tuple[Block, ...]:
    return tuple(
        block
        for block in blocks
        if max(block.probe_ms) <= STEADY * usual_ms and not block.throttled
    )


def _exact(value: float) -> Interval:
    return Interval(value, value, value, 1)
