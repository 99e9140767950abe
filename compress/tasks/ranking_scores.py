"""Scores of ranked groups of candidates: nDCG@10, reciprocal rank, and what sizes of groups keep.

Candidates with the same score share their places: a figure is the mean over all their orders.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from compress.tasks.classes import ClassCost, worst_first
from compress.tasks.number_scores import Floats, ranges
from profiles.class_retention import ClassCounts, count_classes
from profiles.scores import RowScores

DEPTH = 10
"""The places that count for nDCG@10."""

Places = NDArray[np.int64]
Statistic = Callable[[Floats, Floats], float]
"""Return a group's figure, given its candidates' scores and relevances."""


def groups_of(names: Sequence[str], relevance: Floats) -> list[Places]:
    """Return the rows of each group in which an order matters, by their first rows.

    A group whose candidates are all equally relevant says nothing of a ranking.
    """
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(names):
        rows[name].append(row)
    found = [np.array(places, dtype=np.int64) for places in rows.values()]
    return [places for places in found if np.ptp(relevance[places]) > 0]


def ndcg(scores: Floats, relevance: Floats) -> float:
    """Return nDCG@10 with the relevance as gain (Järvelin & Kekäläinen 2002).

    Tied candidates share the mean of their gains (McSherry & Najork 2008, section 2.3).
    """
    discounts = 1 / np.log2(np.arange(len(scores)) + 2)
    discounts[DEPTH:] = 0
    ideal = float(np.sort(relevance)[::-1] @ discounts)
    if not ideal:
        return 0.0
    _, tie = np.unique(-scores, return_inverse=True)
    gains = np.bincount(tie, relevance) / np.bincount(tie)
    return float(gains[np.sort(tie)] @ discounts) / ideal


def reciprocal_rank(scores: Floats, relevance: Floats) -> float:
    """Return 1 / the place of the first relevant candidate, the mean over the orders of ties."""
    relevant = relevance > 0
    if not relevant.any():
        return 0.0
    best = scores[relevant].max()
    before, tied = int((scores > best).sum()), int((scores == best).sum())
    first = int((relevant & (scores == best)).sum())
    orders = math.comb(tied, first)
    return sum(
        math.comb(tied - place, first - 1) / orders / (before + place)
        for place in range(1, tied - first + 2)
    )


def group_rows(
    statistic: Statistic, scores: Floats, relevance: Floats, groups: Sequence[Places]
) -> RowScores:
    """Return each group's figure in its first row; the other rows can earn nothing."""
    value, weight = np.zeros(len(scores)), np.zeros(len(scores))
    for places in groups:
        value[places[0]] = statistic(scores[places], relevance[places])
        weight[places[0]] = 1
    return RowScores(value, weight)


def size_counts(
    mine: RowScores, theirs: RowScores, groups: Sequence[Places]
) -> tuple[tuple[ClassCounts, ...], tuple[str, ...]]:
    """Count the groups of each size by which model has a relevant candidate first, with names.

    The sizes are fifths of the groups by their candidates; both scores are reciprocal ranks.
    """
    if not groups:
        return (), ()
    first = np.array([places[0] for places in groups])
    places, names = ranges(np.array([len(places) for places in groups], dtype=np.float64))
    rights = [np.where(one.value[first] == 1, places, -1) for one in (mine, theirs)]
    return count_classes(places, *rights), tuple(f"{name} candidates" for name in names)


def size_costs(
    mine: RowScores, theirs: RowScores, groups: Sequence[Places]
) -> tuple[ClassCost, ...]:
    """Return what each size of group keeps of the reference's right first places, worst first."""
    counts, names = size_counts(mine, theirs, groups)
    return tuple(sorted((ClassCost(names[one.index], one, {}) for one in counts), key=worst_first))
