"""The rows that a recipe trains and judges on: loaded, checked, split and hashed."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from compress.data.reading import Table, read_table
from compress.data.rows import LabelledRow, repeated, weaknesses
from compress.data.splitting import split_rows
from runtimes.errors import DataError
from runtimes.files import stable_hash

MOST_CLASSES = 5_000
"""More than any classifier that fits a device; an id column has more."""

_FRACTION = re.compile(r"-?\d*\.?\d+(e-?\d+)?")


@dataclass(frozen=True, slots=True)
class Rows:
    """Hold what a model is given and, for labelled rows, the class index that it is to answer."""

    inputs: tuple[str, ...]
    targets: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Hold the splits; `labels[i]` names class `i`, in sorted order.

    `duplicates` counts texts that stand in more than one split, `dropped` the rows that were
    left out for want of a text or label.
    """

    labels: tuple[str, ...]
    train: Rows
    validation: Rows
    test: Rows
    unlabeled: tuple[str, ...]
    digest: str
    warnings: tuple[str, ...] = ()
    duplicates: int = 0
    dropped: int = 0


def no_rows(labels: tuple[str, ...]) -> Dataset:
    """Return a data set of these classes without rows, for a stage that needs none."""
    empty = Rows((), ())
    return Dataset(labels, empty, empty, empty, (), "")


class DataSettings(BaseModel):
    """The recipe's [data]: where the rows are and how they are split.

    Files are csv, jsonl or parquet; anything else is a `datasets` id. Splits that are absent
    are taken from train: `validation_share` and `test_share` of it, stratified by label, or by
    whole groups where `group` names a column. `on_empty = "drop"` leaves out rows without text
    or label, which are an error otherwise. Files are below `folder`, which starts at the
    recipe; `origin` says where they come from, to whoever lacks them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: tuple[str, ...]
    validation: tuple[str, ...] = ()
    test: tuple[str, ...] = ()
    unlabeled: tuple[str, ...] = ()
    text: str = "text"
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
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _leave_rows_to_train_on(self) -> Self:
        taken = 0.0 if self.validation else self.validation_share
        taken += 0.0 if self.test else self.test_share
        if taken >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        return self


def load_dataset(settings: DataSettings, folder: Path, seed: int) -> Dataset:
    """Load and check every split; relative paths start at `folder`.

    Raises DataError for a missing or empty file, an unknown column, empty texts, one class
    only, a class with one row, labels that are no classes, or test labels that train lacks.
    """
    if not settings.train:
        raise DataError("[data] train names no file", expected='train = "train.csv"')
    read = _Reader(settings, folder)
    train, validation, test = (
        read.split(names) for names in (settings.train, settings.validation, settings.test)
    )
    unlabeled = tuple(dict.fromkeys(read.texts(settings.unlabeled)))
    _check_classes(train, settings)
    if not settings.test:
        train, test = _split_off("test", train, settings.test_share, seed)
    if not settings.validation:
        share = settings.validation_share / (1 - (0 if settings.test else settings.test_share))
        train, validation = _split_off("validation", train, share, seed + 1)
    return _assemble(train, validation, test, unlabeled, read)


def _split_off(
    name: str, rows: list[LabelledRow], share: float, seed: int
) -> tuple[list[LabelledRow], list[LabelledRow]]:
    rest, part = split_rows(rows, share, seed)
    if not part:
        raise DataError(
            f"no {name} rows can be split off {len(rows)} rows",
            expected="two rows of a class, or two groups that hold it",
            action=f'add rows, use finer groups, or name a file: {name} = "{name}.csv"',
        )
    return rest, part


def load_labelled(
    settings: DataSettings, folder: Path, classes: tuple[str, ...]
) -> tuple[Rows, list[str]]:
    """Load `settings.test` for a model with these classes; return its rows and warnings.

    Labels that are class numbers are taken as such. Raises DataError as `load_dataset` does.
    """
    read = _Reader(settings, folder)
    rows = read.split(settings.test)
    known = set(classes)
    if not {row.label for row in rows} <= known and all(row.label.isdigit() for row in rows):
        rows = [dataclasses.replace(row, label=_numbered(row.label, classes)) for row in rows]
    _check_known("test", rows, classes)
    return _indexed(rows, classes), read.warnings


def load_texts(settings: DataSettings, folder: Path) -> Rows:
    """Load the texts of `settings.test` without their labels."""
    return Rows(_Reader(settings, folder).texts(settings.test), ())


def _numbered(label: str, classes: tuple[str, ...]) -> str:
    return classes[int(label)] if int(label) < len(classes) else label


class _Reader:
    """Read the files of a recipe and collect what is worth a warning."""

    def __init__(self, settings: DataSettings, folder: Path) -> None:
        self._settings = settings
        self._folder = folder / Path(settings.folder).expanduser()
        self.warnings: list[str] = []
        self.dropped = 0

    def split(self, names: Sequence[str]) -> list[LabelledRow]:
        columns = [self._settings.text, self._settings.label]
        columns += [self._settings.group] if self._settings.group else []
        return [
            LabelledRow(text, label.strip(), *group)
            for name in names
            for text, label, *group in self._rows(name, tuple(columns))
        ]

    def texts(self, names: Sequence[str]) -> tuple[str, ...]:
        columns = (self._settings.text,)
        return tuple(row[0] for name in names for row in self._rows(name, columns))

    def _rows(self, name: str, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
        table = read_table(name, self._folder, columns, self._settings.origin)
        whole = [row for row in table.rows if all(value.strip() for value in row)]
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


def _empty_rows(table: Table, columns: tuple[str, ...]) -> DataError:
    places = [
        f"line {table.lines[index]} ({', '.join(_blank(row, columns))})"
        for index, row in enumerate(table.rows)
        if not all(value.strip() for value in row)
    ]
    return DataError(
        f"{table.name}: rows without a value ({len(places)}): {'; '.join(places[:5])}",
        expected="text and label in every row",
        action='mend them, or set on_empty = "drop" under [data]',
    )


def _blank(row: tuple[str, ...], columns: tuple[str, ...]) -> list[str]:
    return [column for column, value in zip(columns, row, strict=True) if not value.strip()]


def _check_classes(train: Sequence[LabelledRow], settings: DataSettings) -> None:
    counts = Counter(row.label for row in train)
    if len(counts) < 2:
        raise DataError(
            f"train has one class only: {next(iter(counts))!r}",
            expected=f"at least two classes in column {settings.label!r}",
            action="add rows of other classes, or name another column",
        )
    if all(_FRACTION.fullmatch(label) for label in counts) and any("." in c for c in counts):
        raise DataError(
            f"the labels are fractions: {', '.join(sorted(counts)[:5])}",
            expected="classes; regression is not a task of edgepress",
            action="name another label column, or bin the values into classes",
        )
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"train has {len(counts)} classes in column {settings.label!r}",
            expected=f"at most {MOST_CLASSES}",
            action="is it an id or a text? name the column that holds the class",
        )
    lonely = sorted(label for label, count in counts.items() if count < 2)
    if lonely:
        raise DataError(
            f"{len(lonely)} of {len(counts)} classes with one row only:"
            f" {', '.join(map(repr, lonely[:5]))}",
            expected="at least two rows a class in train, so that it can be learnt and checked",
            action="add rows, or merge or drop the class",
        )


def _assemble(
    train: Sequence[LabelledRow],
    validation: Sequence[LabelledRow],
    test: Sequence[LabelledRow],
    unlabeled: tuple[str, ...],
    read: _Reader,
) -> Dataset:
    labels = tuple(sorted({row.label for row in train}))
    for name, rows in (("validation", validation), ("test", test)):
        _check_known(name, rows, labels)
    warnings = read.warnings + weaknesses(train, validation, test)
    splits = [_indexed(rows, labels) for rows in (train, validation, test)]
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


def _check_known(name: str, rows: Sequence[LabelledRow], labels: tuple[str, ...]) -> None:
    strange = sorted({row.label for row in rows} - set(labels))
    if strange:
        raise DataError(
            f"{name} has labels that train lacks ({len(strange)}):"
            f" {', '.join(map(repr, strange[:5]))}",
            expected=f"one of the {len(labels)} labels that the model knows",
            available=", ".join(labels[:12]) + (", …" if len(labels) > 12 else ""),
            action="check the label column's spelling, or drop these rows",
        )


def _indexed(rows: Sequence[LabelledRow], labels: tuple[str, ...]) -> Rows:
    index = {label: place for place, label in enumerate(labels)}
    return Rows(tuple(row.text for row in rows), tuple(index[row.label] for row in rows))


def align_labels(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return the data with its classes in a trained head's order.

    Labels that are the class numbers "0", "1", … take the head's names. Raises DataError when
    the head was made for other classes.
    """
    if data.labels == classes:
        return data
    names = data.labels
    if set(names) != set(classes) and all(name.isdigit() for name in names):
        numbers = sorted(int(name) for name in names)
        if numbers == list(range(len(classes))):
            names = tuple(classes[int(name)] for name in names)
    if set(names) != set(classes):
        raise _other_classes(data.labels, classes)
    order = [classes.index(name) for name in names]
    splits = [
        Rows(rows.inputs, tuple(order[label] for label in rows.targets))
        for rows in (data.train, data.validation, data.test)
    ]
    return dataclasses.replace(
        data, labels=classes, train=splits[0], validation=splits[1], test=splits[2]
    )


def _other_classes(found: tuple[str, ...], classes: tuple[str, ...]) -> DataError:
    strange = sorted(set(found) - set(classes))[:5]
    absent = sorted(set(classes) - set(found))[:5]
    parts = [f"only in the data: {', '.join(map(repr, strange))}"] if strange else []
    parts += [f"only in the teacher: {', '.join(map(repr, absent))}"] if absent else []
    return DataError(
        f"the teacher's head has {len(classes)} classes, the data {len(found)}; {'; '.join(parts)}",
        expected="the classes that the teacher was trained on",
        action='add [[stage]] kind = "finetune" to train a head for these labels',
    )
