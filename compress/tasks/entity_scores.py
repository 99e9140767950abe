"""Scores of entities: seqeval's definition, row by row and type by type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.tasks.classes import ClassCost, worst_first
from compress.tasks.tags import Numbers
from profiles.class_retention import ClassCounts
from profiles.scores import RowScores
from runtimes.tasks.entities import Entity

Logits = Sequence[NDArray[np.float32]]
"""The logits of each row's words, of shape (words, labels)."""


@dataclass(frozen=True, slots=True)
class Found:
    """Count the entities of each row, arrays of shape (rows,): true, predicted, and right.

    A predicted entity is right where a true one has its type, its first and its last word.
    """

    true: NDArray[np.float64]
    predicted: NDArray[np.float64]
    right: NDArray[np.float64]

    @classmethod
    def of(cls, answers: Logits, targets: Sequence[Any], labels: tuple[str, ...]) -> Found:
        """Count the entities in answers and targets."""
        numbers = Numbers(labels)
        counts = np.zeros((3, len(targets)))
        for row, (answer, target) in enumerate(zip(answers, targets, strict=True)):
            true = set(numbers.entities(target))
            said = set(numbers.entities(decided(answer)))
            counts[:, row] = len(true), len(said), len(true & said)
        return cls(*counts)

    @property
    def f1(self) -> RowScores:
        """Return 2 TP of 2 TP + FP + FN for each row."""
        return RowScores(2 * self.right, self.true + self.predicted)

    @property
    def precision(self) -> RowScores:
        """Return TP of TP + FP for each row."""
        return RowScores(self.right, self.predicted)

    @property
    def recall(self) -> RowScores:
        """Return TP of TP + FN for each row."""
        return RowScores(self.right, self.true)


def decided(answer: NDArray[np.float32]) -> list[int]:
    """Return the number of each word's label."""
    chosen: list[int] = answer.argmax(axis=1).tolist()
    return chosen


@dataclass(slots=True)
class _Type:
    both: int = 0
    gained: int = 0
    lost: int = 0
    neither: int = 0
    taken_for: Counter[str] = field(default_factory=Counter)


def type_costs(
    answers: Logits, reference: Logits, targets: Sequence[Any], labels: tuple[str, ...]
) -> tuple[ClassCost, ...]:
    """Return what each type keeps of the reference's recall, the one that keeps least first.

    A true entity takes the place of a row. `taken_for` counts what the lost ones are now: the type
    of an entity that shares a word, or "O".
    """
    numbers = Numbers(labels)
    types = {name: _Type() for name in numbers.types}
    for answer, other, target in zip(answers, reference, targets, strict=True):
        mine, theirs = (numbers.entities(decided(one)) for one in (answer, other))
        for entity in numbers.entities(target):
            counts = types[entity.type]
            kept, known = entity in mine, entity in theirs
            counts.both += kept and known
            counts.gained += kept and not known
            counts.lost += known and not kept
            counts.neither += not known and not kept
            if known and not kept:
                counts.taken_for[_instead(entity, mine)] += 1
    costs = [
        ClassCost(name, _counts(place, types[name]), dict(types[name].taken_for.most_common()))
        for place, name in enumerate(numbers.types)
    ]
    return tuple(sorted((cost for cost in costs if cost.counts.rows), key=worst_first))


def _counts(place: int, one: _Type) -> ClassCounts:
    rows = one.both + one.gained + one.lost + one.neither
    return ClassCounts(place, one.both, one.gained, one.lost, rows)


def _instead(entity: Entity, found: Sequence[Entity]) -> str:
    shared = (one for one in found if one.first <= entity.last and one.last >= entity.first)
    return next((one.type for one in shared), "O")
