"""Labels that the teacher and cross-validated linear models surely contradict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compress.advising.bags import Probabilities

_LEARNED = 0.98
"""A teacher that is right on more of its training rows has learned their labels, right or wrong:
its silence about a label says nothing then."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """Name a row whose label is probably wrong, and the class that it probably has."""

    row: int
    suggested: int
    doubt: float


def sure_of(probabilities: Probabilities, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the class that each row surely has, -1 where no class is sure.

    A class is sure where its probability is at least the mean of its probability on the rows that
    have its label (confident learning: Northcutt, Jiang & Chuang 2021, JAIR 70, section 3.1).
    """
    rows, classes = probabilities.shape
    limits = np.full(classes, np.inf)
    for label in np.unique(labels):
        limits[label] = probabilities[labels == label, label].mean()
    over = np.where(probabilities >= limits, probabilities, -1.0)
    best: NDArray[np.int64] = over.argmax(axis=1)
    return np.where(over[np.arange(rows), best] < 0, -1, best)


def disputed(linear: Probabilities, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the rows that the linear models answer differently: the teacher is asked for these."""
    return np.flatnonzero(linear.argmax(axis=1) != labels)


def suspects(
    linear: Probabilities,
    labels: NDArray[np.int64],
    asked: NDArray[np.int64],
    teacher: Probabilities,
    unseen_errors: float,
) -> list[Suspect]:
    """Return the suspects, the most doubtful first.

    `teacher` holds the teacher's probabilities of the rows `asked`. A row is a suspect where the
    teacher answers another class than the label, and the linear models surely do, or give the
    teacher's class as much as the label. Where the teacher has learned nearly every label of these
    rows, the linear models' word is taken alone; but labels that it learned wrongly make it err on
    unseen rows, so no larger share than its `unseen_errors` there is listed.
    """
    sure, given = sure_of(linear, labels), labels[asked]
    says = teacher.argmax(axis=1)
    learned = 1 - (says != given).sum() / max(len(labels), 1) > _LEARNED
    mine, rows = linear[asked], np.arange(len(asked))
    other = (sure[asked] >= 0) & (sure[asked] != given)
    theirs = (says != given) & (other | (mine[rows, says] >= mine[rows, given]))
    taken = other if learned else theirs
    doubt = (mine[rows, given] + (0 if learned else teacher[rows, given])) / (1 if learned else 2)
    best = np.where(says != given, says, sure[asked])
    found = [Suspect(int(asked[i]), int(best[i]), float(1 - doubt[i])) for i in rows[taken]]
    most = int(unseen_errors * len(labels)) if learned else len(found)
    return sorted(found, key=lambda suspect: (-suspect.doubt, suspect.row))[:most]
