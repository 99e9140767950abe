"""The input and the result of an evaluation."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from compress.data.rows import Rows
from compress.progress import Progress
from compress.tasks import Answer, task_of
from profiles.baseline import Baseline, baseline_of
from profiles.device import DeviceProfile
from profiles.gate import Verdict, shown
from profiles.measurement import (
    Figures,
    Measurement,
)
from profiles.noise import Noise
from runtimes.artifact import Artifact
from runtimes.facts import Facts
from runtimes.measure import Samples

REFERENCE = "reference"
"""The name of the model that the others are compared with."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Name a runnable model; `deployable` ones are cold-started often enough to judge."""

    name: str
    artifact: Artifact
    runtime: str
    deployable: bool = False


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Say which models are measured, on which rows, and which of them the profiles judge.

    With a `reference` every other candidate is compared with it. Without labels in `rows` there is
    no accuracy. The judged one is also compared with a stored `baseline`, if given. `missing` says
    why a metric that a budget needs is absent. Without `threads`, the first profile's number is
    used. The first look lasts `least_s` at least. With `verdict_only` nobody reads the figures of a
    device that is none of the profiles'. `sizes_mb` are further exact sizes of the judged one, by
    metric. At least `uncached_starts` read their files from storage, also where no budget needs it.
    """

    candidates: Sequence[Candidate]
    judged: str
    reference: str | None
    rows: Rows
    profiles: Sequence[DeviceProfile]
    tier: str
    seed: int
    baseline: Baseline | None = None
    missing: Mapping[str, str] = field(default_factory=dict)
    threads: int | None = None
    least_s: float = 0.0
    verdict_only: bool = False
    sizes_mb: Mapping[str, float] = field(default_factory=dict)
    uncached_starts: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold the figures of one model, by metric."""

    candidate: Candidate
    figures: Figures
    measurements: Mapping[str, Measurement]
    samples: Samples
    answers: Sequence[Answer] | None

    def value(self, metric: str) -> float | None:
        """Return a figure, None where it was not measured or the samples do not support it."""
        measurement = self.measurements.get(metric)
        return None if measurement is None else measurement.value


def as_baseline(row: Measured, rows: Rows, facts: Facts) -> Baseline:
    """Return the baseline of a measured model; it must have been timed."""
    artifact = row.candidate.artifact
    task, scores = task_of(artifact.task), None
    if row.answers is not None:
        scores = task.score(row.answers, rows.targets, artifact.labels)
    return baseline_of(
        row.samples,
        name=artifact.path.name,
        model_format=artifact.format,
        digest=artifact.digest,
        facts=facts,
        texts=rows.inputs,
        scores=scores,
        metric=task.metric,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold every model's figures on one device, the judged one's verdicts, and the effort.

    `looks` of `looks_most` were taken; `overhead` is the share of `seconds` that was neither
    inference nor a model's own start.
    """

    measured: tuple[Measured, ...]
    verdicts: tuple[Verdict, ...]
    noise: Noise
    looks: int
    looks_most: int
    seconds: float
    overhead: float
    facts: Facts

    def of(self, name: str) -> Measured:
        """Return one model's figures."""
        return next(row for row in self.measured if row.candidate.name == name)

    def accept(self, progress: Progress, optional: Container[str] = ()) -> None:
        """Warn of a noisy machine; raise BackendError when any model's process failed.

        A model that does not fit into memory is no error: its verdict says it. The fault of an
        `optional` one is only a warning.
        """
        for row in self.measured:
            if row.candidate.name in optional and row.samples.fault:
                progress.warn(f"{row.candidate.name}: {row.samples.fault}")
            elif not row.samples.out_of_memory:
                row.samples.raise_fault()
        for reason in self.noise.reasons:
            progress.warn(f"noise: {reason}")


_QUALITY = (
    "f1_macro", "precision", "recall", "mean_average_precision",
    "exact_match", "r2", "spearman", "mae", "rmse", "mae_retention",
    "ndcg_at_10", "recall_at_10", "ndcg_at_10_retention", "recall_at_10_retention",
    "similarity_spearman", "retention_int8_vectors", "retention_binary_vectors",
    "mrr", "mrr_retention",
)  # fmt: skip
"""Figures of some tasks, shown where they are measured."""

_SHOWN = (
    "latency_p50_ms",
    "latency_p90_ms",
    "encode_latency_p50_ms",
    "model_latency_p50_ms",
    "idle_latency_p50_ms",
    "speedup",
    "model_speedup",
    "idle_speedup",
    "cold_start_p50_ms",
    "cold_start_p90_ms",
    "cold_start_uncached_p50_ms",
    "rss_peak_mb",
    "artifact_mb",
    "compression",
)


def figure_lines(*rows: Measured) -> list[str]:
    """Return a plain table: each figure of each model, under its name."""
    task = task_of(rows[-1].candidate.artifact.task)
    more = [metric for metric in _QUALITY if metric in rows[-1].measurements]
    own = (task.metric, *more, f"{task.metric}_retention", task.worst_metric)
    names = list(dict.fromkeys((*own, *_SHOWN)))
    width = max(map(len, names)) + 1
    lines = [f"{'':<{width}}" + "".join(f"{row.candidate.name:>28}" for row in rows)]
    for metric in names:
        cells = (f"{shown(row.measurements.get(metric)):>28}" for row in rows)
        lines.append(f"{metric:<{width}}" + "".join(cells))
    return lines
