"""Rows whose target is a class: checks of the classes, and their numbers."""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from compress.data.dataset import Dataset
from compress.data.rows import Record, Rows, normal
from runtimes.errors import DataError

MOST_CLASSES = 5_000
"""More classes than any classifier for a device has; an id column has more."""

_FRACTION = re.compile(r"-?\d*\.?\d+(e-?\d+)?")
_FEW_ROWS = 100
_UNEVEN = 50.0


def check_classes(train: Sequence[Record], column: str) -> None:
    """Raise DataError for a single class, fractions, an id column, or a class with one row."""
    counts = Counter(row.target for row in train)
    if len(counts) < 2:
        raise DataError(
            f"train has one class only: {next(iter(counts))!r}",
            expected=f"at least two classes in column {column!r}",
            action="add rows of other classes, or name another column",
        )
    if all(_FRACTION.fullmatch(label) for label in counts) and any("." in c for c in counts):
        raise DataError(
            f"the labels are fractions: {', '.join(sorted(counts)[:5])}",
            expected='classes; a number is learned by task = "text-regression"',
            action="name another label column, or group the values into classes",
        )
    if len(counts) > MOST_CLASSES:
        raise DataError(
            f"train has {len(counts)} classes in column {column!r}",
            expected=f"at most {MOST_CLASSES}",
            action="is it an id or a text? name the column that holds the class",
        )
    lonely = sorted(label for label, count in counts.items() if count < 2)
    if lonely:
        raise DataError(
            f"{len(lonely)} of {len(counts)} classes with one row only:"
            f" {', '.join(map(repr, lonely[:5]))}",
            expected="at least two rows a class in train, so that it can be learned and checked",
            action="add rows, or merge or drop the class",
        )


def check_known(
    split: str, names: Iterable[str], known: Sequence[str], what: str = "labels"
) -> None:
    """Raise DataError when a split names something that the model does not know."""
    strange = sorted(set(names) - set(known))
    if strange:
        raise DataError(
            f"{split} has {what} that the model does not know ({len(strange)}):"
            f" {', '.join(map(repr, strange[:5]))}",
            expected=f"some of the {len(known)} that it knows",
            available=", ".join(known[:12]) + (", …" if len(known) > 12 else ""),
            action=f"check the spelling of the {what}, or drop these rows",
        )


def numbered(records: Sequence[Record], classes: tuple[str, ...]) -> Sequence[Record]:
    """Replace class numbers, and names of another case, by the names of these classes."""
    given = {row.target for row in records}
    if given <= set(classes):
        return records
    if all(map(_is_number, given)):
        names = {label: _named(label, classes) for label in given}
    else:
        names = _spelled(sorted(given), classes)
    return [dataclasses.replace(row, target=names[row.target]) for row in records]


def _spelled(labels: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """Return each label as the classes spell it, where they differ in case alone and clearly."""
    known = {name.casefold(): name for name in classes}
    found = {label: known.get(label.casefold(), label) for label in labels}
    clear = len(known) == len(classes) and len(set(found.values())) == len(labels)
    return found if clear else dict(zip(labels, labels, strict=True))


def _is_number(label: str) -> bool:
    """Tell whether a label is the number of a class, as no superscript or long id is."""
    return re.fullmatch("[0-9]{1,9}", label) is not None


def _named(label: str, classes: tuple[str, ...]) -> str:
    return classes[int(label)] if int(label) < len(classes) else label


def indexed(rows: Sequence[Record], labels: tuple[str, ...]) -> Rows:
    """Return rows whose targets are indices into `labels`."""
    index = {label: place for place, label in enumerate(labels)}
    return Rows(tuple(row.input for row in rows), tuple(index[row.target] for row in rows))


def align_labels(data: Dataset, classes: tuple[str, ...]) -> Dataset:
    """Return the data with its classes in the order of a trained head.

    Labels "0", "1", …, and those of another case, are replaced by the head's names. Raises
    DataError when the head has other classes.
    """
    if data.labels == classes:
        return data
    names = data.labels
    if set(names) != set(classes) and all(map(_is_number, names)):
        numbers = sorted(int(name) for name in names)
        if numbers == list(range(len(classes))):
            names = tuple(classes[int(name)] for name in names)
    names = tuple(_spelled(names, classes)[name] for name in names)
    if set(names) != set(classes):
        raise _other_classes(data.labels, classes)
    order = [classes.index(name) for name in names]
    return data.relabeled(classes, lambda _, rows: [order[label] for label in rows.targets])


def _other_classes(given: tuple[str, ...], classes: tuple[str, ...]) -> DataError:
    strange = sorted(set(given) - set(classes))[:5]
    absent = sorted(set(classes) - set(given))[:5]
    parts = [f"only in the data: {', '.join(map(repr, strange))}"] if strange else []
    parts += [f"only in the teacher: {', '.join(map(repr, absent))}"] if absent else []
    return DataError(
        f"the teacher's head has {len(classes)} classes, the data {len(given)}; {'; '.join(parts)}",
        expected="the classes that the teacher was trained on",
        action='add [[stage]] kind = "finetune" to train a head for these labels',
    )


def contradictions(train: Sequence[Record]) -> Iterator[str]:
    """Warn of texts that have several labels."""
    labels: dict[str, set[str]] = defaultdict(set)
    for row in train:
        labels[normal(row.input)].add(row.target)
    count = sum(len(given) > 1 for given in labels.values())
    if count:
        example = next(text for text, given in labels.items() if len(given) > 1)
        yield (
            f"texts with different labels in train: {count}, such as {example[:60]!r};"
            " no model can learn both"
        )


def few_rows(validation: Sequence[Record], test: Sequence[Record]) -> Iterator[str]:
    """Warn of splits that are too small to measure accuracy."""
    for name, rows in (("validation", validation), ("test", test)):
        if len(rows) < _FEW_ROWS:
            width = 100 * 1.96 * math.sqrt(0.25 / len(rows))
            yield (
                f"{name} has {len(rows)} rows only: an accuracy on so few is known"
                f" to ±{width:.0f} points"
            )


def uneven(train: Sequence[Record]) -> Iterator[str]:
    """Warn of a class that has far more rows than another."""
    (most, top), *_, (least, low) = Counter(row.target for row in train).most_common()
    if top / low > _UNEVEN:
        yield (
            f"class {most!r} has {top} rows and {least!r} has {low}: accuracy hides the small"
            " one, use F1"
        )
