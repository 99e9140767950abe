"""The logit from which a text has a label: chosen on validation rows for the best micro F1.

One threshold for all labels, or one a label where that is better on rows that it was not chosen
on. They are subtracted from the last layer's bias, so they go with the model through every stage,
and each later decision is a logit above 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_FOLDS = 5
_FEWEST = 10
"""A label with fewer validation rows takes the threshold of all: its own would be of chance."""


def choose(logits: Floats, wanted: Flags) -> Floats:
    """Return the thresholds, (labels,); all are equal where that is better on held-out rows.

    Both arguments have shape (rows, labels). Rows are held out in folds (cross-validation); of two
    that are as good, one threshold for all is chosen.
    """
    held = {one: np.zeros(wanted.shape, dtype=bool) for one in (single, each)}
    folds = np.arange(len(logits)) % _FOLDS
    for fold in np.unique(folds) if len(logits) >= 2 * _FOLDS else ():
        out = folds == fold
        for rule, said in held.items():
            said[out] = logits[out] > rule(logits[~out], wanted[~out])
    better = micro_f1(held[each], wanted) > micro_f1(held[single], wanted)
    return (each if better else single)(logits, wanted)


def single(logits: Floats, wanted: Flags) -> Floats:
    """Return the one threshold with the best micro F1, repeated for each label."""
    return np.full(logits.shape[1], _best(logits.ravel(), wanted.ravel()))


def each(logits: Floats, wanted: Flags) -> Floats:
    """Return each label's threshold; one with few rows takes the threshold of all.

    The best micro F1 is that of the thresholds which give each label its best share of
    2 TP − F · (answered), where F is the micro F1 itself: it is approached in a few rounds
    (Dinkelbach 1967, Management Science 13).
    """
    common = single(logits, wanted)
    often = np.flatnonzero(wanted.sum(axis=0) >= _FEWEST)
    thresholds = common.copy()
    for _ in range(_FOLDS):
        level = micro_f1(logits > thresholds, wanted)
        for place in often:
            thresholds[place] = _best(logits[:, place], wanted[:, place], level)
    return thresholds


def micro_f1(said: Flags, wanted: Flags) -> float:
    """Return 2 TP / (2 TP + FP + FN) of all rows and labels together."""
    support = float(said.sum() + wanted.sum())
    return 2 * float((said & wanted).sum()) / support if support else 0.0


def _best(logits: Floats, wanted: Flags, level: float | None = None) -> float:
    """Return the threshold with the best F1 or, at a `level`, the best 2 TP − level · answered.

    It lies half-way between two logits. Without anything to find, it stays 0.
    """
    if not wanted.any():
        return 0.0
    order = np.argsort(-logits, kind="stable")
    ranked, hits = logits[order], np.cumsum(wanted[order])
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    answered, right = ends + 1, hits[ends]
    f1 = 2 * right / (answered + wanted.sum())
    worth = f1 if level is None else 2 * right - level * answered
    end = ends[int(worth.argmax())]
    following = ranked[end + 1] if end + 1 < len(ranked) else ranked[end] - 1.0
    return float((ranked[end] + following) / 2)
