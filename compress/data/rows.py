"""Labelled rows as they were read, and what is weak about them."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

_FEW_ROWS = 100
_UNEVEN = 50.0


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """Hold one row as it was read; rows of a group never part when they are split."""

    text: str
    label: str
    group: str | None = None


def weaknesses(
    train: Sequence[LabelledRow],
    validation: Sequence[LabelledRow],
    test: Sequence[LabelledRow],
) -> list[str]:
    """Say what makes the figures on these splits less than they seem, a sentence each."""
    splits = {"train": train, "validation": validation, "test": test}
    return [
        *_shared(splits, "texts", lambda row: _normal(row.text)),
        *_shared(splits, "groups", lambda row: row.group),
        *_contradictions(train),
        *_small(validation, test),
        *_uneven(train),
    ]


def repeated(*splits: Sequence[LabelledRow]) -> int:
    """Count the texts that stand in more than one split, case and outer space aside."""
    found = Counter(text for rows in splits for text in {_normal(row.text) for row in rows})
    return sum(count > 1 for count in found.values())


def _normal(text: str) -> str:
    return " ".join(text.split()).casefold()


def _shared(
    splits: Mapping[str, Sequence[LabelledRow]], what: str, key: Callable[[LabelledRow], str | None]
) -> Iterator[str]:
    found = {name: {key(row) for row in rows} - {None} for name, rows in splits.items()}
    for one, other in (("train", "test"), ("train", "validation"), ("validation", "test")):
        count = len(found[one] & found[other])
        if count:
            yield (f"{what} in both {one} and {other}: {count}; figures on them flatter the model")


def _contradictions(train: Sequence[LabelledRow]) -> Iterator[str]:
    labels: dict[str, set[str]] = defaultdict(set)
    for row in train:
        labels[_normal(row.text)].add(row.label)
    count = sum(len(found) > 1 for found in labels.values())
    if count:
        example = next(text for text, found in labels.items() if len(found) > 1)
        yield (
            f"texts with different labels in train: {count}, such as {example[:60]!r};"
            " no model can learn both"
        )


def _small(validation: Sequence[LabelledRow], test: Sequence[LabelledRow]) -> Iterator[str]:
    for name, rows in (("validation", validation), ("test", test)):
        if len(rows) < _FEW_ROWS:
            width = 100 * 1.96 * math.sqrt(0.25 / len(rows))
            yield (
                f"{name} has {len(rows)} rows only: an accuracy on so few is known"
                f" to ±{width:.0f} points"
            )


def _uneven(train: Sequence[LabelledRow]) -> Iterator[str]:
    (most, top), *_, (least, low) = Counter(row.label for row in train).most_common()
    if top / low > _UNEVEN:
        yield (
            f"class {most!r} has {top} rows and {least!r} has {low}: accuracy hides the small"
            " one, look at F1"
        )
