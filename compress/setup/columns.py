"""Find the columns of the text and of the class in a file of rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compress.data.classes import MOST_CLASSES
from compress.data.reading import read_records, text_of
from runtimes.errors import DataError, suggest

_TEXTS = (
    *("text", "sentence", "utterance", "query", "question", "message", "content", "review"),
    *("comment", "body", "input", "description", "title"),
)
_LABELS = (
    "label",
    "labels",
    "category",
    "class",
    "intent",
    "topic",
    "target",
    "sentiment",
    "tag",
    "relevance",
)
"""Common names of such columns, the clearest first."""
_ROWS_A_CLASS = 2

LOOKED_AT = 200
"""Rows that are enough to tell what a column holds."""

Columns = Mapping[str, Sequence[str]]
"""The cells of each column, as text; "" where there is none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Name a column, and the reason for choosing it."""

    column: str
    why: str


@dataclass(frozen=True, slots=True)
class Layout:
    """Name a task that rows fit, and their columns: input, target, and a pair's second text."""

    task: str
    text: Choice
    label: Choice
    text_pair: Choice | None = None


def read_columns(path: Path) -> dict[str, list[str]]:
    """Return every column of a csv, tsv, jsonl or parquet file; raise DataError as reading does."""
    records = [record for _, record in read_records(str(path), Path())]
    names = dict.fromkeys(str(name) for record in records for name in record)
    columns = {name: [_text(record.get(name)) for record in records] for name in names}
    if not columns:
        raise DataError(f"{path}: no rows", expected="a header and rows", action="write it again")
    return columns


def _text(value: object) -> str:
    try:
        return text_of(value, "").strip()
    except DataError:
        return ""  # a list or an object is neither a text nor a class


def choose_label(
    columns: Columns, asked: str | None, text: str | None, known: Collection[str]
) -> Choice:
    """Return the column of the class; `known` are the classes of a fine-tuned teacher.

    Raises DataError for a requested column that is missing, or where several columns are possible.
    """
    if asked is not None:
        return Choice(existing(columns, asked, "--label"), "as given")
    likely = [name for name in columns if name != text and _holds_classes(columns[name])]
    if same := [name for name in likely if known and set(columns[name]) <= {*known, ""}]:
        return Choice(same[0], "it holds the teacher's classes")
    if named := _named(likely, _LABELS) or _named([c for c in columns if c != text], _LABELS):
        return Choice(named, "by its name")
    if len(likely) == 1:
        return Choice(likely[0], "the only column with a few repeated values")
    raise _unclear("label", "classes", columns, likely)


def choose_text(columns: Columns, asked: str | None, label: str) -> Choice:
    """Return the column of the text; raise DataError for a requested column that is missing."""
    if asked is not None:
        return Choice(existing(columns, asked, "--text"), "as given")
    others = {name: cells for name, cells in columns.items() if name != label and any(cells)}
    if named := _named(list(others), _TEXTS):
        return Choice(named, "by its name")
    worded = {name: _mean_words(cells) for name, cells in others.items()}
    if not worded or max(worded.values()) <= 1:
        raise _unclear("text", "text", columns, list(worded))
    return Choice(max(worded, key=lambda name: worded[name]), "it has the most words")


def _holds_classes(cells: Sequence[str]) -> bool:
    counts = Counter(filter(None, cells))
    return 2 <= len(counts) <= min(MOST_CLASSES, sum(counts.values()) // _ROWS_A_CLASS)


def _mean_words(cells: Sequence[str]) -> float:
    return sum(len(cell.split()) for cell in cells) / len(cells)


def _named(columns: Sequence[str], names: Sequence[str]) -> str | None:
    lower = {column.casefold(): column for column in reversed(columns)}
    return next((lower[name] for name in names if name in lower), None)


def existing(columns: Columns, name: str, option: str) -> str:
    """Return the name of a requested column; raise DataError where it is missing."""
    if name in columns:
        return name
    near = suggest(name, columns)
    raise DataError(
        f"{option} {name}: no such column",
        expected="a column of the file",
        available=", ".join(columns),
        action=f"did you mean {near!r}?" if near else f"give one of these to {option}",
    )


def _unclear(option: str, holds: str, columns: Columns, likely: Sequence[str]) -> DataError:
    return DataError(
        f"several columns may hold the {holds}: {', '.join(likely)}"
        if len(likely) > 1
        else f"no column seems to hold the {holds}",
        expected=f"one column of {holds}",
        available=", ".join(columns),
        action=f"name it with --{option} COLUMN",
    )
