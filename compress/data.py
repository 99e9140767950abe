"""The rows that a recipe trains and judges on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold texts and, for labelled rows, the class index of each."""

    texts: tuple[str, ...]
    labels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Hold the splits; `labels[i]` names class `i`, in sorted order."""

    labels: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    unlabeled: tuple[str, ...]
    digest: str
    warnings: tuple[str, ...] = ()
