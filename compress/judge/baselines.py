"""Store a measured model as a baseline, and compare baselines: `edgepress baseline`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compress.data.dataset import DataSettings
from compress.judge.evaluation import as_baseline
from compress.judge.validate import measure_model
from compress.progress import Progress
from profiles.baseline import DISTURBED, Baseline, compare, write_baseline
from profiles.budget import METRICS
from profiles.gate import shown
from profiles.measurement import Measurement
from runtimes.errors import QualityError

CONFIDENCE = 0.95


def save_baseline(
    model: Path,
    out: Path,
    data: DataSettings,
    *,
    profile: str,
    tier: str,
    seed: int,
    unlabeled: bool,
    progress: Progress,
    shared: Path | None = None,
) -> Baseline:
    """Measure a model alone, with the profile's threads, and store the figures of its processes.

    Raises BackendError when one of its processes fails, since a baseline must be complete. Raises
    QualityError when the machine was too busy to measure a latency.
    """
    session = measure_model(
        model,
        None,
        data,
        profile=profile,
        tier=tier,
        seed=seed,
        unlabeled=unlabeled,
        progress=progress,
        shared=shared,
        timed="a baseline",
    )
    baseline = as_baseline(session.model, session.rows, session.facts)
    if not baseline.latency_p50_ms:
        raise QualityError(
            f"{model}: {DISTURBED}",
            expected="a machine that is quiet enough for a baseline",
            action="end what else runs here, or measure more (--tier)",
        )
    write_baseline(out, baseline)
    return baseline


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold a metric's figure over the baseline's, or why there is none."""

    metric: str
    measurement: Measurement | None
    why: str

    def text(self) -> str:
        """Return the figure with its bounds, or why there is none and what to do about it."""
        measured = self.measurement
        if measured is None and self.why.startswith("not measured"):
            labels = " with labeled rows" if METRICS[self.metric].needs_labels else ""
            return f"{self.why}; save it again{labels}"
        if measured is None:
            return self.why
        if measured.unsupported:
            return f"not supported: {measured.why}; save both again with a larger --tier"
        return "  ".join(filter(None, (shown(measured), measured.why)))

    def to_json(self) -> dict[str, Any]:
        """Return the figure, or the metric and why there is none."""
        if self.measurement is None:
            return {"metric": self.metric, "value": None, "why": self.why}
        return self.measurement.to_json()


def comparisons(now: Baseline, then: Baseline) -> list[Comparison]:
    """Compare two stored measurements, metric by metric."""
    figures = compare(now, then)
    rows = [
        Comparison(name, figures.at(name, CONFIDENCE), figures.absent.get(name, ""))
        for name, metric in METRICS.items()
        if metric.against == "baseline"
    ]
    return [row for row in rows if row.measurement or row.why]  # of the model's own task
