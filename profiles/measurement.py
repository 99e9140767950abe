"""Figures with bounds: from raw samples and predictions to what a gate can judge."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from profiles.budget import metric_named
from profiles.counters import WHY_ABSENT, counters
from profiles.parts import views
from profiles.plural import plural
from profiles.selection import Rounds, at_full_pace, by_process, paired_rounds
from profiles.server_load import server_latencies
from profiles.slow_processes import PerProcess, per_process
from profiles.statistics import (
    Interval,
    Sum,
    clustered_interval,
    highest_interval,
    mean_interval,
    ordered_mean_interval,
    percentile_interval,
    ratio_interval,
)
from profiles.sustained import sustained_interval
from profiles.waiting import unproven, waits_more
from runtimes.measure import Block, ColdStart, Samples

PERCENTILES = (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))


@dataclass(frozen=True, slots=True)
class Provenance:
    """Name where a figure comes from: machine, runtime and model."""

    fingerprint: str = ""
    runtime: str = ""
    runtime_version: str = ""
    artifact_digest: str = ""


Side = Literal["each"]
"""How a confidence counts: each bound holds with it by itself, so both hold with less."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Hold one figure and its bounds.

    Each bound holds with `confidence` by itself (`side`); None says that the figure is a count or a
    size and has no error. It is the confidence that the bounds were computed with: above the
    budget's where several looks share the risk. A bound or value is None where the samples do not
    support it; `why` says how many would. `freedom` is as in Interval.
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
    freedom: int | None = None

    @property
    def side(self) -> Side | None:
        """Say that each bound holds by itself; None without an error."""
        return None if self.exact else "each"

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
        return {**asdict(self), "side": self.side}


@dataclass(frozen=True, slots=True)
class Figures:
    """Hold a model's figures by metric: a function of the confidence, or an exact figure.

    `absent` says why a requested metric is missing. `at_full_pace` bounds figures by the blocks at
    the machine's full pace alone; `processes` are their values in each process.
    """

    sums: Mapping[str, Sum | Interval]
    source: Provenance = Provenance()
    absent: Mapping[str, str] = field(default_factory=dict)
    at_full_pace: Mapping[str, Sum] = field(default_factory=dict)
    processes: Mapping[str, PerProcess] = field(default_factory=dict)

    def at(self, metric: str, confidence: float, share: float = 1.0) -> Measurement | None:
        """Return a figure whose bounds hold with `confidence` over all looks, None without one.

        `share` of the risk is what this look may spend on a machine-bound figure. Other figures are
        measured once, and spend all of it; so does the highest of all processes.
        """
        known = self.sums.get(metric)
        if known is None:
            return None
        kind = metric_named(metric)
        spent = share if kind is None or (kind.machine_bound and not kind.highest) else 1.0
        used = 1 - (1 - confidence) * spent
        bound = known if isinstance(known, Interval) else known(used)
        return Measurement(
            metric=metric,
            unit=kind.unit if kind else "ms",
            value=bound.value,
            lower=bound.lower,
            upper=bound.upper,
            confidence=None if bound is known else used,
            samples=bound.samples,
            source=self.source,
            why=bound.why,
            freedom=bound.freedom,
        )

    def all(self, confidence: float, share: float = 1.0) -> dict[str, Measurement]:
        """Return every figure, by metric."""
        by_metric = {metric: self.at(metric, confidence, share) for metric in self.sums}
        return {metric: figure for metric, figure in by_metric.items() if figure is not None}

    def __or__(self, other: Figures) -> Figures:
        """Return the figures of both; they are of the same model."""
        return Figures(
            {**self.sums, **other.sums},
            self.source,
            {**self.absent, **other.absent},
            {**self.at_full_pace, **other.at_full_pace},
            {**self.processes, **other.processes},
        )


def summarize(
    samples: Samples, reference: Samples | None = None, *, source: Provenance | None = None
) -> Figures:
    """Turn a variant's samples into figures; ratios need the reference's samples too.

    Absolute latencies keep every sample, since users feel preemption and throttling too; their
    lower bounds, which a FAIL needs, also hold for the blocks at full pace alone. Ratios use the
    pairs that are clean in both.
    """
    at = source or Provenance(runtime=samples.runtime, runtime_version=samples.runtime_version)
    full = at_full_pace(samples, reference)
    sums: dict[str, Sum | Interval] = {
        **_latencies(samples.blocks, full),
        **_cold_starts("cold_start", samples.cold_starts),
        **_cold_starts("cold_start_uncached", samples.uncached_starts),
        **_once_a_process(samples),
        **_throughputs(samples),
        **({"sustained_p90_ratio": _sustained(samples)} if samples.soak else {}),
        **counters(samples, reference),
        **server_latencies(samples),
        "artifact_mb": exact(samples.size_mb),
    }
    at_pace = _at_full_pace(full)
    for prefix, own, other in views(samples, reference):
        full = at_full_pace(own, other)
        sums |= _latencies(own.blocks, full, prefix)
        at_pace |= _at_full_pace(full, prefix)
    if reference is not None:
        sums |= _against(samples, reference)
    alone = per_process(samples, reference, dict(PERCENTILES))
    return Figures(computed_once(sums), at, _absent(samples), at_pace, alone)


def computed_once(sums: Mapping[str, Sum | Interval]) -> dict[str, Sum | Interval]:
    """Return the sums, each computed once for each confidence."""
    return {
        name: known if isinstance(known, Interval) else functools.cache(known)
        for name, known in sums.items()
    }


def conditions(samples: Samples, reference: Samples | None = None) -> str:
    """Describe in one line how the samples were taken."""
    blocks = samples.blocks
    if not blocks:
        return "no samples"
    flags = [flag for block in blocks for flag in block.contaminated]
    steady = at_full_pace(samples, reference)
    clean = 1 - sum(flags) / len(flags)
    processes = len({block.process for block in blocks})
    slowed = [word for block in blocks for word in block.slowed]
    throttled = sum(block.throttled for block in blocks)
    named = f" ({', '.join(dict.fromkeys(slowed))})" if slowed else ""
    heat = [block.temperature_c for block in blocks if block.temperature_c is not None]
    peak = f"  peak {max(heat):.0f} °C" if heat else ""
    throttle = f"{throttled} of {len(blocks)} blocks{named}" if throttled else "none"
    return (
        f"n={len(flags)} in {plural(processes, 'process')}  clean {100 * clean:.0f} %"
        f"  steady blocks {len(steady)} of {len(blocks)}"
        f"  throttle {throttle}{peak}"
    )


def process_quantiles(samples: Samples, q: float) -> list[float]:
    """Return each process's q-quantile of clean latencies, for a ratio to another session."""
    clean: dict[int, list[float]] = {}
    for block in at_full_pace(samples):
        kept = zip(block.latency_ms, block.contaminated, strict=True)
        clean.setdefault(block.process, []).extend(ms for ms, dirty in kept if not dirty)
    return [float(np.quantile(values, q)) for _, values in sorted(clean.items()) if values]


def _latencies(every: Sequence[Block], full: Sequence[Block], prefix: str = "") -> dict[str, Sum]:
    """Bound the absolute latencies over every block.

    A slower machine makes nothing faster, and says nothing against the model. So the lower bound is
    the one at `full` pace where that is lower, and there is none without blocks at full pace.
    """
    processes, cool = by_process(every), by_process(full)

    def bound(q: float) -> Sum:
        def at(confidence: float) -> Interval:
            whole = clustered_interval(processes, q, confidence)
            lowers = (whole.lower, clustered_interval(cool, q, confidence).lower)
            known = [lower for lower in lowers if lower is not None]
            return replace(whole, lower=min(known) if len(known) == len(lowers) else None)

        return at

    return {f"{prefix}latency_{name}_ms": bound(q) for name, q in PERCENTILES}


def _at_full_pace(full: Sequence[Block], prefix: str = "") -> dict[str, Sum]:
    """Bound the absolute latencies at the machine's full pace alone."""
    cool = by_process(full)

    def bound(q: float) -> Sum:
        return functools.cache(lambda confidence: clustered_interval(cool, q, confidence))

    return {f"{prefix}latency_{name}_ms": bound(q) for name, q in PERCENTILES}


def _against(samples: Samples, reference: Samples) -> dict[str, Sum | Interval]:
    """Return the ratios to a reference of the same session, round by round."""
    starts = _pairs(_totals(samples.cold_starts), _totals(reference.cold_starts))
    peaks = _pairs(samples.rss_peak_mb, reference.rss_peak_mb)
    figures: dict[str, Sum | Interval] = {
        "compression": exact(reference.size_mb / samples.size_mb),
        "artifact_ratio": exact(samples.size_mb / reference.size_mb),
    }
    if starts:
        figures["cold_start_p50_ratio"] = lambda c: mean_interval(starts, c)
    if peaks:
        figures["rss_peak_ratio"] = lambda c: mean_interval(peaks, c)
    beside = _latencies_beside(samples, reference)
    if why := waits_more(samples, reference):
        beside = {name: unproven(name, known, why) for name, known in beside.items()}
    return {**figures, **beside}


def _latencies_beside(samples: Samples, reference: Samples) -> dict[str, Sum]:
    """Return the ratios of latencies, which leave out the runs that waited."""
    rounds = paired_rounds(samples.blocks, reference.blocks)
    mine, theirs = rounds
    ratios: dict[str, Sum] = {
        "speedup": _speedup(rounds),
        "latency_p50_ratio": lambda c: ratio_interval(mine, theirs, c),
        "latency_p90_ratio": lambda c: ratio_interval(mine, theirs, c, 0.9),
    }
    for prefix, own, other in views(samples, reference):
        if other is not None:
            ratios[f"{prefix}speedup"] = _speedup(paired_rounds(own.blocks, other.blocks))
    return ratios


def _speedup(rounds: Rounds) -> Sum:
    mine, theirs = rounds
    return lambda confidence: ratio_interval(theirs, mine, confidence)


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
        peaks = samples.rss_peak_mb
        figures["rss_peak_mb"] = lambda confidence: highest_interval(peaks, confidence, "processes")

    def bound(values: Sequence[float]) -> Sum:
        return lambda confidence: percentile_interval(values, 0.5, confidence, noun="processes")

    for metric, values in (
        ("session_ms", samples.session_ms),
        ("first_inference_ms", samples.first_inference_ms),
    ):
        if any(values):  # a package does not show its session's part
            figures[metric] = bound(values)
    return figures


def _throughputs(samples: Samples) -> dict[str, Sum]:
    seen: dict[str, list[float]] = {}
    for one in samples.throughputs:
        seen.setdefault(one.metric, []).append(one.rows_per_s)

    def bound(values: list[float]) -> Sum:
        return lambda confidence: ordered_mean_interval(values, confidence)

    return {name: bound(values) for name, values in seen.items()}


def _sustained(samples: Samples) -> Sum:
    return lambda confidence: sustained_interval(samples.soak, confidence)


_OF_PACKAGES = dict.fromkeys(("zip_mb", "layer_zip_mb", "unzipped_mb"), "only a package has it")


def _absent(samples: Samples) -> dict[str, str]:
    why = samples.uncached_why
    names = ("cold_start_uncached_p50_ms", "cold_start_uncached_p90_ms")
    return {**WHY_ABSENT, **_OF_PACKAGES, **(dict.fromkeys(names, why) if why else {})}


def exact(value: float) -> Interval:
    """Return a figure that is a count or a size, and has no error."""
    return Interval(value, value, value, 1)
