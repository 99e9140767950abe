"""What the labeled rows look like: classes, repetitions, contradictions and lengths."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compress.data.reading import read_table
from compress.data.rows import Rows, normal


@dataclass(frozen=True, slots=True)
class Look:
    """Describe the rows that a model learns from. Lengths are in words.

    `contradictory` texts stand with several labels. `rows_a_class` is the median.
    """

    rows: int
    classes: int
    rows_a_class: float
    smallest_class: str
    smallest: int
    largest_class: str
    largest: int
    repeated: int
    contradictory: int
    words_p50: float
    words_p99: float


def look_at(rows: Rows, labels: Sequence[str]) -> Look:
    """Count classes, repeated and contradictory texts, and lengths."""
    counts = Counter(dict.fromkeys(range(len(labels)), 0))
    counts.update(rows.targets)
    (most, top), *_, (least, low) = counts.most_common()
    classes: dict[str, set[int]] = defaultdict(set)
    for text, target in zip(rows.inputs, rows.targets, strict=True):
        classes[normal(text)].add(target)
    words = [len(text.split()) for text in rows.inputs]
    return Look(
        rows=len(rows),
        classes=len(labels),
        rows_a_class=float(np.median(list(counts.values()))),
        smallest_class=labels[least],
        smallest=low,
        largest_class=labels[most],
        largest=top,
        repeated=len(rows) - len(classes),
        contradictory=sum(len(found) > 1 for found in classes.values()),
        words_p50=float(np.quantile(words, 0.5)),
        words_p99=float(np.quantile(words, 0.99)),
    )


def line_numbers(file: Path, text: str, label: str) -> Mapping[str, list[tuple[int, str]]]:
    """Return the lines on which each text stands in a file, each with its label."""
    table = read_table(file.name, file.parent, (text, label))
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line, (words, given) in zip(table.lines, table.rows, strict=True):
        found[words].append((line, given))
    return found
