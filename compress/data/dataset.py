"""A recipe's rows for training and judging: loaded, checked, split and hashed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from compress.data.reading import RawTable, read_table
from compress.data.rows import Record, Rows, RowTask, repeated, shared_rows
from compress.data.splitting import split_rows
from runtimes.digest import stable_hash
from runtimes.errors import DataError


@dataclass(frozen=True, slots=True)
class Dataset:
    """Hold the splits; `labels[i]` names output `i` of a model, such as class `i` of a classifier.

    `duplicates` counts texts that are in more than one split, `dropped` counts rows that were left
    out because they have no text or label.
    """

    labels: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    unlabeled: tuple[Any, ...]
    digest: str
    warnings: tuple[str, ...] = ()
    duplicates: int = 0
    dropped: int = 0

    def relabeled(self, labels: tuple[str, ...], targets_of: Callable[[str, Rows], Any]) -> Dataset:
        """Return the data with these outputs; `targets_of` returns a split's targets for them."""

        def relabeled(name: str, rows: Rows) -> Rows:
            return Rows(rows.inputs, tuple(targets_of(name, rows)))

        return dataclasses.replace(
            self,
            labels=labels,
            train=relabeled("train", self.train),
            validation=relabeled("validation", self.validation),
            test=relabeled("test", self.test),
        )


def no_rows(labels: tuple[str, ...]) -> Dataset:
    """Return a data set with these outputs and no rows, for a stage that needs none."""
    empty = Rows((), ())
    return Dataset(labels, empty, empty, empty, (), "")


class DataSettings(BaseModel):
    """Hold the recipe's [data]: where the rows are and how they are split.

    Files are csv, jsonl or parquet; anything else is a `datasets` id. Missing splits are taken from
    train: `validation_share` and `test_share` of it, stratified by label, or by whole groups where
    `group` names a column. `on_empty = "drop"` leaves out rows without text or label; otherwise
    they are an error. File names are relative to `folder`, which is relative to the recipe;
    `origin` says in error messages where to get the files.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    unlabeled: tuple[str, ...] = ()
    text: str = "text"
    text_pair: str = "text_pair"
    label: str = "label"
    group: str | None = None
    validation_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.15
    on_empty: Literal["error", "drop"] = "error"
    folder: str = "."
    origin: str | None = None

    @field_validator("train", "validation", "test", "unlabeled", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        if isinstance(value, list):
            return tuple(value)  # JSON's lists reach a strict validator as lists
        return (value,) if isinstance(value, str) else value

    @field_validator("train", "validation", "test", "unlabeled")
    @classmethod
    def _named(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if any(not name.strip() for name in names):
            raise ValueError("an empty text names no file")
        return names

    @model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> Self:
        taken = 0.0 if self.validation else self.validation_share
        taken += 0.0 if self.test else self.test_share
        if taken >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        return self


def load_dataset(settings: DataSettings, folder: Path, seed: int, task: RowTask) -> Dataset:
    """Load and check every split; paths are relative to `folder`.

    Raises DataError for a missing or empty file, an unknown column, empty inputs or targets, and
    rows that the task cannot learn or be judged on.
    """
    apart = _is_unlabeled(settings, task)
    read = _Reader(settings, folder, task)
    train, validation, test = (
        read.split(names) for names in (settings.train, settings.validation, settings.test)
    )
    unlabeled = read.distinct(settings.unlabeled)
    if apart:
        train, unlabeled = [Record(value, None) for value in unlabeled], ()
    task.check(train, settings)
    if not settings.test:
        train, test = _split_off("test", train, settings.test_share, seed, task)
    if not settings.validation:
        share = settings.validation_share / (1 - (0 if settings.test else settings.test_share))
        train, validation = _split_off("validation", train, share, seed + 1, task)
    return _assemble(train, validation, test, unlabeled, read, task)


def _is_unlabeled(settings: DataSettings, task: RowTask) -> bool:
    """Tell whether the unlabeled texts are all that is learned; raise DataError without any."""
    if settings.train:
        return False
    if getattr(task, "learns_unlabeled", False):
        if settings.unlabeled and settings.validation and settings.test:
            return True
        expected = 'train = "train.csv", or unlabeled, validation and test'
    else:
        expected = 'train = "train.csv"'
    raise DataError(
        "[data] train names no file", expected=expected, action="name the file of labeled rows"
    )


def _split_off(
    name: str, rows: list[Record], share: float, seed: int, task: RowTask
) -> tuple[list[Record], list[Record]]:
    rest, part = split_rows(rows, share, seed, task.stratum)
    if not part:
        raise DataError(
            f"no {name} rows can be split off {len(rows)} rows",
            expected="two rows of a class, or two groups that hold it",
            action=f'add rows, use finer groups, or name a file: {name} = "{name}.csv"',
        )
    return rest, part


def load_labeled(
    settings: DataSettings, folder: Path, labels: tuple[str, ...], task: RowTask
) -> tuple[Rows, list[str]]:
    """Load `settings.test` for a model with these outputs; return its rows and warnings.

    Raises DataError as `load_dataset` does.
    """
    read = _Reader(settings, folder, task)
    records = task.named(read.split(settings.test), labels)
    return task.rows("test", records, labels), read.warnings


def load_inputs(settings: DataSettings, folder: Path, task: RowTask) -> Rows:
    """Load the inputs of `settings.test` without their targets."""
    return Rows(_Reader(settings, folder, task).inputs(settings.test), ())


class _Reader:
    """Read the files of a recipe and collect warnings."""

    def __init__(self, settings: DataSettings, folder: Path, task: RowTask) -> None:
        self._settings = settings
        self._folder = folder / Path(settings.folder).expanduser()
        self._task = task
        self._columns = task.input_columns(settings)
        self.warnings: list[str] = []
        self.dropped = 0

    def split(self, names: Sequence[str]) -> list[Record]:
        self._check_once(names)
        targets = self._task.target_columns(self._settings)
        group = (self._settings.group,) if self._settings.group else ()
        first, last = len(self._columns), len(self._columns) + len(targets)
        return [
            self._record(row[:first], row[first:last], *row[last:])
            for name in names
            for row in self._rows(name, (*self._columns, *targets, *group))
        ]

    def _record(self, cells: Sequence[Any], given: Sequence[Any], group: Any = None) -> Record:
        target = self._task.target(given)
        return Record(self._task.input(cells), target, group or self._task.unit(target))

    def inputs(self, names: Sequence[str]) -> tuple[Any, ...]:
        self._check_once(names)
        return tuple(
            self._task.input(row) for name in names for row in self._rows(name, self._columns)
        )

    def _check_once(self, names: Sequence[str]) -> None:
        """Raise DataError for a file that is named twice, in any spelling."""
        known: dict[Path | str, str] = {}
        for name in names:
            path = self._folder / Path(name).expanduser()
            place = path.resolve() if path.exists() else name
            if place in known:
                raise DataError(
                    f"{name}: the same rows as {known[place]}, which would count twice",
                    expected="every file once",
                    action="name it once",
                )
            known[place] = name

    def distinct(self, names: Sequence[str]) -> tuple[Any, ...]:
        """Return the distinct inputs, each at its first place."""
        values: dict[str, Any] = {}
        for value in self.inputs(names):
            values.setdefault(json.dumps(value), value)
        return tuple(values.values())

    def _rows(self, name: str, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
        origin = self._settings.origin
        table = read_table(name, self._folder, columns, origin, self._task.cell)
        whole = [row for row in table.rows if not any(map(_is_blank, row))]
        missing = len(table.rows) - len(whole)
        if missing and self._settings.on_empty == "error":
            raise _empty_rows(table, columns)
        if missing:
            self.dropped += missing
            self.warnings.append(f"{name}: rows without text or label left out: {missing}")
        if not whole:
            raise DataError(
                f"{name}: every row lacks {' or '.join(columns)}",
                expected=f"rows with {' and '.join(columns)}",
                action="name another file, or other columns",
            )
        return whole


def _empty_rows(table: RawTable, columns: tuple[str, ...]) -> DataError:
    places = [
        f"line {table.lines[index]} ({', '.join(_blank(row, columns))})"
        for index, row in enumerate(table.rows)
        if any(map(_is_blank, row))
    ]
    return DataError(
        f"{table.name}: rows without a value ({len(places)}): {'; '.join(places[:5])}",
        expected="text and label in every row",
        action='correct them, or set on_empty = "drop" under [data]',
    )


def _blank(row: tuple[Any, ...], columns: tuple[str, ...]) -> list[str]:
    return [column for column, value in zip(columns, row, strict=True) if _is_blank(value)]


def _is_blank(value: Any) -> bool:
    return not value.strip() if isinstance(value, str) else value in (None, [], {})


def _assemble(
    train: Sequence[Record],
    validation: Sequence[Record],
    test: Sequence[Record],
    unlabeled: tuple[Any, ...],
    read: _Reader,
    task: RowTask,
) -> Dataset:
    labels = task.labels(train)
    named = {"train": train, "validation": validation, "test": test}
    splits = [task.rows(name, rows, labels) for name, rows in named.items()]
    warnings = [*read.warnings, *shared_rows(**named), *task.weaknesses(**named)]
    content = [[rows.inputs, rows.targets] for rows in splits]
    return Dataset(
        labels=labels,
        train=splits[0],
        validation=splits[1],
        test=splits[2],
        unlabeled=unlabeled,
        digest=stable_hash([labels, content, unlabeled]),
        warnings=tuple(warnings),
        duplicates=repeated(train, validation, test),
        dropped=read.dropped,
    )
