"""What a linear student learns from: labeled rows, and texts that the teacher answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from compress.distill.rows import TrainingRows
from compress.linear.fit import Weights, fit_svm
from compress.stage import RunContext
from runtimes.artifact import Artifact

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class Examples:
    """Hold texts, the class of each, and how many rows it counts for.

    The `labeled` rows come first. Of another text the class is the teacher's, and its weight the
    probability that the teacher gives it.
    """

    texts: tuple[str, ...]
    targets: NDArray[np.int64]
    counts: NDArray[np.float64]
    labeled: int
    classes: int

    @classmethod
    def of(cls, context: RunContext, teacher: Artifact, augment: int) -> Examples:
        """Return the training rows, the unlabeled text and `augment` copies of the rows."""
        data = context.data
        rows = TrainingRows.of(data, augment)
        labeled = len(data.train.inputs)
        targets, counts = np.array(data.train.targets), np.ones(labeled)
        if len(rows.texts) > labeled:
            answers = np.stack(rows.teacher_answers(teacher, context)[labeled:])
            targets = np.concatenate([targets, answers.argmax(axis=1)])
            counts = np.concatenate([counts, softmax(answers, axis=1).max(axis=1)])
        return cls(rows.texts, targets, counts, labeled, len(teacher.labels))

    def fitted(self, matrix: csr_matrix, regularization: float, seed: int) -> Weights:
        """Return the weights for the texts' n-grams."""
        return fit_svm(matrix, self.targets, self.counts, self.classes, regularization, seed)
