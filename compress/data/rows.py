"""Rows as they were read and as they are trained on, with warnings about them."""

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
    """Hold one row as it was read; rows of a group always stay in the same split.

    `input` and `target` are JSON values; the task defines their form.
    """

    input: Any
    target: Any
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold a model's inputs and, for labeled rows, the expected answers.

    Both are JSON values of the task: a text and a class index for text classification.
    """

    inputs: tuple[Any, ...]
    targets: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.inputs)


class RowTask(Protocol):
    """What reading, checking and splitting rows needs from a task.

    The targets of Records are as they were read; those of Rows are as a model learns them. `labels`
    names the outputs of a model, such as classes.
    """

    def input_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns that an input is read from; `settings.text` is the main one."""

    def target_columns(self, settings: DataSettings) -> tuple[str, ...]:
        """Return the columns that a target is read from; `settings.label` is the main one."""

    def cell(self, value: Any, place: str) -> Any:
        """Return a cell's value, "" for a missing one; raise DataError for an unusable one."""

    def input(self, cells: Sequence[Any]) -> Any:
        """Return a row's input, given the cells of its columns."""

    def target(self, cells: Sequence[Any]) -> Any:
        """Return a row's target, given the cells of its columns."""

    def check(self, train: Sequence[Record], settings: DataSettings) -> None:
        """Raise DataError for rows that no model can learn from."""

    def unit(self, target: Any) -> str | None:
        """Return the name of the group of rows that are scored together, None for a row alone.

        Rows of a group stay in one split, unless [data] names another group.
        """

    def stratum(self, record: Record) -> str:
        """Return the stratum of each row: each split gets its share of every stratum."""

    def labels(self, train: Sequence[Record]) -> tuple[str, ...]:
        """Return the names of the outputs of a model that learns these rows."""

    def named(self, records: Sequence[Record], labels: tuple[str, ...]) -> Sequence[Record]:
        """Return rows for a model with these outputs, with the model's names in the targets."""

    def rows(self, split: str, records: Sequence[Record], labels: tuple[str, ...]) -> Rows:
        """Return rows as a model learns them; raise DataError for an unknown target."""

    def weaknesses(
        self, train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
    ) -> list[str]:
        """Return warnings about the splits, one sentence each."""


def shared_rows(
    train: Sequence[Record], validation: Sequence[Record], test: Sequence[Record]
) -> list[str]:
    """Warn of inputs and groups that are in more than one split, one sentence each."""
    splits = {"train": train, "validation": validation, "test": test}
    return [
        *_shared(splits, "texts", lambda row: normal(row.input)),
        *_shared(splits, "groups", lambda row: row.group),
    ]


def repeated(*splits: Sequence[Record]) -> int:
    """Count the inputs that are in more than one split, ignoring case and outer white space."""
    counts = Counter(text for rows in splits for text in {normal(row.input) for row in rows})
    return sum(count > 1 for count in counts.values())


def normal(value: Any) -> str:
    """Return an input without its case and extra white space, for comparison."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return " ".join(text.split()).casefold()


def _shared(
    splits: Mapping[str, Sequence[Record]], what: str, key: Callable[[Record], str | None]
) -> Iterator[str]:
    keys = {name: {key(row) for row in rows} - {None} for name, rows in splits.items()}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        count = len(keys[one] & keys[other])
        if count:
            yield (f"{what} in both {one} and {other}: {count}; figures on them are too good")
