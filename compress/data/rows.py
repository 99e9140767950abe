"""Rows as they were read, as they are learned from, and what is weak about them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from compress.data.dataset import DataSettings


@dataclass(frozen=True, slots=True)
class Record:
    """Hold one row as it was read; rows of a group never part when they are split.

    `input` and `target` are JSON values, whose form is the task's.
    """

    input: Any
    target: Any
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold what a model is given and, for labeled rows, what it is to answer.

    Both are JSON values of the task: a text and a class index for text classification.
    """

    inputs: tuple[Any, ...]
    targets: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.inputs)


class RowTask(Protocol):
    """What reading, checking and splitting rows asks of a task.

    Records' targets are as they were read; those of Rows are what is learned. `labels` names the
    outputs of a model, such as classes.
    """

    def input_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns that an input is read from; `settings.text` is the main one."""

    def target_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns that a target is read from; `settings.label` is the main one."""

    def cell(self, value: Any, place: str) -> Any:
        """Return a cell's value, "" where it has none; raise DataError for a foreign one."""

    def input(self, cells: Sequence[Any]) -> Any:
        """Return a row's input, given the cells of its columns."""

    def target(self, cells: Sequence[Any]) -> Any:
        """Return a row's target, given the cells of its columns."""

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for rows that nothing can be learned from."""

    def stratum(self, record: Record) -> str:
        """Name the kind of row that each split is to have its share of."""

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Name the outputs of a model that learns these rows."""

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return rows for a model with these outputs, in its own names."""

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return rows as they are learned; raise DataError for a target that is none of these."""

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Say what makes the figures on these splits less than they seem, a sentence each."""


def shared_rows(
    train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
) -> list[str]:
    """Say which inputs and groups stand in more than one split, a sentence each."""
    splits = {"train": train, "validation": validation, "test": test}
    return [
        *_shared(splits, "texts", lambda row: normal(row.input)),
        *_shared(splits, "groups", lambda row: row.group),
    ]


def repeated(*splits: Sequence[Record]) -> int:
    """Count the inputs that stand in more than one split, case and outer space aside."""
    counts = Counter(text for rows in splits for text in {normal(row.input) for row in rows})
    return sum(count > 1 for count in counts.values())


def normal(value: Any) -> str:
    """Return what two inputs share that differ in case and space alone."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split()).casefold()


def _shared(
    splits: Mapping[str, Sequence[Record]], what: str, key: Callable[[Record], str | None]
) -> Iterator[str]:
    keys = {name: {key(row) for row in rows} - {None} for name, rows in splits.items()}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        count = len(keys[one] & keys[other])
        if count:
            yield (f"{what} in both {one} and {other}: {count}; figures on them flatter the model")
