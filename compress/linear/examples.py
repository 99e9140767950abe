"""What a linear student learns from: labeled rows, and texts that the teacher answered."""

from __future__ import annotations

from collections.abc import Sequence
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
    probability that the teacher gives it. `origins` is the labeled row that a text is a copy of,
    -1 for none.
    """

    texts: tuple[str, ...]
    targets: NDArray[np.int64]
    counts: NDArray[np.float64]
    origins: NDArray[np.int64]
    labeled: int
    classes: int

    @classmethod
    def of(cls, context: RunContext, teacher: Artifact, augment: int) -> Examples:
        """Return the training rows, the unlabeled text and `augment` copies of the rows."""
        data = context.data
        rows = TrainingRows.of(data, augment, teacher)
        labeled = len(data.train.inputs)
        targets, counts = np.array(data.train.targets), np.ones(labeled)
        if len(rows.texts) > labeled:
            answers = np.stack(rows.teacher_answers(teacher, context)[labeled:])
            targets = np.concatenate([targets, answers.argmax(axis=1)])
            counts = np.concatenate([counts, softmax(answers, axis=1).max(axis=1)])
        own = np.arange(labeled)
        none = np.full(len(data.unlabeled), -1)
        origins = np.concatenate([own, none, *[own] * len(rows.copies)])
        return cls(rows.texts, targets, counts, origins, labeled, len(teacher.labels))

    def apart_from(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return the places of the texts that are none of these, and no copies of them."""
        taken = frozenset(texts)
        own = np.array([text in taken for text in self.texts[: self.labeled]], dtype=bool)
        return np.flatnonzero(~np.append(own, False)[self.origins])

    def fitted(
        self,
        matrix: csr_matrix,
        regularization: float,
        seed: int,
        places: NDArray[np.int64] | slice = slice(None),
    ) -> Weights:
        """Return the weights for the n-grams of the texts, or of those at some places."""
        targets, counts = self.targets[places], self.counts[places]
        return fit_svm(matrix[places], targets, counts, self.classes, regularization, seed)
