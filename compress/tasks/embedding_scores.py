"""Scores of vectors: each row is a query, the other rows of its split are what is searched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.scores import RowScores

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

TOP = 10
_CHUNK = 1024
_MOST_PARTNERS = 512


@dataclass(frozen=True, slots=True)
class Found:
    """Hold each row's nearest other rows, the nearest first, and how many rows share its label.

    `nearest` (rows, at most TOP) are row numbers, `labels` (rows,) label numbers, `relevant`
    (rows,) counts of other rows with the same label.
    """

    nearest: Indices
    labels: Indices
    relevant: Indices

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Tell which of the nearest rows have the query's label."""
        hits: NDArray[np.bool_] = self.labels[self.nearest] == self.labels[:, None]
        return hits

    @property
    def predicted(self) -> Indices:
        """Return the label of each row's nearest row."""
        predicted: Indices = self.labels[self.nearest[:, 0]]
        return predicted

    def nearest_right(self) -> RowScores:
        """Return 1 for each row whose nearest row has its label; a label's only row has no say."""
        return RowScores(self.hits[:, 0].astype(np.float64), self._counted)

    def recall(self) -> RowScores:
        """Return which share of the relevant rows is among the TOP nearest."""
        return RowScores(self.hits.sum(axis=1) / np.maximum(self.relevant, 1), self._counted)

    def ndcg(self) -> RowScores:
        """Return nDCG at TOP with binary relevance (Järvelin & Kekäläinen 2002, TOIS 20)."""
        discounts = 1 / np.log2(np.arange(self.nearest.shape[1]) + 2)
        best = np.concatenate([[0.0], np.cumsum(discounts)])
        ideal = best[np.minimum(self.relevant, len(discounts))]
        gained = (self.hits * discounts).sum(axis=1)
        return RowScores(gained / np.maximum(ideal, discounts[0]), self._counted)

    @property
    def _counted(self) -> Floats:
        return (self.relevant > 0).astype(np.float64)


def label_numbers(targets: Sequence[str]) -> tuple[Indices, tuple[str, ...]]:
    """Return each row's label as a number, and the labels' names in sorted order."""
    names, numbers = np.unique(np.asarray(targets, dtype=str), return_inverse=True)
    return numbers.astype(np.int64), tuple(map(str, names))


def search(vectors: Vectors, targets: Sequence[str]) -> Found:
    """Search each row's nearest other rows by cosine; of equally near ones, the first."""
    labels, _ = label_numbers(targets)
    counts = np.bincount(labels)
    top = min(TOP, len(vectors) - 1)
    nearest = np.zeros((len(vectors), top), dtype=np.int64)
    for rows, similar in _similarities(vectors):
        similar[np.arange(len(rows)), rows] = -np.inf
        nearest[rows] = np.argsort(-similar, axis=1, kind="stable")[:, :top]
    return Found(nearest, labels, counts[labels] - 1)


def similarity_spearman(one: Vectors, other: Vectors) -> Floats:
    """Return for each row the rank correlation of its similarities in two models, shape (rows,).

    Each row is compared with the same partners in both, 512 at most, evenly spread over the rows.
    """
    count = len(one)
    steps = np.unique(np.linspace(1, count - 1, min(count - 1, _MOST_PARTNERS)).astype(np.int64))
    found = np.zeros(count)
    pairs = zip(_similarities(one), _similarities(other), strict=True)
    for (rows, mine), (_, theirs) in pairs:
        partners = (rows[:, None] + steps) % count
        a, b = (_ranks(np.take_along_axis(block, partners, 1)) for block in (mine, theirs))
        spread = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
        found[rows] = (a * b).sum(axis=1) / np.maximum(spread, np.finfo(float).tiny)
    return found


def cosines(one: Vectors, other: Vectors) -> Floats:
    """Return each row's cosine with the same row of another model, shape (rows,)."""
    return np.asarray((unit(one) * unit(other)).sum(axis=1), dtype=np.float64)


def unit(vectors: Vectors) -> Vectors:
    """Return vectors of length 1; a vector of zeros stays one."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled: Vectors = vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
    return scaled


def int8_vectors(vectors: Vectors) -> Vectors:
    """Return vectors rounded to 8 bits, each with a scale of its own, which no cosine sees."""
    largest = np.abs(vectors).max(axis=1, keepdims=True)
    rounded: Vectors = np.round(vectors / np.maximum(largest, np.finfo(np.float32).tiny) * 127)
    return rounded


def binary_vectors(vectors: Vectors) -> Vectors:
    """Return the signs of vectors: their cosine falls as the Hamming distance of the bits rises."""
    return np.where(vectors > 0, np.float32(1), np.float32(-1))


STORED: dict[str, Callable[[Vectors], Vectors]] = {
    "int8": int8_vectors,
    "binary": binary_vectors,
}
"""How vectors may be stored in fewer bits, by name."""


def _similarities(vectors: Vectors) -> Iterator[tuple[Indices, NDArray[np.float32]]]:
    """Yield row numbers, and the cosines of these rows with all rows."""
    scaled = unit(vectors)
    for start in range(0, len(scaled), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(scaled)))
        yield rows, scaled[rows] @ scaled.T


def _ranks(values: NDArray[np.float32]) -> Floats:
    """Return each row's ranks around 0; the order of equal values is that of their places."""
    ranks = np.argsort(np.argsort(values, axis=1, kind="stable"), axis=1).astype(np.float64)
    centred: Floats = ranks - (values.shape[1] - 1) / 2
    return centred
