"""Quick linear models of words: what other rows say of each label, and what more rows would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from compress.data.rows import Rows
from compress.linear.features import Columns, NGrams
from compress.linear.fit import Weights, calibrated, fit_svm
from profiles.scores import RowScores

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Classes = NDArray[np.int64]
_WORDS = NGrams(word=2, shortest=1, longest=0)
_LEAST_COUNT = 1
_REGULARIZATION = 0.3
"""The middle one of those that a linear student tries."""
_FOLDS = 4
Probabilities = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """Hold the scores of a linear model on the same unseen rows: of half of the rows, and of all.

    What the last doubling brought is about the most that the next one brings.
    """

    half: RowScores
    whole: RowScores

    @property
    def gain(self) -> float:
        """Return the accuracy that the last doubling of the rows brought."""
        return self.whole.metric - self.half.metric

    @property
    def least_gain(self) -> float:
        """Return its lower bound, at 95 %: 1.645 standard errors of the rows' differences."""
        change = self.whole.value - self.half.value
        return float(change.mean() - 1.645 * change.std() / np.sqrt(len(change)))


def out_of_fold(rows: Rows, classes: int, seed: int) -> tuple[Probabilities, Curve]:
    """Return what models that did not learn a row say of it, and a learning curve.

    The probabilities have shape (rows, classes). Equal texts share a fold, so that no model has
    learned the text that it is asked about.
    """
    texts, targets = list(rows.inputs), np.array(rows.targets)
    folds = _folds(texts, seed)
    matrix = Columns.of(texts, _WORDS, _LEAST_COUNT).matrix(texts)
    answers = np.zeros((len(texts), classes))
    curve: Curve | None = None
    for fold in range(_FOLDS):
        asked, learned = folds == fold, np.flatnonzero(folds != fold)
        fitted = _fit(matrix, targets, learned, classes, seed)
        answers[asked] = fitted.answers(matrix[asked])
        if curve is None:
            half = np.random.default_rng(seed).permutation(learned)[: len(learned) // 2]
            fewer = _fit(matrix, targets, half, classes, seed)
            curve = Curve(
                _right(fewer, matrix[asked], targets[asked]),
                _right(fitted, matrix[asked], targets[asked]),
            )
    assert curve is not None  # there is a fold at least
    _, factor = calibrated(Weights(np.eye(classes), np.zeros(classes)), answers, targets)
    probabilities: Probabilities = softmax(answers * factor, axis=1)
    return probabilities, curve


def _folds(texts: list[str], seed: int) -> NDArray[np.int64]:
    places = {text: place for place, text in enumerate(dict.fromkeys(texts))}
    drawn: NDArray[np.int64] = np.random.default_rng(seed).permutation(len(places)) % _FOLDS
    return drawn[[places[text] for text in texts]]


def _fit(
    matrix: csr_matrix, targets: Classes, rows: NDArray[np.int64], classes: int, seed: int
) -> Weights:
    counts = np.ones(len(rows))
    return fit_svm(matrix[rows], targets[rows], counts, classes, _REGULARIZATION, seed)


def _right(weights: Weights, matrix: csr_matrix, targets: Classes) -> RowScores:
    return RowScores.right(weights.answers(matrix).argmax(axis=1) == targets)
