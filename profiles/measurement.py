"""Figures with their bounds: from raw samples and predictions to what a gate can judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from profiles import metrics
from profiles.budget import METRICS
from profiles.statistics import (
    Interval,
    clustered_interval,
    f1_macro_interval,
    paired_retention,
    percentile_interval,
    quotient_interval,
    ratio_interval,
    wilson_interval,
)
from runtimes.measure import Block, Samples

STEADY = 1.10
"""A block is off when a probe beside it took longer than this many times the usual one."""


@dataclass(frozen=True, slots=True)
class Source:
    """Say where a figure comes from: machine, runtime and model."""

    fingerprint: str = ""
    runtime: str = ""
    runtime_version: str = ""
    artifact_digest: str = ""


@dataclass(frozen=True, slots=True)
class Measurement:
    """Hold one figure and its bounds.

    Each bound holds with `confidence` by itself; None says that the figure is a count or a
    size and has no error. A bound, or a value, of None is one that the samples do not
    support, and `why` says what would.
    """

    metric: str
    unit: str
    value: float | None
    lower: float | None
    upper: float | None
    confidence: float | None
    samples: int
    source: Source = Source()
    why: str = ""

    @property
    def exact(self) -> bool:
        """Tell whether the figure has no sampling error."""
        return self.confidence is None

    def to_json(self) -> dict[str, Any]:
        """Return the figure, ready for a report."""
        return asdict(self)


def summarise(
    samples: Samples,
    reference: Samples | None = None,
    *,
    confidence: float = 0.95,
    source: Source | None = None,
) -> tuple[Measurement, ...]:
    """Turn what was seen of a variant into figures; ratios need the reference's samples too.

    Blocks beside a slow probe are left out. Absolute latencies keep each remaining sample:
    users feel preemption too. Ratios between variants use the clean ones alone.
    """
    at = source or Source(runtime=samples.runtime, runtime_version=samples.runtime_version)
    usual = _usual_probe_ms(samples, reference)
    steady = _steady(samples.blocks, usual)
    found = [
        *_latencies(steady, confidence),
        *_cold_starts(samples, confidence),
        *_once_a_process(samples),
        _exact("artifact_mb", samples.size_mb, 1),
    ]
    if sustained := _sustained(samples.blocks, confidence):
        found.append(sustained)
    if reference is not None:
        found.append(_pace(steady, _steady(reference.blocks, usual), confidence))
        found.append(_exact("compression", reference.size_mb / samples.size_mb, 1))
    return tuple(replace(measurement, source=at) for measurement in found)


def summarise_quality(
    truth: ArrayLike,
    predicted: ArrayLike,
    classes: int,
    reference_predicted: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    seed: int = 7,
    source: Source | None = None,
) -> tuple[Measurement, ...]:
    """Turn predictions into accuracy, macro F1 and, beside a reference's, retention.

    `truth` and the predictions are class indices of the same rows, shape (rows,).
    Raises DataError when they are not.
    """
    counts = metrics.confusion(truth, predicted, classes)
    right = np.asarray(truth) == np.asarray(predicted)
    accuracy = wilson_interval(int(right.sum()), len(right), confidence)
    found = [
        _measurement("accuracy", accuracy, confidence),
        _measurement("f1_macro", f1_macro_interval(counts, confidence, seed), confidence),
    ]
    if reference_predicted is not None:
        reference_right = np.asarray(truth) == np.asarray(reference_predicted)
        metrics.retention(right, reference_right)  # refuses rows that do not fit
        kept = paired_retention(right, reference_right, confidence, seed)
        found.append(_measurement("accuracy_retention", kept, confidence))
    return tuple(replace(measurement, source=source or Source()) for measurement in found)


def conditions(samples: Samples, reference: Samples | None = None) -> str:
    """Say in one line how the samples came about."""
    blocks = samples.blocks
    flags = [flag for block in blocks for flag in block.contaminated]
    steady = _steady(blocks, _usual_probe_ms(samples, reference))
    clean = 1 - sum(flags) / max(len(flags), 1)
    processes = len({block.process for block in blocks})
    return (
        f"n={len(flags)} in {processes} processes  clean {100 * clean:.0f} %"
        f"  steady blocks {len(steady)} of {len(blocks)}"
    )


def _latencies(blocks: Sequence[Block], confidence: float) -> Iterator[Measurement]:
    for metric, q in (("latency_p50_ms", 0.5), ("latency_p90_ms", 0.9)):
        bound = clustered_interval(_by_process(blocks), q, confidence)
        yield _measurement(metric, bound, confidence)


def _by_process(blocks: Sequence[Block]) -> list[tuple[float, ...]]:
    """Return each process's latencies; those of one process's blocks where there is but one."""
    processes = sorted({block.process for block in blocks})
    if len(processes) < 2:
        return [block.latency_ms for block in blocks]
    return [
        tuple(value for block in blocks if block.process == process for value in block.latency_ms)
        for process in processes
    ]


def _pace(candidate: Sequence[Block], reference: Sequence[Block], confidence: float) -> Measurement:
    """Compare the medians on the same rows in the same rounds, clean samples alone."""
    theirs = {(block.process, block.place): block for block in reference}
    rounds: dict[int, tuple[list[float], list[float]]] = {}
    for mine in candidate:
        other = theirs.get((mine.process, mine.place))
        for pair in _clean_pairs(mine, other) if other else ():
            for side, value in zip(rounds.setdefault(mine.process, ([], [])), pair, strict=True):
                side.append(value)
    ratio = ratio_interval(
        [mine for mine, _ in rounds.values()], [other for _, other in rounds.values()], confidence
    )
    return _measurement("speedup", ratio, confidence)


def _clean_pairs(mine: Block, other: Block) -> Iterator[tuple[float, float]]:
    dirty = (a or b for a, b in zip(mine.contaminated, other.contaminated, strict=True))
    pairs = zip(mine.latency_ms, other.latency_ms, strict=True)
    return (pair for pair, bad in zip(pairs, dirty, strict=True) if not bad)


def _cold_starts(samples: Samples, confidence: float) -> Iterator[Measurement]:
    totals = [start.total_ms for start in samples.cold_starts]
    for metric, q in (("cold_start_p50_ms", 0.5), ("cold_start_p90_ms", 0.9)):
        bound = percentile_interval(totals, q, confidence, noun="cold starts")
        yield _measurement(metric, bound, confidence)


def _once_a_process(samples: Samples) -> Iterator[Measurement]:
    """Yield what each process shows once: too few to bound at will, so the range is given."""
    if samples.rss_peak_mb:
        count = len(samples.rss_peak_mb)
        highest = _exact("rss_peak_mb", max(samples.rss_peak_mb), count)
        yield replace(highest, why=f"the highest of {count} processes")
    for metric, values in (
        ("session_ms", samples.session_ms),
        ("first_inference_ms", samples.first_inference_ms),
    ):
        if values:
            # The median lies below the largest of n with probability 1 - 2^-n.
            certain = 1 - 0.5 ** len(values)
            middle = float(np.median(values))
            why = f"range of {len(values)} processes"
            bound = Interval(middle, min(values), max(values), len(values), why)
            yield _measurement(metric, bound, certain)


def _sustained(blocks: Sequence[Block], confidence: float) -> Measurement | None:
    """Compare the p90 of the session's last third with its first; None when it is too short."""
    ordered = sorted(blocks, key=lambda block: block.order)
    third = len(ordered) // 3
    if third < 2:
        return None
    split = (1 + confidence) / 2  # half the risk for each of the two
    last, first = (
        clustered_interval(_by_process(part), 0.9, split)
        for part in (ordered[-third:], ordered[:third])
    )
    return _measurement("sustained_p90_ratio", quotient_interval(last, first), confidence)


def _usual_probe_ms(samples: Samples, reference: Samples | None) -> float:
    blocks = samples.blocks + (reference.blocks if reference else ())
    return float(np.median([block.probe_ms for block in blocks])) if blocks else 0.0


def _steady(blocks: Sequence[Block], usual_ms: float) -> tuple[Block, ...]:
    return tuple(block for block in blocks if max(block.probe_ms) <= STEADY * usual_ms)


def _measurement(metric: str, bound: Interval, confidence: float) -> Measurement:
    return Measurement(
        metric=metric,
        unit=METRICS[metric].unit if metric in METRICS else "ms",
        value=bound.value,
        lower=bound.lower,
        upper=bound.upper,
        confidence=confidence,
        samples=bound.samples,
        why=bound.why,
    )


def _exact(metric: str, value: float, samples: int) -> Measurement:
    return Measurement(metric, METRICS[metric].unit, value, value, value, None, samples)
