"""Every figure of a model, from its samples and its answers, measured now or read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from compress.answers import Answers
from compress.tasks import own_metrics, task_of
from profiles.budget import METRICS, renamed
from profiles.device import DeviceProfile
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


def for_task(profile: DeviceProfile, task: str) -> DeviceProfile:
    """Return a profile whose budgets on accuracy limit the score of this task."""
    names = own_metrics(task_of(task))
    if not names:
        return profile
    return profile.model_copy(update={"budgets": renamed(profile.budgets, names)})


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
    if samples.fault:
        figures |= Figures({}, source, dict.fromkeys(METRICS, _why(samples)))
    return figures


class Faults(TypedDict):
    """Say why a verdict cannot be a PASS, as `Circumstances` takes it; empty where nothing does.

    `memory_limit` is what held the judged model to its memory.
    """

    fault: str
    unsound: str
    out_of_memory: str
    memory_limit: str


def faults_of(judged: Samples, reference: Samples | None) -> Faults:
    """Return what is wrong with the judged model, or else with the reference beside it."""
    said = _why(judged) if judged.fault else ""
    none: Faults = {
        "fault": "",
        "unsound": "",
        "out_of_memory": "",
        "memory_limit": judged.memory_limit,
    }
    if judged.out_of_memory:
        return {**none, "out_of_memory": said}
    if judged.unsound:
        return {**none, "unsound": said}
    if not said and reference is not None and reference.fault:
        said = f"the reference: {_why(reference)}"
    return {**none, "fault": said}


def _why(samples: Samples) -> str:
    first = samples.fault.splitlines()[0]
    if samples.out_of_memory:
        peak = max(samples.rss_peak_mb, default=None)
        return f"{first}; {'peak not shown' if peak is None else f'peak {peak:.1f} MB'}"
    return first if samples.unsound else f"the process failed: {first}"


def _exact(figures: Figures) -> Figures:
    """Keep the figures that need no process, such as sizes."""
    kept = {name: known for name, known in figures.sums.items() if isinstance(known, Interval)}
    return Figures(kept, figures.source)
