"""How a change to a model changes its answers: the one comparison, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from compress.tasks import Answer, Task
from profiles.paired import Paired


@dataclass(frozen=True, slots=True)
class Effect:
    """Hold how a change affects answers: `kl` is the mean divergence from the source in nats.

    `agreement` is the share of rows with the same decision. `scores` pairs the rows' scores of the
    changed model (the candidate) and its source (the reference), where targets are known.
    """

    kl: float
    agreement: float
    scores: Paired | None = None

    @property
    def score(self) -> float | None:
        """Return the changed model's score, where targets are known."""
        return None if self.scores is None else self.scores.candidate.metric


def compared(
    task: Task,
    reference: Sequence[Answer],
    answers: Sequence[Answer],
    targets: Sequence[Any] = (),
    labels: tuple[str, ...] = (),
) -> Effect:
    """Return how far answers are from the reference's answers to the same rows."""
    return Effect(
        kl=float(task.divergence(reference, answers).mean()),
        agreement=float(task.agrees(reference, answers).mean()),
        scores=paired(task, reference, answers, targets, labels) if targets else None,
    )


def paired(
    task: Task,
    reference: Sequence[Answer],
    answers: Sequence[Answer],
    targets: Sequence[Any],
    labels: tuple[str, ...],
) -> Paired:
    """Return the rows' scores by the candidate's answers and by the reference's."""
    return Paired(task.score(answers, targets, labels), task.score(reference, targets, labels))
