"""Every figure of a model, from its samples and its answers, measured now or read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compress.answers import Answers
from compress.tasks import task_of
from profiles.budget import METRICS
from profiles.measurement import Figures, Provenance, summarize
from profiles.statistics import Interval
from runtimes.measure import Samples


@dataclass(frozen=True, slots=True)
class Answered:
    """Hold a model's answers to labeled rows, and the reference's, if there is one."""

    task: str
    labels: tuple[str, ...]
    targets: Sequence[Any]
    answers: Answers
    reference: Answers | None


def model_figures(
    samples: Samples,
    beside: Samples | None,
    answered: Answered | None,
    *,
    source: Provenance,
    seed: int,
) -> Figures:
    """Return a model's figures; ratios need the samples of the reference `beside` it.

    A model whose process failed has the figures of its samples, and each absent one says so.
    """
    own = summarize(samples, beside, source=source)
    figures = own if samples.blocks else _exact(own)
    if answered is not None:
        figures |= task_of(answered.task).figures(
            answered.answers,
            answered.targets,
            answered.labels,
            answered.reference,
            seed=seed,
            source=source,
        )
    if fault := samples.fault:
        why = f"the process failed: {fault.splitlines()[0]}"
        figures |= Figures({}, source, dict.fromkeys(METRICS, why))
    return figures


def _exact(figures: Figures) -> Figures:
    """Keep the figures that need no process, such as sizes."""
    kept = {name: known for name, known in figures.sums.items() if isinstance(known, Interval)}
    return Figures(kept, figures.source)
