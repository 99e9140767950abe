"""Measure a model for later: what `edgepress baseline` stores and compares."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from compress.data import DataSettings, load_labelled, load_texts
from compress.judging import Job, as_baseline, measure_and_judge
from compress.stage import Progress
from compress.validate import MODEL, deployable, runnable
from profiles.baseline import Baseline, compare, write_baseline
from profiles.budget import METRICS
from profiles.device import load_profile
from profiles.measurement import Measurement
from profiles.probe import probe
from runtimes.artifact import read_artifact

CONFIDENCE = 0.95


def save_baseline(
    model: Path,
    out: Path,
    data: DataSettings,
    *,
    profile: str,
    tier: str,
    seed: int,
    unlabelled: bool,
    progress: Progress,
    shared: Path | None = None,
) -> Baseline:
    """Measure a model alone, with the profile's threads, and store what its processes showed.

    Raises BackendError when a process of it fails: half a baseline is none.
    """
    artifact = runnable(read_artifact(model))
    if unlabelled:
        rows = load_texts(data, Path())
    else:
        rows, warnings = load_labelled(data, Path(), artifact.labels)
        for warning in warnings:
            progress.warn(warning)
    job = Job(
        candidates=[deployable(MODEL, artifact)],
        judged=MODEL,
        reference=None,
        rows=rows,
        profiles=(),
        tier=tier,
        seed=seed,
        threads=load_profile(profile).runtime.threads,
    )
    facts = probe()
    outcome = measure_and_judge(job, facts=facts, progress=progress, shared=shared)
    outcome.accept(progress)
    found = as_baseline(outcome.of(MODEL), rows, facts)
    write_baseline(out, found)
    return found


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold a metric's figure over the baseline's, or why there is none."""

    metric: str
    measurement: Measurement | None
    why: str


def comparisons(now: Baseline, then: Baseline) -> list[Comparison]:
    """Compare two stored measurements, metric by metric."""
    figures = compare(now, then)
    names = [name for name, metric in METRICS.items() if metric.against == "baseline"]
    return [
        Comparison(name, figures.at(name, CONFIDENCE), figures.absent.get(name, "not measured"))
        for name in names
    ]
