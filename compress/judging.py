"""Measure models side by side and judge them by profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.answers import answers
from compress.data import Rows
from compress.stage import Progress
from profiles.device import DeviceProfile
from profiles.gate import Verdict, judge, shown
from profiles.measurement import Measurement, Source, conditions, summarise, summarise_quality
from profiles.probe import Facts
from profiles.statistics import samples_needed
from runtimes.artifact import Artifact
from runtimes.measure import MeasurePlan, Samples, Variant, expected_runs, measure

TIERS = {
    "quick": MeasurePlan(processes=2, blocks=3, block_runs=25, warmup_s=0.3, warmup_limit_s=1.0),
    "ci": MeasurePlan(processes=5, blocks=4, warmup_s=0.5, warmup_limit_s=1.2),
    "release": MeasurePlan(processes=12, blocks=8),
}
"""How much is measured: seconds for a look, about a minute for a gate, minutes for a release."""

_ENOUGH_STARTS = 8


@dataclass(frozen=True, slots=True)
class Terms:
    """Say how models are measured: what the profiles that judge them ask for."""

    threads: int
    confidence: float
    cold_starts: int
    plan: MeasurePlan


def terms_of(profiles: Sequence[DeviceProfile], tier: str, seed: int) -> Terms:
    """Return the terms that suit every profile; the first one's threads are used.

    A budget on the 90th percentile of cold starts needs the many that bound it.
    """
    confidence = max(profile.confidence for profile in profiles)
    cold_p90 = any("cold_start_p90_ms" in profile.budgets for profile in profiles)
    return Terms(
        threads=profiles[0].runtime.threads,
        confidence=confidence,
        cold_starts=samples_needed(0.9, confidence) if cold_p90 else _ENOUGH_STARTS,
        plan=replace(TIERS[tier], seed=seed, cold_starts=0),
    )


@dataclass(frozen=True, slots=True)
class Candidate:
    """Name a runnable model; `deployable` ones are cold-started often enough to judge."""

    name: str
    artifact: Artifact
    runtime: str
    deployable: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold what was found of one model, by metric."""

    candidate: Candidate
    measurements: Mapping[str, Measurement]
    samples: Samples
    logits: NDArray[np.float32]

    def value(self, metric: str) -> float | None:
        """Return a figure, or None where it was not measured or not supported."""
        found = self.measurements.get(metric)
        return None if found is None else found.value


def measure_all(
    candidates: Sequence[Candidate],
    rows: Rows,
    classes: int,
    *,
    facts: Facts,
    terms: Terms,
    progress: Progress,
    shared: Path | None = None,
    stream: Path | None = None,
) -> list[Measured]:
    """Measure every candidate; the first is the reference of retention and speed-up.

    Accuracy is on `rows`. Latencies are interleaved in one session on the same rows' real
    lengths; deployable models are then cold-started side by side.
    """
    logits = [
        answers(
            candidate.artifact,
            candidate.runtime,
            rows.texts,
            threads=terms.threads,
            progress=progress,
            name=candidate.name,
            shared=shared,
        )
        for candidate in candidates
    ]
    samples = _samples(candidates, rows.texts, terms, progress, stream)
    reference = samples[candidates[0].name]
    found = []
    for candidate, own in zip(candidates, logits, strict=True):
        source = Source(
            fingerprint=facts.fingerprint(),
            runtime=candidate.runtime,
            runtime_version=samples[candidate.name].runtime_version,
            artifact_digest=candidate.artifact.digest,
        )
        quality = summarise_quality(
            rows.labels,
            own.argmax(axis=1),
            classes,
            logits[0].argmax(axis=1),
            confidence=terms.confidence,
            seed=terms.plan.seed,
            source=source,
        )
        speed = summarise(
            samples[candidate.name], reference, confidence=terms.confidence, source=source
        )
        figures = {row.metric: row for row in (*quality, *speed)}
        found.append(Measured(candidate, figures, samples[candidate.name], own))
    return found


def verdicts(
    measured: Measured,
    reference: Measured,
    profiles: Sequence[DeviceProfile],
    facts: Facts,
) -> list[Verdict]:
    """Judge one model by each profile."""
    said = conditions(measured.samples, reference.samples)
    return [
        judge(profile, measured.measurements.values(), facts, conditions=said)
        for profile in profiles
    ]


def _samples(
    candidates: Sequence[Candidate],
    texts: Sequence[str],
    terms: Terms,
    progress: Progress,
    stream: Path | None,
) -> dict[str, Samples]:
    variants = {c.name: Variant(c.name, c.artifact, c.runtime, terms.threads) for c in candidates}
    plan = terms.plan
    with progress.task("latency", expected_runs(len(variants), plan)) as advance:
        found = measure(list(variants.values()), texts, plan, advance=advance, stream=stream)
    started = [candidate.name for candidate in candidates if candidate.deployable]
    cold = replace(plan, processes=0, cold_starts=terms.cold_starts)
    with progress.task("cold start", expected_runs(len(started), cold)) as advance:
        again = measure(
            [variants[name] for name in started], texts, cold, advance=advance, stream=stream
        )
    for name, samples in again.items():
        both = (*found[name].cold_starts, *samples.cold_starts)
        found[name] = replace(found[name], cold_starts=both)
    return found


_SHOWN = (
    "accuracy",
    "f1_macro",
    "accuracy_retention",
    "latency_p50_ms",
    "latency_p90_ms",
    "speedup",
    "cold_start_p50_ms",
    "rss_peak_mb",
    "artifact_mb",
    "compression",
)


def figure_lines(reference: Measured, model: Measured) -> list[str]:
    """Return a plain table: each figure of the reference and of the model."""
    head = f"{'':<20}{'reference':>28}{'model':>28}"
    lines = [head]
    for metric in _SHOWN:
        both = (reference.measurements.get(metric), model.measurements.get(metric))
        lines.append(f"{metric:<20}" + "".join(f"{shown(figure):>28}" for figure in both))
    return lines
