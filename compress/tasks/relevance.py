"""Rows of queries and texts with relevances: what can be learned and ranked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from compress.data.rows import Record
from compress.tasks.ranking_scores import groups_of
from runtimes.errors import DataError

_FEW_GROUPS = 50


def relevance_of(cell: Any) -> float | str:
    """Return the number in a cell; its text where it is none, or below 0."""
    text = str(cell).strip()
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) and number >= 0 else text


def check_relevance(split: str, records: Sequence[Record], column: str = "") -> None:
    """Raise DataError for a relevance that is no number from 0 up."""
    said = [row.target[0] for row in records]
    strange = sorted({one for one in said if isinstance(one, str)})
    if strange:
        raise DataError(
            f"{split} has relevances that are no numbers from 0 up ({len(strange)}):"
            f" {', '.join(map(repr, strange[:5]))}",
            expected="0 for a text that is not relevant, 1 for one that is, more for degrees"
            + (f", in column {column!r}" if column else ""),
            action="write relevances as numbers, or name their column under [data] label",
        )


def require_groups(split: str, records: Sequence[Record]) -> None:
    """Raise DataError where no group has texts of different relevance."""
    if not _rankable(records):
        count = len({row.target[1] for row in records})
        raise DataError(
            f"{split}: in none of its {count} groups do texts differ in relevance",
            expected="groups with a relevant text and another one; rows of the same query are a"
            " group, or those of the same [data] group",
            action="add the other candidates of each query, or name the column of the query's id",
        )


def few_groups(**splits: Sequence[Record]) -> list[str]:
    """Warn of few groups to judge by, and of groups whose texts are all equally relevant."""
    said = []
    for name, records in splits.items():
        ranked, groups = len(_rankable(records)), len({row.target[1] for row in records})
        if ranked < groups:
            said.append(
                f"{name}: in {groups - ranked} of {groups} groups all texts are equally relevant;"
                " they are not judged"
            )
        if name != "train" and ranked < _FEW_GROUPS:
            said.append(f"{name} has {ranked} groups only: an nDCG of so few is not well known")
    return said


def _rankable(records: Sequence[Record]) -> list[Any]:
    relevance = np.array([row.target[0] for row in records], dtype=np.float64)
    return groups_of([row.target[1] for row in records], relevance)
