"""The rows that a student learns from: labelled, unlabelled, and disturbed copies in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.data.dataset import Dataset
from compress.distill.augment import augmented
from compress.distill.losses import UNLABELLED
from compress.distill.teacher_logits import teacher_logits
from compress.stage import RunContext
from runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Hold the texts of every epoch, and disturbed copies of which each epoch takes one."""

    own: tuple[str, ...]
    copies: tuple[tuple[str, ...], ...]
    labels: NDArray[np.int64]

    @classmethod
    def of(cls, data: Dataset, augment: int) -> TrainingRows:
        """Return a data set's training rows, its unlabelled text and `augment` copies.

        The copies are the same for every seed of a training: the teacher answers them once.
        """
        own = (*data.train.inputs, *data.unlabeled)
        copies = tuple(augmented(data.train.inputs, copy) for copy in range(augment))
        labels = np.full(len(own) + sum(map(len, copies)), UNLABELLED, dtype=np.int64)
        labels[: len(data.train)] = data.train.targets
        return cls(own, copies, labels)

    @property
    def texts(self) -> tuple[str, ...]:
        """Return all texts: the epochs' own, then copy after copy."""
        return sum(self.copies, self.own)

    def teacher_logits(self, teacher: Artifact, context: RunContext) -> NDArray[np.float32]:
        """Return the teacher's logits of all texts; each copy's are kept by themselves."""
        parts = [teacher_logits(teacher, part, context) for part in (self.own, *self.copies)]
        return np.concatenate(parts)

    def of_epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return the places of the rows of an epoch, counted from 0."""
        rows = np.arange(len(self.own))
        if not self.copies:
            return rows
        turn = epoch % len(self.copies)
        start = len(self.own) + sum(map(len, self.copies[:turn]))
        return np.concatenate([rows, start + np.arange(len(self.copies[turn]))])
