"""Scores of rows with several labels: micro and macro F1, average precision, recall by label.

Answers are logits whose threshold is 0; `wanted` has 1 where a row has a label. Both have shape
(rows, labels).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.tasks.classes import ClassCost, worst_first
from profiles.class_retention import ClassCounts
from profiles.scores import RowScores

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def chosen(answers: Sequence[NDArray[np.float32]]) -> Flags:
    """Return which labels are answered, (rows, labels)."""
    return np.asarray(answers) > 0


def hot(targets: Sequence[Any], labels: int) -> Flags:
    """Return targets, lists of label numbers, as (rows, labels)."""
    wanted = np.zeros((len(targets), labels), dtype=np.bool_)
    for row, places in enumerate(targets):
        wanted[row, places] = True
    return wanted


def f1_rows(said: Flags, wanted: Flags) -> RowScores:
    """Return 2 TP of 2 TP + FP + FN for each row: their metric is micro F1.

    A row without labels that is given none weighs nothing.
    """
    return RowScores(2 * (said & wanted).sum(axis=1), said.sum(axis=1) + wanted.sum(axis=1))


def f1_macro_of(said: Flags, wanted: Flags, drawn: Floats) -> Floats:
    """Return the mean F1 of the labels that occur, (resamples,).

    `drawn` (resamples, rows) says how often each row counts.
    """
    present = (said | wanted).any(axis=0)
    hits = drawn @ (said & wanted)[:, present].astype(float)
    support = drawn @ (said[:, present].astype(float) + wanted[:, present])
    mean: Floats = (2 * hits / np.maximum(support, 1)).mean(axis=1)
    return mean


def mean_average_precision_of(logits: Floats, wanted: Flags, drawn: Floats) -> Floats:
    """Return the mean, over labels that occur, of the average precision of rows, (resamples,).

    AP = Σ (Rₙ − Rₙ₋₁) Pₙ over distinct logits, without interpolation, as scikit-learn's
    average_precision_score. `drawn` (resamples, rows) says how often each row counts.
    """
    present = np.flatnonzero(wanted.any(axis=0))
    each = [_average_precision(logits[:, k], wanted[:, k], drawn) for k in present]
    mean: Floats = np.mean(each, axis=0)
    return mean


def _average_precision(logits: Floats, wanted: Flags, drawn: Floats) -> Floats:
    order = np.argsort(-logits, kind="stable")
    ranked, counts = logits[order], drawn[:, order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # of rows with equal logits
    seen = np.cumsum(counts, axis=1)[:, last]
    hits = np.cumsum(counts * wanted[order], axis=1)[:, last]
    gained = np.diff(hits, prepend=0, axis=1) / np.maximum(hits[:, -1:], 1)
    found: Floats = (gained * hits / np.maximum(seen, 1)).sum(axis=1)
    return found


def label_costs(
    said: Flags, reference: Flags, wanted: Flags, labels: tuple[str, ...]
) -> tuple[ClassCost, ...]:
    """Return what each label keeps of the reference's recall, the one that keeps least first.

    A row that has the label counts once for it. `taken_for` counts the labels that the rows whose
    label was lost are given without having them, or "none".
    """
    costs = []
    for place in np.flatnonzero(wanted.any(axis=0)).tolist():
        has = wanted[:, place]
        mine, theirs = said[has, place], reference[has, place]
        counts = ClassCounts(
            place,
            int((mine & theirs).sum()),
            int((mine & ~theirs).sum()),
            int((theirs & ~mine).sum()),
            int(has.sum()),
        )
        lost = np.flatnonzero(has)[theirs & ~mine]
        costs.append(ClassCost(labels[place], counts, _instead(lost, said & ~wanted, labels)))
    return tuple(sorted(costs, key=worst_first))


def _instead(lost: NDArray[np.int64], wrong: Flags, labels: tuple[str, ...]) -> dict[str, int]:
    names: Counter[str] = Counter()
    for row in lost.tolist():
        names.update([labels[place] for place in np.flatnonzero(wrong[row])] or ["none"])
    return dict(names.most_common())
