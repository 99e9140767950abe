"""The rows that a student learns from: labeled, unlabeled, and augmented copies in turn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.answers import Answers
from compress.data.dataset import Dataset
from compress.distill.augment import augmented, words_of
from compress.distill.similar_words import similar_words
from compress.distill.teacher_answers import teacher_answers
from compress.stage import RunContext
from runtimes.artifact import Artifact


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """Hold the texts of every epoch, and augmented copies, of which each epoch takes one.

    `targets` holds one target for each of all texts, None for unlabeled ones.
    """

    own: tuple[Any, ...]
    copies: tuple[tuple[Any, ...], ...]
    targets: tuple[Any, ...]

    @classmethod
    def of(cls, data: Dataset, augment: int, teacher: Artifact) -> TrainingRows:
        """Return a data set's training rows, its unlabeled text and `augment` copies.

        The copies are the same for every training seed, so the teacher answers them once. Words in
        them that are similar to those of the rows are similar to this teacher.
        """
        rows = data.train.inputs
        own = (*rows, *data.unlabeled)
        similar = similar_words(teacher, words_of(rows)) if augment else {}
        copies = tuple(augmented(rows, copy, similar) for copy in range(augment))
        unlabeled = len(data.unlabeled) + sum(map(len, copies))
        return cls(own, copies, (*data.train.targets, *[None] * unlabeled))

    @property
    def texts(self) -> tuple[Any, ...]:
        """Return all texts: those of every epoch, then copy after copy."""
        return sum(self.copies, self.own)

    def teacher_answers(self, teacher: Artifact, context: RunContext) -> Answers:
        """Return the teacher's answers to all texts; each copy's answers are cached separately."""
        parts = [teacher_answers(teacher, part, context) for part in (self.own, *self.copies)]
        return [answer for part in parts for answer in part]

    def of_epoch(self, epoch: int) -> NDArray[np.int64]:
        """Return the row indices of an epoch, counted from 0."""
        rows = np.arange(len(self.own))
        if not self.copies:
            return rows
        turn = epoch % len(self.copies)
        start = len(self.own) + sum(map(len, self.copies[:turn]))
        return np.concatenate([rows, start + np.arange(len(self.copies[turn]))])
