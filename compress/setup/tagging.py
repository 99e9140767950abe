"""Find out whether a file of rows holds words with tags, and in which columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from compress.data.reading import read_records
from compress.setup.columns import LOOKED_AT, Choice, Layout

TASK = "token-classification"
_TAG = re.compile(r"[BIESLU]-\S")


def find_tagging(path: Path, text: str | None, label: str | None) -> Layout | None:
    """Return the columns of words and tags; None for rows of another kind, or where it is unclear.

    `text` and `label` are columns that the user named. Raises DataError as reading does.
    """
    records = islice(read_records(str(path), Path()), LOOKED_AT)
    rows = [record for _, record in records]
    labels = [label] if label else list(rows[0]) if rows else []
    for find in (_of_tags, _of_spans):
        found = [
            (name, one)
            for name in labels
            for one in find(rows, name)
            if text in (None, one) and one != name
        ]
        if len(found) == 1:
            name, one = found[0]
            why = "a tag for each word" if find is _of_tags else "spans of characters with types"
            holds = "lists of words" if find is _of_tags else "the text that the spans count in"
            return Layout(
                TASK,
                Choice(one, "as given" if text else f"it holds {holds}"),
                Choice(name, "as given" if label else f"it holds {why}"),
            )
    return None


def _of_tags(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return the columns whose lists have as many words as this one has tags."""
    cells: list[Any] = [row.get(name) for row in rows]
    if not all(_are_words(cell) for cell in cells):
        return []
    tags = {tag for cell in cells for tag in cell}
    if not ("O" in tags and any(map(_TAG.match, tags))):
        return []
    return [
        other
        for other in rows[0]
        if other != name
        and all(
            _are_words(row.get(other)) and len(row[other]) == len(cell)
            for row, cell in zip(rows, cells, strict=True)
        )
        and not {tag for row in rows for tag in row[other]} <= tags
    ]


def _are_words(cell: Any) -> bool:
    return isinstance(cell, list) and all(isinstance(one, str) for one in cell)


def _of_spans(rows: Sequence[Mapping[str, Any]], name: str) -> list[str]:
    """Return the columns of text, where this one holds spans with a start and an end."""
    cells: list[Any] = [row.get(name) for row in rows]
    spans = [span for cell in cells if isinstance(cell, list) for span in cell]
    if not spans or not all(isinstance(cell, list) for cell in cells):
        return []
    if not all(isinstance(span, dict) and type(span.get("end")) is int for span in spans):
        return []
    longest = [max((span["end"] for span in cell), default=0) for cell in cells]
    return [
        other
        for other in rows[0]
        if all(
            isinstance(row.get(other), str) and len(row[other]) >= end
            for row, end in zip(rows, longest, strict=True)
        )
    ]
